"""Replays of the committer, killed anywhere: what was acknowledged must be in the table, and only once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import msgspec

from reelwright.events.adapters.reader import LogReader
from reelwright.events.adapters.wal import Log
from reelwright.events.contract import Event, StoredBatch
from reelwright.events.core.frame import frame
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Transient
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import EventId, ProfileId, SessionId, TitleId, new_id
from reelwright.lake.adapters import duck
from reelwright.lake.core.tables import EVENTS
from reelwright.lake.jobs import Keeper
from reelwright.lake.settings import LakeSettings

SOURCES = ("web-a", "collector-b")
SEGMENT_BYTES = 64 << 10
DAY_MS = 86_400_000
_SETTINGS = LakeSettings(commit_events=400, snapshots_s=60, log_h=0)


class Account(msgspec.Struct, frozen=True):
    """What came of a run with kills."""

    kills: int
    acknowledged: int
    lost: int
    """Acknowledged, and not in the table."""
    doubled: int
    """In the table more than once."""
    commits: int


class Sender:
    """Writes events to logs as collectors do: batches, some of them sent again, some late, in any order."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._chance = chance
        self._logs = {name: Log(LocalDisk(), folder / name, segment_bytes=SEGMENT_BYTES) for name in SOURCES}
        self._sent: list[Event] = []
        self.acknowledged: set[str] = set()

    def send(self, *, batches: int = 4) -> None:
        """Some batches, each acknowledged by its log; some again from another one."""
        for _ in range(batches):
            fresh = [self._event() for _ in range(self._chance.randint(1, 40))]
            again = self._chance.sample(self._sent, min(len(self._sent), self._chance.randint(0, 10)))
            events = [*fresh, *again]
            self._chance.shuffle(events)
            source = self._chance.choice(SOURCES)
            batch = StoredBatch(
                events=events, profile_id=ProfileId(new_id()), received_ms=time.time_ns() // 1_000_000, source=source
            )
            self._logs[source].commit(frame(msgspec.json.encode(batch)))
            self._sent += fresh
            self.acknowledged.update(event.id for event in fresh)

    def _event(self) -> Event:
        now_ms = time.time_ns() // 1_000_000
        return Event(
            id=EventId(new_id()),
            type="heartbeat",
            at_ms=now_ms - self._chance.choice((0, 0, 0, DAY_MS, 5 * DAY_MS)),
            session_id=SessionId(new_id()),
            title_id=TitleId(new_id()),
            position_s=1.0,
        )

    def close(self) -> None:
        """Let go of the logs."""
        for one in self._logs.values():
            one.close()


def kill(folder: Path, *, kills: int, seed: int) -> Account:
    """Kill −9 a committing, merging and deleting keeper `kills` times while events come in, then account for all."""
    chance = random.Random(seed)  # noqa: S311 (a repeatable fate, not a secret)
    sender = Sender(folder / "events", chance)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for _ in range(kills):
        sender.send()
        began = context.Event()
        child = context.Process(target=_keep, args=(folder, began), daemon=True)
        child.start()
        began.wait(60)
        time.sleep(chance.uniform(0, 0.3))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    sender.close()
    return account(folder, sender.acknowledged, kills)


def account(folder: Path, acknowledged: set[str], kills: int = 0) -> Account:
    """Commit what is left, and compare what was acknowledged with what is there."""
    keeper = open_keeper(folder)
    keeper.commit_all()
    files = keeper.tables[EVENTS].snapshot.files
    with duck.connection() as connection:
        stored = [row[0] for row in connection.execute(f"SELECT id FROM {duck.read_files(files)}").fetchall()]  # noqa: S608
    return Account(
        kills=kills,
        acknowledged=len(acknowledged),
        lost=len(acknowledged - set(stored)),
        doubled=len(stored) - len(set(stored)),
        commits=keeper.tables[EVENTS].snapshots(),
    )


def open_keeper(folder: Path, settings: LakeSettings = _SETTINGS) -> Keeper:
    """A keeper of the lake and the logs in one folder."""
    return Keeper(folder / "lake", events=LogReader(folder / "events"), settings=settings, clock=SystemClock())


def _keep(folder: Path, began: object) -> None:
    keeper = open_keeper(folder)
    began.set()  # type: ignore[attr-defined]
    projected = dict.fromkeys(SOURCES, (1 << 40, 0))
    while True:
        with contextlib.suppress(Transient):
            keeper.commit_some()
            keeper.tidy()
            keeper.forget(projected)
