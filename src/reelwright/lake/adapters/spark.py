"""The pipelines on Spark: the same SELECTs over the same files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from reelwright.kernel.errors import MissingExtra
from reelwright.lake.adapters.arrow import arrow_schema
from reelwright.lake.contract import LakeFile
from reelwright.lake.core.tables import BY_NAME, Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkEngine:
    """Implements `Engine` on a Spark cluster, or on `local[N]`; files must be where its executors reach them."""

    def __init__(self, master: str = "local[2]") -> None:
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise MissingExtra("spark", f"the engine {master}") from error
        if master.startswith("local"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else it takes whatever is first on the path
        builder = SparkSession.builder.master(master).appName("reelwright")
        for key, value in _CONFIGURATION.items():
            builder = builder.config(key, value)
        self._session = builder.getOrCreate()

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
            if files:
                found = session.read.parquet(*(file.path for file in files))
            else:
                found = session.createDataFrame([], _ddl(BY_NAME[name]))
            found.createOrReplaceTempView(name)
        return session

    def close(self) -> None:
        """End the session."""
        self._session.stop()


_CONFIGURATION = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


def _ddl(table: Table) -> str:
    names = {"long": "bigint", "bool": "boolean"}
    return ", ".join(f"{column.name} {names.get(column.type, column.type)}" for column in table.columns)
