"""Files that must survive a power cut: the port, the machine's disk, and a disk that forgets what was not synced.

Only what was synced counts: bytes of a file after `sync` on it, its name after `sync_folder` on the folder.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import random
import secrets
from pathlib import Path
from typing import Protocol

_SECTOR = 512


class AppendFile(Protocol):
    """A file open for appending."""

    def write(self, data: bytes) -> None:
        """Append everything. Raises OSError; then a part of it may be there."""
        ...

    def sync(self) -> None:
        """Return once the content survives a power cut. After an OSError nothing may be assumed."""
        ...

    def truncate(self, size: int) -> None:
        """Cut back to `size` bytes."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Disk(Protocol):
    """What a log needs of a file system."""

    def make_folder(self, folder: Path) -> None:
        """Make the folder and those above it, durably."""
        ...

    def list(self, folder: Path) -> list[str]:
        """Names in a folder, sorted."""
        ...

    def size(self, path: Path) -> int:
        """Bytes of a file. Raises FileNotFoundError."""
        ...

    def read(self, path: Path, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop` of a file, fewer where it ends before."""
        ...

    def append(self, path: Path) -> AppendFile:
        """Open for appending, made when absent."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return once the folder's names survive a power cut."""
        ...

    def note(self, path: Path, data: bytes) -> None:
        """Write a small file of fixed size over itself, without sync: others on this machine read it at once."""
        ...


class LocalDisk:
    """The machine's own."""

    def make_folder(self, folder: Path) -> None:
        """Make what is missing, and sync each folder that got a new name."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            self.sync_folder(path.parent)

    def list(self, folder: Path) -> list[str]:
        """Names in a folder, sorted."""
        return sorted(path.name for path in folder.iterdir())

    def size(self, path: Path) -> int:
        """Bytes of a file."""
        return path.stat().st_size

    def read(self, path: Path, start: int, stop: int) -> bytes:
        """Bytes of a file."""
        with path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def append(self, path: Path) -> AppendFile:
        """Open for appending."""
        return _LocalFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))

    def sync_folder(self, folder: Path) -> None:
        """fsync of the folder."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def note(self, path: Path, data: bytes) -> None:
        """One write at the beginning of the file."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)


def read_typed(path: Path, most: int = -1) -> bytes:
    """What somebody's editor wrote, `most` bytes of it, without the mark that some put in front. Raises OSError."""
    with path.open("rb") as file:
        return file.read(most).removeprefix(codecs.BOM_UTF8)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however little the system takes at a time. Raises OSError; then a part may be there."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `path` whole or not at all, durably: a part beside it, synced, renamed, its folder synced."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    LocalDisk().sync_folder(path.parent)


def make_once(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `path` durably unless it is there; of several processes that do so at once one is first."""
    if path.exists():
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    replace_file(part, data, mode=mode)
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
    LocalDisk().sync_folder(path.parent)


class _LocalFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        write_all(self._descriptor, data)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class PowerCut(BaseException):
    """The simulated machine has just lost power; nothing of the program runs on."""


class ForgetfulDisk:
    """A disk in memory that keeps only what was synced, plus whatever chance had already written.

    `crash_at` is the number of the changing operation that is cut off by a power cut; `fail` may name operations that
    fail instead: `write` as on a full disk, after a part; `truncate` and `sync` as on a bad one, whose pages then
    count as clean although they are lost, which is how Linux does it.
    """

    def __init__(self, chance: random.Random, *, crash_at: int = -1, fail: dict[int, str] | None = None) -> None:
        self._chance = chance
        self._crash_at = crash_at
        self._fail = fail or {}
        self._now: dict[Path, _Content] = {}
        self._kept: dict[Path, _Content] = {}
        self.operations = 0

    def make_folder(self, folder: Path) -> None:
        """Folders themselves are never lost here."""

    def list(self, folder: Path) -> list[str]:
        """Names in a folder, sorted."""
        return sorted(path.name for path in self._now if path.parent == folder)

    def size(self, path: Path) -> int:
        """Bytes of a file."""
        return len(self._content(path).data)

    def read(self, path: Path, start: int, stop: int) -> bytes:
        """Bytes of a file, as the page cache has them."""
        return bytes(self._content(path).data[start:stop])

    def append(self, path: Path) -> AppendFile:
        """Open for appending; a new name is lost unless its folder is synced."""
        if path not in self._now:
            self.step("create")
            self._now[path] = _Content()
        return _ForgetfulFile(self, self._now[path])

    def sync_folder(self, folder: Path) -> None:
        """Keep the folder's names."""
        self.step("sync_folder")
        self._kept.update({path: content for path, content in self._now.items() if path.parent == folder})

    def note(self, path: Path, data: bytes) -> None:
        """Never synced, so chance decides what a power cut leaves of it; no operation that a log depends on."""
        self._now.setdefault(path, _Content()).data[:] = data

    def step(self, operation: str) -> bool:
        """Count one changing operation; True when it must fail. Raises PowerCut when it is the last one."""
        self.operations += 1
        if self.operations == self._crash_at:
            raise PowerCut
        return self._fail.get(self.operations) == operation

    def part(self, size: int) -> int:
        """How much of something got done."""
        return self._chance.randint(0, size)

    def cut_power(self) -> None:
        """Lose what was not synced, but for what chance had written already."""
        names = {
            path: content
            for path, content in {**self._now, **self._kept}.items()
            if path in self._kept or self._chance.random() < 0.5
        }
        for content in names.values():
            content.forget(self._chance)
        self._now, self._kept, self._crash_at, self._fail = dict(names), dict(names), -1, {}

    def _content(self, path: Path) -> _Content:
        try:
            return self._now[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path)) from None


class _Content:
    """A file's bytes as programs see them, and as they lie on the disk."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.kept = b""
        self.lost: set[int] = set()
        """Sectors that count as clean although they never reached the disk."""

    def sync(self) -> None:
        self.kept = bytes(self._with_lost_zeroed(self.data))

    def forget(self, chance: random.Random) -> None:
        least, most = sorted((len(self.kept), len(self.data)))
        size = chance.choice((least, most, chance.randint(least, most)))
        seen = bytearray(self.kept[:size].ljust(size, b"\0"))
        for start in range(len(self.kept) // _SECTOR * _SECTOR, size, _SECTOR):
            if chance.random() < 0.5:  # this sector had been written already
                begin, end = max(start, len(self.kept)), min(start + _SECTOR, size)
                seen[begin:end] = self.data[begin:end]
        self.data, self.lost = self._with_lost_zeroed(seen[:size]), set()
        self.kept = bytes(self.data)

    def _with_lost_zeroed(self, data: bytearray) -> bytearray:
        made = bytearray(data)
        for sector in self.lost:
            begin, end = sector * _SECTOR, min((sector + 1) * _SECTOR, len(made))
            keep = min(max(begin, len(self.kept)), end)
            made[keep:end] = bytes(max(0, end - keep))
        return made


class _ForgetfulFile:
    def __init__(self, disk: ForgetfulDisk, content: _Content) -> None:
        self._disk = disk
        self._content = content

    def write(self, data: bytes) -> None:
        try:
            full = self._disk.step("write")
        except PowerCut:
            self._append(data[: self._disk.part(len(data))])
            raise
        if full:
            self._append(data[: self._disk.part(len(data))])
            raise OSError(errno.ENOSPC, "No space left on device")
        self._append(data)

    def _append(self, data: bytes) -> None:
        begin, content = len(self._content.data), self._content
        content.data += data
        content.lost -= set(range(begin // _SECTOR, len(content.data) // _SECTOR + 1))

    def sync(self) -> None:
        if self._disk.step("sync"):
            content = self._content
            content.lost |= set(range(len(content.kept) // _SECTOR, len(content.data) // _SECTOR + 1))
            raise OSError(errno.EIO, "Input/output error")
        self._content.sync()

    def truncate(self, size: int) -> None:
        if self._disk.step("truncate"):
            raise OSError(errno.EIO, "Input/output error")
        del self._content.data[size:]

    def close(self) -> None:
        """Nothing to let go of."""
