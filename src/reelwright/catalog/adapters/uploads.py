"""Uploads on disk: each in a folder of its own, the length of its file the truth about how much has arrived."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread

from reelwright.kernel.errors import Conflict, Invalid, ReelwrightError, Terminal, Unavailable
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import is_id

BLOCK_BYTES = 1 << 20
SYNC_BYTES = 32 << 20
_DATA = "data"


class Full(ReelwrightError):
    """The disk is full; what has arrived is kept."""

    status = 507
    slug = "disk-full"


class Locked(Conflict):
    """Somebody else is sending to this upload now."""

    status = 423
    slug = "upload-locked"


class TooLong(Terminal):
    """More bytes than were announced."""

    status = 413
    slug = "upload-too-long"


class ChecksumMismatch(Terminal):
    """What arrived is not what was sent; none of this part is kept."""

    status = 460
    slug = "checksum-mismatch"


class UploadFolder:
    """The uploads below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._disk = LocalDisk()

    def create(self, upload_id: str) -> None:
        """Begin with nothing."""
        folder = self._folder(upload_id)
        try:
            self._disk.make_folder(folder)
            self._disk.append(folder / _DATA).close()
            self._disk.sync_folder(folder)
        except OSError as error:
            raise _problem(error, 0) from error

    def offset(self, upload_id: str, name: str) -> int:
        """Bytes that have arrived, also when they have their name already."""
        for file in (_DATA, safe_name(name)):
            try:
                return (self._folder(upload_id) / file).stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def changed_ms(self, upload_id: str) -> int:
        """When bytes last arrived; 0 when none have."""
        try:
            return (self._folder(upload_id) / _DATA).stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            return 0

    async def append(
        self, upload_id: str, name: str, blocks: AsyncIterator[bytes], *, offset: int, length: int, checksum: str = ""
    ) -> int:
        """Write what comes at `offset`; returns the new offset once it survives a power cut.

        With a checksum (`sha256 <hex>`), all of it is kept or nothing; without, whatever had arrived when it was cut
        off. Raises Conflict at the wrong offset, Locked, TooLong, ChecksumMismatch, Full.
        """
        digest = _digest(checksum)
        here = await anyio.to_thread.run_sync(self.offset, upload_id, name)
        if offset != here:
            raise Conflict(f"{here} bytes have arrived, this begins at {offset}; ask with HEAD and go on from there")
        if here == length:
            return here
        part = await anyio.to_thread.run_sync(_Part, self._folder(upload_id) / _DATA, offset)
        try:
            async for block in _gathered(blocks):
                if part.end + len(block) > length:
                    raise TooLong(f"the upload was announced with {length} bytes; more are coming")
                digest.update(block)
                await anyio.to_thread.run_sync(part.write, block)
            if checksum and digest.hexdigest() != checksum.partition(" ")[2]:
                raise ChecksumMismatch("the checksum does not fit what arrived; send this part again")
        except BaseException:
            with anyio.CancelScope(shield=True):  # a sender who hangs up must not stop the clean-up
                await anyio.to_thread.run_sync(part.cut_off, bool(checksum))
            raise
        await anyio.to_thread.run_sync(part.close)
        return part.end

    def finish(self, upload_id: str, name: str) -> Path:
        """Give a whole upload its name; the path it has from then on."""
        folder = self._folder(upload_id)
        target = folder / safe_name(name)
        if (folder / _DATA).exists():
            (folder / _DATA).replace(target)
            self._disk.sync_folder(folder)
        return target

    def delete(self, upload_id: str) -> None:
        """Throw an upload away."""
        shutil.rmtree(self._folder(upload_id), ignore_errors=True)

    def _folder(self, upload_id: str) -> Path:
        if not is_id(upload_id):
            raise Invalid("no such upload")
        return self._root / upload_id


class _Part:
    """An upload's file while one request writes to it; nobody else may, in this process or another."""

    def __init__(self, path: Path, offset: int) -> None:
        self.begin = self.end = self._synced = offset
        LocalDisk().make_folder(path.parent)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._file).st_size != offset:
                raise BlockingIOError
        except BlockingIOError:
            os.close(self._file)
            raise Locked("another request is sending to this upload; wait for it to end") from None

    def write(self, block: bytes) -> None:
        try:
            view = memoryview(block)
            while view:
                written = os.write(self._file, view)
                self.end, view = self.end + written, view[written:]
            if self.end - self._synced >= SYNC_BYTES:
                os.fdatasync(self._file)
                self._synced = self.end
        except OSError as error:
            raise _problem(error, self.end) from error

    def close(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _problem(error, self._synced) from error
        finally:
            os.close(self._file)

    def cut_off(self, take_back: bool) -> None:
        if take_back:
            os.ftruncate(self._file, self.begin)
        self.close()


async def _gathered(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger blocks; what had come before a sender hung up comes as well."""
    waiting = bytearray()
    try:
        async for block in blocks:
            waiting += block
            if len(waiting) >= BLOCK_BYTES:
                yield bytes(waiting)
                waiting.clear()
    except Exception:
        if waiting:
            yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)


def _problem(error: OSError, arrived: int) -> ReelwrightError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Full(f"the disk is full after {arrived} bytes; free space, then go on")
    return Unavailable(f"the upload cannot be written: {error.strerror}")


def safe_name(name: str) -> str:
    """A file name without folders, tricks or invisible characters; never empty, suffix kept."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name))[-1]
    clean = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '<>:"|?*').strip(". ")
    if len(clean.encode()) > 200:
        stem, dot, suffix = clean.rpartition(".")
        clean = stem.encode()[:180].decode("utf-8", "ignore") + dot + suffix[:10]
    return clean if clean and clean != _DATA else "film.mp4"


class _NoDigest:
    def update(self, block: bytes) -> None:
        """No checksum was asked for."""

    def hexdigest(self) -> str:
        """Never compared."""
        return ""


def _digest(checksum: str) -> hashlib._Hash | _NoDigest:
    if not checksum:
        return _NoDigest()
    algorithm = checksum.partition(" ")[0]
    if algorithm not in ("sha1", "sha256"):
        raise Invalid(f"checksums are sha1 or sha256, got {algorithm[:20]!r}")
    return hashlib.new(algorithm)
