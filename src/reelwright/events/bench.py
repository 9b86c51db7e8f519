"""`reelwright bench events`: how much is acknowledged after fdatasync, and what a power cut takes.

Method: `durable_ingest` runs the collector's own service in this process, on this machine's disk, with `SENDERS` that
wait for their verdicts; projection into SQLite goes on beside, as in production. Events are encoded beforehand, each
once. `nothing_lost` runs the log against a disk that forgets everything that was not synced, and cuts the power at
every operation of many seeded runs; then it kills a collector's process `KILLS` times while clients send, twice and
out of order (`replay.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from reelwright.events.adapters.bus import EventLog
from reelwright.events.adapters.wal import Log, Wal
from reelwright.events.client import PATH
from reelwright.events.core.frame import START, Position, frame
from reelwright.events.replay import Account, Sender, kill, run
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.bench import Operator, Row
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.files import AppendFile, LocalDisk
from reelwright.kernel.ids import ProfileId, new_id
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.peers import peer_token
from reelwright.kernel.processes import children, cpu_s, free_port, wait_for_port
from reelwright.kernel.telemetry import unlogged

BATCH = 100
SENDERS = 16
CONNECTIONS = 64
SECONDS = 5.0
WARM_S = 3
CRASH_POINTS = 10_000
KILLS = 1_000
Batch = msgspec.Raw


def rows(only: str = "") -> Iterator[Row]:
    """The rows whose group begins with `only`."""
    for group in (durable_ingest, nothing_lost):
        if group.__name__.startswith(only.split(".")[0]):
            yield from group()


def durable_ingest() -> Iterator[Row]:
    """Events acknowledged a second by one process, beside the log alone, no sync at all, a broker and SQLite."""
    batches = [_batch() for _ in range(SENDERS * 400)]
    rate, latencies_ms, cpu_us = asyncio.run(_ingest(batches, EventsService))
    unsynced, _, _ = asyncio.run(_ingest(batches, _Unsynced))
    payloads = [bytes(batch) for batch in batches[:500]]
    kafka = _kafka_alone(payloads)
    yield Row(
        id="durable_ingest.batch",
        what=f"events acknowledged after fdatasync, one process, batches of {BATCH}, {SENDERS} senders",
        value=round(rate),
        unit="events/s",
        op=">=",
        goal=150_000,
        peer="kafka acks=all",
        peer_value=kafka and round(kafka),
        note=f"decoded, checked, deduplicated and projected beside, {cpu_us:.1f} us CPU an event; "
        f"without fdatasync: {unsynced:,.0f}; "
        + ("kafka: noida-db, one message an event" if kafka else "kafka: noida-db or confluent-kafka is missing"),
    )
    yield Row(
        id="durable_ingest.p99",
        what="a batch's verdicts, 99th percentile",
        value=round(sorted(latencies_ms)[int(len(latencies_ms) * 0.99)], 1),
        unit="ms",
        op="<=",
        goal=50,
    )
    yield Row(
        id="durable_ingest.log",
        what=f"events a second of the log alone, one fdatasync a batch of {BATCH}",
        value=round(_rate(_log_alone, payloads)),
        unit="events/s",
        peer="sqlite",
        peer_value=round(_rate(_sqlite_alone, payloads)),
        note="sqlite: one row an event, one synchronous transaction a batch",
    )
    yield _single()


def _single() -> Row:
    """One event a request, over HTTP, through everything that stands before the collector."""
    with tempfile.TemporaryDirectory() as folder, _collector(Path(folder)) as (port, supervisor):
        token = peer_token(KeyRing.open(Path(folder) / "keys.json"), SystemClock())
        asyncio.run(_post_for_a_while(port, token, WARM_S))
        began_s, sender_began_s = cpu_s(children(supervisor)), time.process_time()
        count, errors = asyncio.run(_post_for_a_while(port, token, SECONDS))
        server_us = (cpu_s(children(supervisor)) - began_s) / max(1, count) * 1e6
        sender_us = (time.process_time() - sender_began_s) / max(1, count) * 1e6
    return Row(
        id="durable_ingest.single",
        what=f"POSTs of one event answered a second by one collector, {CONNECTIONS} connections",
        value=round(count / SECONDS),
        unit="POST/s",
        op=">=",
        goal=5_000,
        note=f"Granian and all middleware, answered when synced, after {WARM_S} s of the same; CPU a POST: "
        f"collector {server_us:.0f} us, sender on the same machine {sender_us:.0f} us; {errors} refused",
    )


@contextlib.contextmanager
def _collector(data: Path) -> Iterator[tuple[int, int]]:
    """`reelwright serve --only collector`, ready: its port, and its supervisor's process."""
    port = free_port()
    settings = {"REELWRIGHT_DATA": str(data), "REELWRIGHT_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "reelwright.app.serve", "collector"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process, most_s=120)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


async def _post_for_a_while(port: int, token: str, seconds: float) -> tuple[int, int]:
    """How many POSTs were answered with 200, and how many otherwise."""
    until, counts = time.monotonic() + seconds, [0, 0]

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < until:
            body = b'{"profile_id":"' + b"0" * 26 + b'","events":' + bytes(_batch(1)) + b"}"
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            counts[not answer.startswith(b"HTTP/1.1 200")] += 1
        writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return counts[0], counts[1]


def nothing_lost() -> Iterator[Row]:
    """Power cuts at every operation of seeded runs, some with faults of the disk; and kills of a process."""
    with unlogged(), tempfile.TemporaryDirectory() as folder:
        accounts = list(_accounts(CRASH_POINTS))
        soak = kill(Path(folder), Sender(1), kills=KILLS)
    acknowledged = sum(account.acknowledged for account in accounts)
    figures: dict[str, tuple[int, Operator, int, str]] = {
        "crash_points": (len(accounts), ">=", CRASH_POINTS, "power cuts on a disk that forgets what was not synced"),
        "kills": (soak.kills, ">=", KILLS, "kill -9 of a collector that recovers, stores, projects or answers"),
        "lost": (
            sum(account.lost for account in accounts) + soak.lost,
            "==",
            0,
            "acknowledged, and not read or not counted afterwards",
        ),
        "doubled": (
            sum(account.doubled for account in accounts) + soak.doubled,
            "==",
            0,
            "read or counted more than once",
        ),
        "damaged": (sum(account.damaged for account in accounts), "==", 0, "read and never written"),
    }
    for name, (value, op, goal, what) in figures.items():
        note = ""
        if name == "lost":
            note = f"of {acknowledged:,} payloads and {soak.acknowledged:,} events acknowledged before cuts and kills"
        if name == "kills":
            note = f"{soak.logged - soak.acknowledged:,} events lie in the log twice, and are counted once"
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


class _Unsynced(EventsService):
    """A collector that answers before anything is safe."""

    def _open(self, name: str, after: Position) -> EventLog:
        return Wal(
            Log(_UnsyncedDisk(), self._folder / name, segment_bytes=64 << 20, after=after), waiting_bytes=32 << 20
        )


class _UnsyncedDisk(LocalDisk):
    def append(self, path: Path) -> AppendFile:
        file = super().append(path)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file


async def _ingest(batches: list[Batch], kind: type[EventsService]) -> tuple[float, list[float], float]:
    """Events a second, latencies in ms, and CPU in microseconds an event."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/bench.sqlite")
        database.migrate(["reelwright.events"])
        service = kind(
            database=database,
            clock=SystemClock(),
            settings=EventsSettings(),
            folder=Path(folder) / "events",
            source="bench",
        )
        await service.start()
        began, began_cpu = time.perf_counter(), time.process_time()
        latencies_ms = await _send_all(service, batches)
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        await service.stop()
        database.close()
    count = len(latencies_ms) * BATCH
    return count / took_s, latencies_ms, cpu_s / count * 1e6


async def _send_all(service: EventsService, batches: list[Batch]) -> list[float]:
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

    await asyncio.gather(*(send() for _ in range(SENDERS)))
    return latencies_ms


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


def _kafka_alone(payloads: list[bytes]) -> float | None:
    """Events a second that a broker of Kafka's protocol acknowledges with acks=all; None where there is none."""
    if find_spec("confluent_kafka") is None or (found := find_spec("noida_db")) is None or found.origin is None:
        return None
    from confluent_kafka import Producer

    events = [bytes(event) for payload in payloads for event in msgspec.json.decode(payload, type=list[msgspec.Raw])]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--only", "kafka", "--kafka-port", str(port), "--data-dir", folder]
        broker = subprocess.Popen(
            [Path(found.origin).parent / "noida-db", "start", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_port(port, broker, most_s=120)
            producer = Producer({"bootstrap.servers": f"127.0.0.1:{port}", "acks": "all", "linger.ms": 5})
            producer.produce("events", events[0])
            producer.flush(60)  # the topic is there
            began = time.perf_counter()
            for event in events:
                while True:
                    try:
                        producer.produce("events", event)
                        break
                    except BufferError:
                        producer.poll(0.1)
            left = producer.flush(60)
            return (len(events) - left) / (time.perf_counter() - began)
        finally:
            broker.kill()
            broker.wait()
