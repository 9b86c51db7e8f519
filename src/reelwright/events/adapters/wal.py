"""The write-ahead log of one process: group commit, rotation, recovery, a watermark that readers stop at.

A log is a folder `events/<source>/` of segments `<number>.wal`. Whoever appends waits until one `fdatasync` has
covered its bytes; all who wait meanwhile share the next one. Nothing is ever cut out of a log: what a crash has torn
stays where it lies, and the next segment goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reelwright.events.contract import Backlogged
from reelwright.events.core.frame import HEAD_BYTES, LARGEST_BYTES, START, Position, frame, frames, mark
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.files import AppendFile, Disk, LocalDisk
from reelwright.kernel.telemetry import counter, logger

COMMITS = counter("events_commits_total", "Group commits of the event log.")
SUFFIX = ".wal"
WATERMARK = "durable"
"""File beside the segments that holds the end of what is durable: readers in other processes stop there."""
_BLOCK_BYTES = 1 << 20
log = logger(__name__)


class Log:
    """Segments on a disk, one writer. `after` is how far readers have come: new segments always lie behind it."""

    def __init__(self, disk: Disk, folder: Path, *, segment_bytes: int, after: Position = START) -> None:
        self._disk = disk
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._file: AppendFile | None = None
        disk.make_folder(folder)
        self.durable = self._recover()
        if self.durable < after:  # an older copy of the log was put back
            self.durable = (after[0] + 1, 0)
        self._publish()

    def _publish(self) -> None:
        """Tell other processes how far they may read; one that cannot be told reads less, never more."""
        with contextlib.suppress(OSError):
            self._disk.note(self._folder / WATERMARK, mark(self.durable))

    def _recover(self) -> Position:
        numbers = segment_numbers(self._disk, self._folder)
        if not numbers:
            return (1, 0)
        number, path = numbers[-1], segment_path(self._folder, numbers[-1])
        file = self._disk.append(path)
        file.sync()  # what is read from here on must not be forgotten later
        file.close()
        self._disk.sync_folder(self._folder)
        size = self._disk.size(path)
        end = max((offset for offset, _ in _read_segment(self._disk, path, 0, size)), default=0)
        if end == size:
            return (number, size)
        log.warning("torn tail left behind", segment=number, bytes=size - end)
        return (number + 1, 0)

    def commit(self, data: bytes) -> None:
        """Write and sync. Raises OSError; then none of it counts."""
        number, size = self.durable
        if size and size + len(data) > self._segment_bytes:
            self._leave(number + 1)
            number, size = self.durable
        try:
            file = self._file or self._open(number)
            file.write(data)
            file.sync()
        except OSError:
            self._take_back(number, size)
            raise
        self.durable = (number, size + len(data))
        self._publish()

    def _open(self, number: int) -> AppendFile:
        file = self._disk.append(segment_path(self._folder, number))
        try:
            self._disk.sync_folder(self._folder)
        except OSError:
            file.close()
            raise
        self._file = file
        return file

    def _take_back(self, number: int, size: int) -> None:
        """Cut off what was not made durable, or go on in a segment of its own."""
        try:
            if self._file is not None:
                self._file.truncate(size)
                self._file.sync()
                return
        except OSError:
            pass
        self._leave(number + 1)

    def _leave(self, number: int) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file, self.durable = None, (number, 0)

    def read(self, after: Position) -> Iterator[tuple[Position, bytes]]:
        """Durable payloads after a position, each with the position behind it."""
        yield from read_log(self._folder, after, self.durable, self._disk)

    def bytes_after(self, after: Position) -> int:
        """How much lies between a position and the end."""
        numbers = [number for number in segment_numbers(self._disk, self._folder) if number >= after[0]]
        sizes = [self._disk.size(segment_path(self._folder, number)) for number in numbers]
        return max(0, sum(sizes) - (after[1] if numbers[:1] == [after[0]] else 0))

    def close(self) -> None:
        """Let go of the file."""
        self._leave(self.durable[0])


class Wal:
    """Group commit on a log: many wait, one sync answers them all."""

    def __init__(self, log: Log, *, waiting_bytes: int) -> None:
        self._log = log
        self._waiting_bytes = waiting_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wal")
        """Of its own: whoever waits for the disk must not queue behind a projection."""

    @property
    def durable(self) -> Position:
        """The end of what survives a power cut."""
        return self._log.durable

    async def append(self, payload: bytes) -> None:
        """Store a payload; returns once it survives a power cut. On Backlogged or Unavailable it does not count."""
        size = len(payload) + HEAD_BYTES
        if self._pending_bytes + size > self._waiting_bytes:
            raise Backlogged("the event log is not keeping up; send the batch again in a second")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(frame(payload))
        self._pending_bytes += size
        self._waiters.append(done)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                pending, waiters = self._pending, self._waiters
                self._pending, self._waiters = [], []
                problem: Exception | None = None
                try:
                    await loop.run_in_executor(self._thread, self._log.commit, b"".join(pending))
                    COMMITS.inc()
                except OSError as error:
                    problem = Unavailable(f"the event log cannot be written: {error.strerror}; send the batch again")
                self._pending_bytes -= sum(map(len, pending))
                _settle(waiters, problem)
        finally:
            self._committing = None

    def read(self, after: Position) -> Iterator[tuple[Position, bytes]]:
        """Durable payloads after a position, each with the position behind it."""
        return self._log.read(after)

    def bytes_after(self, after: Position) -> int:
        """How much lies between a position and the end."""
        return self._log.bytes_after(after)

    async def close(self) -> None:
        """Wait for the commit that is going on, then let go of the file."""
        if self._committing is not None:
            await asyncio.wait((self._committing,))
        self._thread.shutdown()
        self._log.close()


def read_log(
    folder: Path, after: Position, until: Position, disk: Disk | None = None
) -> Iterator[tuple[Position, bytes]]:
    """Payloads between two positions of a log."""
    disk = disk or LocalDisk()
    for number in segment_numbers(disk, folder):
        if after[0] <= number <= until[0]:
            path = segment_path(folder, number)
            stop = until[1] if number == until[0] else disk.size(path)
            for offset, payload in _read_segment(disk, path, after[1] if number == after[0] else 0, stop):
                yield (number, offset), payload


def _read_segment(disk: Disk, path: Path, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    block = _BLOCK_BYTES
    while start < stop:
        end = 0
        for end, payload in frames(disk.read(path, start, min(stop, start + block))):
            yield start + end, payload
        if end == 0 and (start + block >= stop or block > LARGEST_BYTES):
            return
        block = _BLOCK_BYTES if end else LARGEST_BYTES + HEAD_BYTES
        start += end


def segment_numbers(disk: Disk, folder: Path) -> list[int]:
    """Numbers of the segments in a log, ascending."""
    stems = (name.removesuffix(SUFFIX) for name in disk.list(folder) if name.endswith(SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{number:012}{SUFFIX}"


def _settle(waiters: list[asyncio.Future[None]], problem: Exception | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(problem) if problem else waiter.set_result(None)
