"""The bus by its URL: logs of the processes on this machine (a folder), or a broker that speaks Kafka's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from reelwright.events.adapters.kafka import DEFAULT_PREFIX, SCHEME, KafkaLog, KafkaReader
from reelwright.events.adapters.reader import LogReader, Reader
from reelwright.events.adapters.wal import Log, Wal
from reelwright.events.core.frame import Position
from reelwright.events.settings import EventsSettings
from reelwright.kernel.files import LocalDisk


class EventLog(Protocol):
    """One source's log, as its own process writes and projects it."""

    @property
    def durable(self) -> Position:
        """The end of what was acknowledged."""
        ...

    async def append(self, payload: bytes) -> None:
        """Store a payload; returns once it is durable. Raises Backlogged, Unavailable."""
        ...

    def read(self, after: Position) -> Iterator[tuple[Position, bytes]]:
        """Durable payloads after a position, each with the position behind it."""
        ...

    def bytes_after(self, after: Position) -> int:
        """How much lies between a position and the end."""
        ...

    async def close(self) -> None:
        """Finish what is going on, and let go."""
        ...


def bus_of(settings: EventsSettings, folder: Path) -> str:
    """Where events lie: the broker's URL, else the folder of the logs."""
    return settings.bus or str(folder)


def source_name(settings: EventsSettings, process: str) -> str:
    """What a process's log is called: places on a disk and in topics count differently, so that offsets of one must
    not be taken for the other's, nor those under one prefix for those under another.
    """
    if not settings.bus:
        return process
    return f"{process}-{settings.bus.removeprefix(SCHEME).partition('/')[2] or DEFAULT_PREFIX}"


def open_log(bus: str, source: str, *, settings: EventsSettings, after: Position) -> EventLog:
    """A source's log for its writer. Raises MissingExtra, Unavailable."""
    if bus.startswith(SCHEME):
        return KafkaLog(bus, source, waiting_bytes=settings.waiting_bytes, after=after)
    segments = Log(LocalDisk(), Path(bus) / source, segment_bytes=settings.segment_bytes, after=after)
    return Wal(segments, waiting_bytes=settings.waiting_bytes)


def open_reader(bus: str) -> Reader:
    """Every source's log for consumers. Raises MissingExtra."""
    if bus.startswith(SCHEME):
        return KafkaReader(bus)
    return LogReader(Path(bus))
