"""`reelwright bench events`: how much is acknowledged after fdatasync, and what a power cut takes.

Method: `durable_ingest` runs the collector's own service in this process, on this machine's disk, with `SENDERS` that
wait for their verdicts; projection into SQLite goes on beside, as in production. Events are encoded beforehand, each
once. `nothing_lost` runs the log against a disk that forgets everything that was not synced, and cuts the power at
every operation of many seeded runs (`replay.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from reelwright.events.adapters.wal import Log
from reelwright.events.core.frame import START, frame
from reelwright.events.replay import Account, run
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.bench import Operator, Row
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import ProfileId, new_id

BATCH = 100
SENDERS = 16
SECONDS = 5.0
CRASH_POINTS = 10_000
Batch = msgspec.Raw


def rows(only: str = "") -> Iterator[Row]:
    """The rows whose group begins with `only`."""
    for group in (durable_ingest, nothing_lost):
        if group.__name__.startswith(only.split(".")[0]):
            yield from group()


def durable_ingest() -> Iterator[Row]:
    """Events acknowledged a second by one process, beside the log alone and SQLite."""
    batches = [_batch() for _ in range(SENDERS * 400)]
    with tempfile.TemporaryDirectory() as folder:
        rate, latencies_ms = asyncio.run(_ingest(Path(folder), batches))
    payloads = [bytes(batch) for batch in batches[:500]]
    alone, sqlite = _rate(_log_alone, payloads), _rate(_sqlite_alone, payloads)
    yield Row(
        id="durable_ingest.batch",
        what=f"events acknowledged after fdatasync, one process, batches of {BATCH}, {SENDERS} senders",
        value=round(rate),
        unit="events/s",
        op=">=",
        goal=150_000,
        peer="sqlite",
        peer_value=round(sqlite),
        note=f"decoded, checked, deduplicated and projected beside; the log alone, one sync a batch: {alone:,.0f}; "
        "sqlite: one row an event, one synchronous transaction a batch",
    )
    yield Row(
        id="durable_ingest.p99",
        what="a batch's verdicts, 99th percentile",
        value=round(sorted(latencies_ms)[int(len(latencies_ms) * 0.99)], 1),
        unit="ms",
        op="<=",
        goal=50,
    )


def nothing_lost() -> Iterator[Row]:
    """Power cuts at every operation of seeded runs, some with full disks and failing syncs."""
    accounts = list(_accounts(CRASH_POINTS))
    acknowledged = sum(account.acknowledged for account in accounts)
    figures: dict[str, tuple[int, Operator, int, str]] = {
        "crash_points": (len(accounts), ">=", CRASH_POINTS, "power cuts on a disk that forgets what was not synced"),
        "lost": (sum(account.lost for account in accounts), "==", 0, "acknowledged and not read afterwards"),
        "doubled": (sum(account.doubled for account in accounts), "==", 0, "read more than once"),
        "damaged": (sum(account.damaged for account in accounts), "==", 0, "read and never written"),
    }
    for name, (value, op, goal, what) in figures.items():
        note = f"of {acknowledged:,} acknowledged payloads" if name == "lost" else ""
        yield Row(id=f"nothing_lost.{name}", what=what, value=value, unit="", op=op, goal=goal, note=note)


def _accounts(points: int) -> Iterator[Account]:
    """One power cut each, at every operation of run after run."""
    left = points
    for seed in itertools.count():
        faults = seed % 2 == 1
        whole = run(seed, 10**9, faults=faults).operations
        for crash_at in range(1, min(whole, left) + 1):
            yield run(seed, crash_at, faults=faults)
        left -= min(whole, left)
        if left == 0:
            return


async def _ingest(folder: Path, batches: list[Batch]) -> tuple[float, list[float]]:
    database = Database(f"sqlite:///{folder}/bench.sqlite")
    database.migrate(["reelwright.events"])
    service = EventsService(
        database=database, clock=SystemClock(), settings=EventsSettings(), folder=folder / "events", source="bench"
    )
    await service.start()
    profile_id, waiting, latencies_ms = ProfileId(new_id()), iter(batches), list[float]()
    until = time.perf_counter() + SECONDS

    async def send() -> None:
        for batch in waiting:
            began = time.perf_counter()
            if began > until:
                return
            verdicts = await service.record_array(batch, profile_id=profile_id)
            if any(verdict.status != "stored" for verdict in verdicts):
                raise AssertionError(f"not stored: {verdicts}")
            latencies_ms.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    took_s = time.perf_counter() - began
    await service.stop()
    database.close()
    return len(latencies_ms) * BATCH / took_s, latencies_ms


def _batch(size: int = BATCH) -> Batch:
    title_id, playable_id = new_id(), new_id()
    return msgspec.Raw(
        msgspec.json.encode(
            [
                {
                    "id": new_id(),
                    "type": "heartbeat",
                    "at_ms": time.time_ns() // 1_000_000,
                    "title_id": title_id,
                    "playable_id": playable_id,
                    "position_s": float(number),
                    "data": {"duration_s": 5400},
                }
                for number in range(size)
            ]
        )
    )


def _rate(write: Callable[[Path, list[bytes]], None], payloads: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        write(Path(folder), payloads)
        return len(payloads) * BATCH / (time.perf_counter() - began)


def _log_alone(folder: Path, payloads: list[bytes]) -> None:
    log = Log(LocalDisk(), folder / "log", segment_bytes=64 << 20, after=START)
    for payload in payloads:
        log.commit(frame(payload))
    log.close()


def _sqlite_alone(folder: Path, payloads: list[bytes]) -> None:
    connection = sqlite3.connect(folder / "peer.sqlite", isolation_level=None)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE events (event TEXT)"):
        connection.execute(statement)
    for payload in payloads:
        events = [(bytes(event).decode(),) for event in msgspec.json.decode(payload, type=list[msgspec.Raw])]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO events VALUES (?)", events)
        connection.execute("COMMIT")
    connection.close()
