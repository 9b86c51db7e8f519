"""Taking a profile out of everything: tables with their former and stray files, event logs, the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reelwright.events.adapters.reader import Reader
from reelwright.events.core.frame import Position
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.lake.adapters import duck, sql
from reelwright.lake.adapters.arrow import arrow_schema
from reelwright.lake.adapters.iceberg import LakeTable
from reelwright.lake.core.offsets import place
from reelwright.lake.core.tables import EVENTS, FAILED, Table


def erase_from_table(table: LakeTable, profile_id: str) -> int:
    """Write the files that name the profile anew without those rows; how many files that were. Raises Raced."""
    naming = _naming(table.table, [file.path for file in table.snapshot.files], profile_id)
    found = [file for file in table.snapshot.files if file.path in naming]
    for day in sorted({file.day for file in found}):
        files = [file for file in found if file.day == day]
        with duck.connection(files) as connection:
            kept = f"SELECT * FROM {duck.read_files(files)} WHERE NOT ({_named(table.table, profile_id)})"  # noqa: S608
            rows = connection.sql(kept).to_arrow_table().cast(arrow_schema(table.table))
        table.commit(add=rows, remove=[file.path for file in files])
    return len(found)


def _naming(table: Table, paths: Sequence[str], profile_id: str) -> set[str]:
    """Those of the files of which any text holds the profile's id."""
    if not paths:
        return set()
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    source = f"read_parquet([{listed}], hive_partitioning = false, filename = true)"
    with duck.connection(paths) as connection:
        found = connection.execute(
            f"SELECT DISTINCT filename FROM {source} WHERE {_named(table, profile_id)}"  # noqa: S608
        ).fetchall()
    return {str(row[0]) for row in found}


def _named(table: Table, profile_id: str) -> str:
    texts = [column.name for column in table.columns if column.type == "string"]
    quoted = profile_id.replace("'", "''")
    return " OR ".join(f"coalesce(contains({name}, '{quoted}'), false)" for name in texts)


def erase_from_logs(
    reader: Reader, tables: Mapping[str, LakeTable], projected: Mapping[str, Position], profile_id: str
) -> list[str]:
    """Blank what all consumers are through with; the logs that hold the profile behind that place."""
    held = []
    for name in (EVENTS, FAILED):
        for source in reader.sources(failed=name == FAILED):
            until = place(tables[name].snapshot.offsets, source)
            if name == EVENTS:
                until = min(until, projected.get(source, (0, 0)))
            reader.erase(source, until, profile_id.encode())
            if reader.holds(source, profile_id.encode()):
                held.append(source)
    return held


def strays(tables: Mapping[str, LakeTable], profile_id: str) -> list[str]:
    """Files below the warehouse, whether a snapshot names them or not, that still hold the profile."""
    return [
        Path(path).name for table in tables.values() for path in _naming(table.table, table.data_files(), profile_id)
    ]


def erase_from_database(database: Database, profile_id: str) -> bool:
    """Delete the profile's rows; whether the database's own log is rid of them as well."""
    database.transact(sql.erase_rows, profile_id)
    try:
        database.scrub()
    except Unavailable:
        return False
    return True
