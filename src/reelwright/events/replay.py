"""Replays of what must never happen: the event log on a disk that forgets, cut off at every operation; and a
collector's process that is killed again and again while clients send, twice and out of order.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pickle
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import sqlalchemy as sa

from reelwright.events.adapters import sql
from reelwright.events.adapters.reader import LogReader
from reelwright.events.adapters.wal import Log
from reelwright.events.contract import Event
from reelwright.events.core.frame import START, frame
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.files import ForgetfulDisk, PowerCut
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id

SOURCE = "web"
FOLDER = Path("/events/web")
SEGMENT_BYTES = 4096


class Account(msgspec.Struct, frozen=True):
    """What came of one run with power cuts."""

    acknowledged: int
    lost: int
    """Acknowledged, and not read afterwards."""
    doubled: int
    """Read more than once."""
    damaged: int
    """Read, and never written."""
    operations: int
    """Changing operations of the disk, each a point where the power may go."""


def run(seed: int, crash_at: int, *, commits: int = 12, faults: bool = False) -> Account:
    """Write to a log until the power goes at operation `crash_at`, begin again, and account for everything.

    A reader follows the log as the projector does, its place kept in a database that survives. With `faults` some
    writes find the disk full and some syncs fail.
    """
    chance = random.Random(f"{seed}|{crash_at}")  # noqa: S311 (a repeatable fate, not a secret)
    fail = {chance.randint(1, 60): chance.choice(["write", "sync"]) for _ in range(4)} if faults else {}
    disk = ForgetfulDisk(chance, crash_at=crash_at, fail=fail)
    acknowledged: list[bytes] = []
    tried: set[bytes] = set()
    read: list[bytes] = []
    place = START
    for life in range(2):
        try:
            log = Log(disk, FOLDER, segment_bytes=SEGMENT_BYTES, after=place)
            for number in range(commits):
                batch = [b"%d.%d.%d|" % (life, number, row) * chance.randint(1, 120) for row in range(3)]
                tried.update(batch)
                try:
                    log.commit(b"".join(map(frame, batch)))
                except OSError:
                    continue
                acknowledged += batch
                if chance.random() < 0.4:
                    for position, payload in log.read(place):
                        read.append(payload)
                        place = position
        except PowerCut:
            pass
        disk.cut_power()
    log = Log(disk, FOLDER, segment_bytes=SEGMENT_BYTES, after=place)
    read += [payload for _, payload in log.read(place)]
    return Account(
        acknowledged=len(acknowledged),
        lost=len(set(acknowledged) - set(read)),
        doubled=len(read) - len(set(read)),
        damaged=len(set(read) - tried),
        operations=disk.operations,
    )


class Soak(msgspec.Struct, frozen=True):
    """What came of a collector that was killed again and again."""

    kills: int
    acknowledged: int
    lost: int
    """Acknowledged, and not in the log or not counted by the projections."""
    doubled: int
    """Counted more than once."""
    strange: int
    """In the log, and never sent."""
    logged: int
    """Events in the log: more than were sent, since what was not acknowledged is sent again."""


def kill(folder: Path, sender: Sender, *, kills: int) -> Soak:
    """Kill −9 a collector `kills` times while it stores and projects, then account for everything.

    Its clients send what was not answered again, now and then also what was; in any order, several batches at once.
    """
    database = open_database(folder)
    database.migrate(["reelwright.events"])
    for _ in range(kills):
        with _collecting(folder) as (child, connection):
            sender.disturb(child, connection)
    with _collecting(folder) as (child, connection):
        sender.finish(connection)
        child.join()
    soak = sender.account(folder, database, kills)
    database.close()
    return soak


class Sender:
    """Clients of a collector, who know what was acknowledged to them."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 (a repeatable fate, not a secret)
        self._waiting: dict[int, list[bytes]] = {}
        self._answered: list[list[bytes]] = []
        self._number = 0
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()

    def disturb(self, child: BaseProcess, connection: Connection) -> None:
        """Send, and kill it at any moment: while it recovers, stores, projects or answers."""
        chance = self._chance
        if chance.random() > 0.2:
            _wait_until_ready(connection)
        self._make(chance.randint(1, 6))
        with contextlib.suppress(OSError):
            self._send(connection)
            self._listen(connection, chance.choice((0.0, 0.005, 0.02, 0.1)) * chance.random())
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        self._listen(connection, 0)

    def finish(self, connection: Connection) -> None:
        """Send until all is answered, and let it project everything."""
        _wait_until_ready(connection)
        self._send(connection)
        until = time.monotonic() + 120
        while self._waiting:
            self._listen(connection, 1)
            if time.monotonic() > until:
                raise AssertionError("the collector does not answer")
        connection.send(None)

    def account(self, folder: Path, database: Database, kills: int) -> Soak:
        """What was acknowledged beside what is there."""
        logged = [
            event.id for _, batch in LogReader(folder / "events").stored(SOURCE, START) for event in batch.events
        ]
        with database.reading() as connection:
            seen = set(connection.scalars(sa.select(sql.SEEN.c.id)))
            counted = connection.scalar(sa.select(sa.func.sum(sql.LEDGER.c.stored))) or 0
        return Soak(
            kills=kills,
            acknowledged=len(self.acknowledged),
            lost=len(self.acknowledged - (set(logged) & seen)),
            doubled=counted - len(seen),
            strange=len(set(logged) - self.sent),
            logged=len(logged),
        )

    def _make(self, batches: int) -> None:
        for _ in range(batches):
            events = [_heartbeat() for _ in range(self._chance.randint(1, 30))]
            self.sent.update(event.id for event in events)
            self._number += 1
            self._waiting[self._number] = [msgspec.json.encode(event) for event in events]

    def _send(self, connection: Connection) -> None:
        chance = self._chance
        again = chance.sample(self._answered, min(len(self._answered), chance.randint(0, 2)))
        batches = [*self._waiting.items(), *((0, batch) for batch in again)]
        chance.shuffle(batches)
        for number, events in batches:
            told = chance.sample(events, len(events))
            connection.send((number, b"[" + b",".join(told) + b"]"))

    def _listen(self, connection: Connection, seconds: float) -> None:
        """Take answers for a while; what was answered before a kill counts, although it is read afterwards."""
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while connection.poll(seconds):
                self._take(connection.recv())

    def _take(self, answer: object) -> None:
        match answer:
            case (int(number), [*ids]) if number in self._waiting:
                self.acknowledged.update(map(str, ids))
                self._answered = [*self._answered[-50:], self._waiting.pop(number)]


def _heartbeat() -> Event:
    return Event(
        id=EventId(new_id()),
        type="heartbeat",
        at_ms=SystemClock().wall_ns() // 1_000_000,
        title_id=TitleId(new_id()),
        playable_id=PlayableId(new_id()),
        position_s=1.0,
    )


def _wait_until_ready(connection: Connection) -> None:
    if not connection.poll(60) or connection.recv() is not None:
        raise AssertionError("the collector did not come up")


@contextlib.contextmanager
def _collecting(folder: Path) -> Iterator[tuple[BaseProcess, Connection]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    child = context.Process(target=_collect, args=(folder, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        yield child, ours
    finally:
        ours.close()
        child.kill()
        child.join()


def open_database(folder: Path) -> Database:
    """Where a soak's projections are."""
    return Database(f"sqlite:///{folder}/soak.sqlite")


def _collect(folder: Path, connection: Connection) -> None:
    """The process that is killed: the collector's own service behind a pipe."""
    asyncio.run(_serve(folder, connection))


async def _serve(folder: Path, connection: Connection) -> None:
    service = EventsService(
        database=open_database(folder),
        clock=SystemClock(),
        settings=EventsSettings(segment_bytes=64 << 10),
        folder=folder / "events",
        source=SOURCE,
    )
    await service.start()
    connection.send(None)
    loop, profile_id = asyncio.get_running_loop(), ProfileId("0" * 26)

    async def answer(number: int, array: bytes) -> None:
        verdicts = await service.record_array(msgspec.Raw(array), profile_id=profile_id)
        connection.send((number, [verdict.id for verdict in verdicts if verdict.status != "failed"]))

    tasks = set[asyncio.Task[None]]()
    while (told := await loop.run_in_executor(None, connection.recv)) is not None:
        tasks.add(asyncio.create_task(answer(*told)))
    await asyncio.gather(*tasks)
    await service.settle()
    await service.stop()
