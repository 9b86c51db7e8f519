"""The pipelines on Spark: the same SELECTs over the same files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow.dataset import dataset

from reelwright.kernel.errors import MissingExtra
from reelwright.lake.adapters.arrow import arrow_schema
from reelwright.lake.adapters.s3 import SCHEME, open_s3
from reelwright.lake.contract import LakeFile
from reelwright.lake.core.tables import BY_NAME, Table
from reelwright.lake.settings import is_s3

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class SparkEngine:
    """Implements `Engine` on a Spark cluster, or on `local[N]`; files must be where its executors reach them."""

    def __init__(self, master: str = "local[2]") -> None:
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise MissingExtra("spark", f"the engine {master}") from error
        configuration: dict[str, Any] = dict(_CONFIGURATION)
        if master.startswith("local"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else it takes whatever is first on the path
            configuration |= _LOCAL  # executors elsewhere have to reach us
        builder = SparkSession.builder.master(master).appName("reelwright")
        self._session = builder.config(map=configuration).getOrCreate()

    def run(self, sql: str, inputs: Mapping[str, Sequence[LakeFile]], into: Table) -> pa.Table:
        """The rows of one SELECT."""
        schema = arrow_schema(into)
        session = self._viewing(inputs)
        columns = ", ".join(schema.names)
        return session.sql(f"SELECT {columns} FROM ({sql})").toArrow().cast(schema)  # noqa: S608

    def fold(
        self,
        sql: str,
        inputs: Mapping[str, Sequence[LakeFile]],
        *,
        by: str,
        fold: Callable[[pa.Table], pa.Table],
        into: pa.Schema,
    ) -> pa.Table:
        """The rows of one SELECT, folded on the executors: those with one value of the column `by` together.

        Executors run `fold` in a Python of their own, which needs this package.
        """
        from pyspark.sql.pandas.types import from_arrow_schema

        def folded(rows: pa.Table) -> pa.Table:
            return fold(rows)  # Spark reads the hints of what it is given

        found = self._viewing(inputs).sql(sql).groupBy(by).applyInArrow(folded, from_arrow_schema(into))
        return found.toArrow().cast(into)

    def _viewing(self, inputs: Mapping[str, Sequence[LakeFile]]) -> SparkSession:
        """A session of its own, whose views are nobody else's."""
        session = self._session.newSession()
        for name, files in inputs.items():
            paths = [file.path for file in files]
            if not paths:
                found = session.createDataFrame([], _ddl(BY_NAME[name]))
            elif is_s3(paths[0]):
                found = _from_s3(session, paths, BY_NAME[name])
            else:
                found = session.read.parquet(*paths)
            found.createOrReplaceTempView(name)
        return session

    def close(self) -> None:
        """End the session."""
        self._session.stop()


_CONFIGURATION = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
}
_LOCAL = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}


def _from_s3(session: SparkSession, paths: Sequence[str], table: Table) -> DataFrame:
    """Files in S3, read on the executors by Arrow: PyPI's Spark has no connector for it.

    Endpoint and credentials go with the work, so that all executors have the same.
    """
    schema = arrow_schema(table)
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        os.environ.update(environ)
        store = open_s3()
        for batch in batches:
            for path in batch.column(0).to_pylist():
                yield from dataset(path, schema, format="parquet", filesystem=store).to_batches()

    rows = [(path.removeprefix(SCHEME),) for path in paths]
    return session.createDataFrame(rows, "path string").repartition(len(rows)).mapInArrow(read, _ddl(table))


def _ddl(table: Table) -> str:
    names = {"long": "bigint", "bool": "boolean"}
    return ", ".join(f"{column.name} {names.get(column.type, column.type)}" for column in table.columns)
