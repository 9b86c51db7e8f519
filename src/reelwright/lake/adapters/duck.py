"""Questions to Parquet files through DuckDB."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import duckdb
import pyarrow as pa

from reelwright.lake.adapters.arrow import arrow_schema
from reelwright.lake.contract import LakeFile
from reelwright.lake.core.tables import BY_NAME, Table
from reelwright.lake.core.tidy import overlapping
from reelwright.lake.settings import is_s3

ENGINE_MB = 4096
"""Memory of one step of the pipelines; what is more is written aside."""


@contextmanager
def connection(
    files: Iterable[LakeFile | str] = (), *, memory_mb: int = 1024, threads: int = 2
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that neither phones home nor sees our variables, and can read `files`."""
    found = duckdb.connect(
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": threads,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        found.execute("SET TimeZone = 'UTC'")
        _reach(found, files)
        yield found
    finally:
        found.close()


def _reach(duck: duckdb.DuckDBPyConnection, files: Iterable[LakeFile | str]) -> None:
    """Let a database read these files, wherever they lie."""
    if any(is_s3(file if isinstance(file, str) else file.path) for file in files):
        from reelwright.lake.adapters.s3 import DuckS3

        if not duck.filesystem_is_registered(DuckS3.protocol):
            duck.register_filesystem(DuckS3())


def read_files(files: Iterable[LakeFile]) -> str:
    """The relation of these files, in SQL; there must be one at least."""
    paths = ", ".join("'" + file.path.replace("'", "''") + "'" for file in files)
    return f"read_parquet([{paths}], hive_partitioning = false)"


def fresh(duck: duckdb.DuckDBPyConnection, rows: pa.Table, files: Iterable[LakeFile]) -> pa.Table:
    """Those of the rows whose id is in none of the files."""
    ids = sorted(rows.column("id").to_pylist())
    among = overlapping(files, ids)
    if not among or not ids:
        return rows
    duck.register("candidates", rows)
    try:
        found = duck.execute(
            f"SELECT id FROM {read_files(among)} WHERE id IN (SELECT id FROM candidates)"  # noqa: S608
        ).fetchall()
    finally:
        duck.unregister("candidates")
    if not found:
        return rows
    known = pa.array([row[0] for row in found])
    return rows.filter(pa.compute.invert(pa.compute.is_in(rows.column("id"), known)))


def merged(
    duck: duckdb.DuckDBPyConnection, files: Sequence[LakeFile], schema: pa.Schema, *, rows: pa.Table | None = None
) -> pa.Table:
    """The rows of some files, and those that are given, as one table, sorted by id."""
    parts = [f"SELECT * FROM {read_files(files)}"] if files else []  # noqa: S608
    if rows is not None:
        duck.register("new_rows", rows)
        parts.append("SELECT * FROM new_rows")
    order = "ORDER BY id" if "id" in schema.names else "ORDER BY ALL"
    return duck.sql(f"{' UNION ALL BY NAME '.join(parts)} {order}").to_arrow_table().cast(schema)


class DuckEngine:
    """Implements `Engine` in this process; for any number of threads; opening costs 30 ms, so it stays open."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._opening = threading.Lock()

    def run(self, sql: str, inputs: Mapping[str, Sequence[LakeFile]], into: Table) -> pa.Table:
        """The rows of one SELECT."""
        schema = arrow_schema(into)
        with self._cursor(itertools.chain(*inputs.values())) as found:
            for name, files in inputs.items():
                if files:
                    found.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {read_files(files)}")  # noqa: S608
                else:
                    found.register(name, arrow_schema(BY_NAME[name]).empty_table())
            columns = ", ".join(schema.names)
            return found.sql(f"SELECT {columns} FROM ({sql})").to_arrow_table().cast(schema)  # noqa: S608

    def _cursor(self, files: Iterable[LakeFile]) -> duckdb.DuckDBPyConnection:
        """A session of its own; its temporary views are nobody else's."""
        with self._opening:
            if self._database is None:
                self._database = self._open.enter_context(connection(memory_mb=ENGINE_MB))
            _reach(self._database, files)
            found = self._database.cursor()
        found.execute("SET TimeZone = 'UTC'")
        return found

    def close(self) -> None:
        """Let go of its memory; it opens again when it is needed."""
        with self._opening:
            self._open.close()
            self._database = None
