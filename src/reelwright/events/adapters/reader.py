"""The event logs as consumers read them, up to what is durable: below one folder, by any process on the machine."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from reelwright.events.adapters.wal import WATERMARK, read_log, segment_numbers, segment_path
from reelwright.events.contract import FailedBatch, StoredBatch
from reelwright.events.core.frame import HEAD_BYTES, START, Position, frame, read_mark
from reelwright.events.core.stored import read_stored
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.telemetry import logger

FAILED = "-failed"
"""Ends the name of a log that keeps refused events."""
_MARK_BYTES = 64
_BLANK = b'{"events":[],"profile_id":null,"received_ms":0,"source":""}'
"""A batch of nothing, of stored and of refused events alike."""
B = TypeVar("B", StoredBatch, FailedBatch)
log = logger(__name__)
_FAILED = msgspec.json.Decoder(FailedBatch)


class Reader(ABC):
    """Reads what writers have acknowledged; writes nothing but the removal of old segments."""

    @abstractmethod
    def sources(self, *, failed: bool = False) -> list[str]:
        """Names of the logs, of stored or of refused events."""

    @abstractmethod
    def durable(self, source: str) -> Position:
        """The end of what the source has acknowledged; the start where nobody has published one."""

    @abstractmethod
    def segments(self, source: str) -> list[int]:
        """Numbers of the segments that are there, ascending."""

    @abstractmethod
    def remove_segment(self, source: str, number: int) -> None:
        """Forget a segment that every reader is through with."""

    @abstractmethod
    def erase(self, source: str, until: Position, needle: bytes) -> None:
        """Make records before `until` that hold the bytes unreadable; every reader must be through with them."""

    @abstractmethod
    def holds(self, source: str, needle: bytes) -> bool:
        """Whether the bytes are anywhere in a log, acknowledged or not."""

    @abstractmethod
    def _payloads(self, source: str, after: Position) -> Iterator[tuple[Position, bytes]]: ...

    def stored(self, source: str, after: Position) -> Iterator[tuple[Position, StoredBatch]]:
        """Acknowledged batches after a position, each with the position behind it."""
        return self._decoded(source, after, read_stored)

    def failed(self, source: str, after: Position) -> Iterator[tuple[Position, FailedBatch]]:
        """Refused events after a position, each batch with the position behind it."""
        return self._decoded(source, after, _FAILED.decode)

    def _decoded(self, source: str, after: Position, decode: Callable[[bytes], B]) -> Iterator[tuple[Position, B]]:
        for position, payload in self._payloads(source, after):
            try:
                batch = decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                log.error("a record of the event log cannot be read", segment=position[0], offset=position[1])
                continue
            yield position, batch


class LogReader(Reader):
    """The logs of all processes on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = LocalDisk()

    def sources(self, *, failed: bool = False) -> list[str]:
        """Names of the logs, of stored or of refused events."""
        if not self._folder.is_dir():
            return []
        names = sorted(path.name for path in self._folder.iterdir() if path.is_dir())
        return [name for name in names if name.endswith(FAILED) is failed]

    def durable(self, source: str) -> Position:
        """The end of what the source has acknowledged; the start where nobody has published one."""
        path = self._folder / source / WATERMARK
        for _ in range(3):  # a reader may meet the writer in the middle of its write
            try:
                found = read_mark(self._disk.read(path, 0, _MARK_BYTES))
            except FileNotFoundError:
                return START
            if found is not None:
                return found
        return START

    def _payloads(self, source: str, after: Position) -> Iterator[tuple[Position, bytes]]:
        return read_log(self._folder / source, after, self.durable(source), self._disk)

    def segments(self, source: str) -> list[int]:
        """Numbers of the segments that are there, ascending."""
        return segment_numbers(self._disk, self._folder / source)

    def remove_segment(self, source: str, number: int) -> None:
        """Forget a segment that every reader is through with."""
        segment_path(self._folder / source, number).unlink(missing_ok=True)

    def erase(self, source: str, until: Position, needle: bytes) -> None:
        """Blank whole frames, so that every offset stays; a crash in between leaves what the next call makes good."""
        if next(self._payloads(source, until), None) is None:
            until = self.durable(source)  # what lies between was torn by a crash
        for number in self.segments(source):
            if number <= until[0]:
                path = segment_path(self._folder / source, number)
                stop = until[1] if number == until[0] else self._disk.size(path)
                self._blank(source, path, number, stop, needle)

    def _blank(self, source: str, path: Path, number: int, stop: int, needle: bytes) -> None:
        with path.open("r+b") as file:
            for (_, end), payload in read_log(self._folder / source, (number, 0), (number, stop), self._disk):
                if names(payload, needle):
                    file.seek(end - len(payload) - HEAD_BYTES)
                    file.write(frame(_BLANK.ljust(len(payload))))
            file.flush()
            _zero(file.fileno(), stop, needle)
            os.fsync(file.fileno())

    def holds(self, source: str, needle: bytes) -> bool:
        """Whether the bytes are anywhere in the log's files, or encoded in a refused event."""
        files = (segment_path(self._folder / source, number) for number in self.segments(source))
        return any(needle in path.read_bytes() for path in files) or any(
            names(payload, needle) for _, payload in self._payloads(source, START) if source.endswith(FAILED)
        )


def names(payload: bytes, needle: bytes) -> bool:
    """Whether a record holds the bytes, plain or as a refused event's."""
    if needle in payload:
        return True
    try:
        return any(needle in event.raw for event in _FAILED.decode(payload).events)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _zero(file: int, stop: int, needle: bytes) -> None:
    """What no frame holds, such as a tail that a crash has torn, is overwritten where it lies."""
    data = os.pread(file, stop, 0)
    at = data.find(needle)
    while at >= 0:
        os.pwrite(file, bytes(len(needle)), at)
        at = data.find(needle, at + len(needle))
