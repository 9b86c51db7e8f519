"""Files of a lake on this machine: whatever is closed survives a power cut before a catalog names it."""

from __future__ import annotations

import io
import os
from pathlib import Path

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from reelwright.kernel.files import LocalDisk

_DISK = LocalDisk()


class SyncedFileIO(FileIO):
    """pyiceberg's door to the disk; pyiceberg itself syncs nothing but its catalog."""

    def new_input(self, location: str) -> LocalInput:
        """A file to read."""
        return LocalInput(location)

    def new_output(self, location: str) -> SyncedOutput:
        """A file to write."""
        return SyncedOutput(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove a file."""
        path_of(location if isinstance(location, str) else location.location).unlink()


class LocalInput(InputFile):
    """A file to read."""

    def __len__(self) -> int:
        return path_of(self.location).stat().st_size

    def exists(self) -> bool:
        """Whether it is there."""
        return path_of(self.location).exists()

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 (pyiceberg's signature)
        """Open for reading."""
        return path_of(self.location).open("rb")


class SyncedOutput(OutputFile):
    """A file to write, durable once closed."""

    def __len__(self) -> int:
        return path_of(self.location).stat().st_size

    def exists(self) -> bool:
        """Whether it is there."""
        return path_of(self.location).exists()

    def to_input_file(self) -> LocalInput:
        """The same file, to read."""
        return LocalInput(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        """Open for writing. Raises FileExistsError."""
        path = path_of(self.location)
        _DISK.make_folder(path.parent)
        return _SyncedFile(path, "w" if overwrite else "x")


class _SyncedFile(io.FileIO):
    """Syncs itself and its folder's names when it is closed."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._path = path

    def close(self) -> None:
        if not self.closed:
            os.fsync(self.fileno())
            super().close()
            _DISK.sync_folder(self._path.parent)


def path_of(location: str) -> Path:
    """The local path of a location."""
    return Path(location.removeprefix("file://"))
