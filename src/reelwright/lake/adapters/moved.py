"""A lake whose folder or bucket was moved or copied: its files name each other by the place where they lay before.

To go on with them would be to write into what was copied, and to delete what that one needs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table import StaticTable
from pyiceberg.table.metadata import TableMetadata

_BEFORE, _NOW = "moved.before", "moved.now"
_PATH = 1
"""Place of the path in a data file's record."""


class MovedFileIO(PyArrowFileIO):
    """Reads files where they lie now, by the names that they had."""

    def new_input(self, location: str) -> PyArrowFile:
        """A file to read."""
        return super().new_input(_moved(location, self.properties))


def content_of(
    metadata_location: str, now: str, properties: Mapping[str, str]
) -> tuple[TableMetadata, list[DataFile]]:
    """A table's last state by its newest metadata, with its data files named as they lie below `now`.

    `properties` say how a store is reached.
    """
    own = {**properties, "py-io-impl": f"{__name__}.{MovedFileIO.__name__}", _NOW: now}
    before = StaticTable.from_metadata(metadata_location, own | {_BEFORE: now}).location()
    table = StaticTable.from_metadata(metadata_location, own | {_BEFORE: before})
    return table.metadata, [_renamed(task.file, table.io) for task in table.scan().plan_files()]


def _renamed(file: DataFile, io: FileIO) -> DataFile:
    found = copy.copy(file)
    found._data = list(file._data)
    found._data[_PATH] = _moved(file.file_path, io.properties)
    return found


def _moved(location: str, properties: Mapping[str, str]) -> str:
    before = properties[_BEFORE]
    inside = location.startswith(f"{before}/")
    return properties[_NOW] + location.removeprefix(before) if inside else location
