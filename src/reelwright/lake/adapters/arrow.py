"""Tables as Arrow has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from reelwright.lake.core.tables import Table

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_PLAIN = {"date": pa.int32(), "timestamp": pa.int64()}
"""How rows carry them: days, and microseconds since the epoch."""


def arrow_schema(table: Table) -> pa.Schema:
    """A table's columns."""
    return pa.schema([pa.field(column.name, _TYPES[column.type]) for column in table.columns])


def to_arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as columns."""
    columns = [
        pa.array([row.get(column.name) for row in rows], type=_PLAIN.get(column.type, _TYPES[column.type])).cast(
            _TYPES[column.type]
        )
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(table))
