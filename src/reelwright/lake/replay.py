"""Replays of the committer, killed anywhere: what was acknowledged must be in the table, and only once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import msgspec

from reelwright.events.adapters.reader import LogReader
from reelwright.events.adapters.wal import Log
from reelwright.events.contract import Event, EventType, StoredBatch
from reelwright.events.core.check import clock_skew_ms, corrected_ms
from reelwright.events.core.frame import frame
from reelwright.kernel.clock import SystemClock, VirtualClock
from reelwright.kernel.errors import Transient
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, SessionId, TitleId, new_id
from reelwright.lake.adapters import duck
from reelwright.lake.core.tables import EVENTS
from reelwright.lake.core.tidy import TAIL_BYTES
from reelwright.lake.jobs import Keeper
from reelwright.lake.settings import LakeSettings

SOURCES = ("web-a", "collector-b")
SEGMENT_BYTES = 64 << 10
DAY_MS = 86_400_000
_LADDER = (400_000, 900_000, 2_000_000, 4_500_000)
SETTINGS = LakeSettings(commit_events=400, snapshots_s=60, log_h=0)


class Account(msgspec.Struct, frozen=True):
    """What came of a run with kills."""

    kills: int
    acknowledged: int
    lost: int
    """Acknowledged, and not in the table."""
    doubled: int
    """In the table more than once."""


class Truth(msgspec.Struct, frozen=True):
    """What a viewer really experienced in one session."""

    session_id: SessionId
    start_ms: int
    watched_ms: int
    stalls: int
    stalled_ms: int
    bits: float

    @property
    def bitrate_bps(self) -> float:
        """Average over what was played."""
        return self.bits * 1000 / self.watched_ms


def watch(chance: random.Random, *, began_ms: int, edge: str = "edge-1") -> tuple[Truth, list[Event]]:
    """One viewer's session as the player reports it: each heartbeat says how it went since the beginning.

    Two to forty minutes in stretches of ten seconds, some of which stall or change quality. Times are true.
    """
    session_id = SessionId(new_id(VirtualClock(began_ms * 1_000_000)))
    about: dict[str, Any] = {
        "session_id": session_id,
        "title_id": TitleId(new_id()),
        "playable_id": PlayableId(new_id()),
    }
    start_ms, watched_ms, stalls, stalled_ms, bits = chance.randint(80, 3000), 0, 0, 0, 0.0
    bitrate_bps, now_ms, events = chance.choice(_LADDER), began_ms, list[Event]()

    def tell(kind: EventType, **data: Any) -> None:
        so_far = {"watched_ms": watched_ms, "stalls": stalls, "stalled_ms": stalled_ms, "start_ms": start_ms}
        average = {"bitrate_bps": bits * 1000 / watched_ms} if watched_ms else {}
        data = data or {**so_far, **average, "duration_s": 2400, "edge": edge, "device": "browser"}
        identifier = EventId(new_id(VirtualClock(now_ms * 1_000_000)))
        events.append(Event(id=identifier, type=kind, at_ms=now_ms, position_s=watched_ms / 1000, data=data, **about))

    now_ms += start_ms
    tell("play", start_ms=start_ms, duration_s=2400)
    for _ in range(chance.randint(12, 240)):
        if chance.random() < 0.05:
            bitrate_bps = chance.choice(_LADDER)
            tell("quality_change", bitrate_bps=bitrate_bps)
        if chance.random() < 0.04:
            ms = chance.randint(60, 4000)
            stalls, stalled_ms, now_ms = stalls + 1, stalled_ms + ms, now_ms + ms
            tell("stall", ms=ms)
        watched_ms, now_ms, bits = watched_ms + 10_000, now_ms + 10_000, bits + bitrate_bps * 10
        tell("heartbeat")
    tell("stop")
    return Truth(session_id, start_ms, watched_ms, stalls, stalled_ms, bits), events


class Viewers(msgspec.Struct, frozen=True):
    """How an audience's events arrive."""

    lost: float = 0.0
    """Share of events that never arrive."""
    late_ms: int = 0
    """The most that a session's events wait on the device."""
    skew_ms: int = 0
    """The most that a device's clock is wrong, either way."""


def audience(folder: Path, chance: random.Random, *, sessions: int, now_ms: int, arrive: Viewers) -> list[Truth]:
    """Sessions of the last day, their events in a log as the collector puts them there."""
    log = Log(LocalDisk(), folder / "events" / "web-a", segment_bytes=1 << 20)
    truths = []
    for number in range(sessions):
        late_ms = chance.randint(0, arrive.late_ms)
        truth, events = watch(
            chance, began_ms=now_ms - late_ms - chance.randint(3 * 3_600_000, DAY_MS), edge=f"edge-{number % 3}"
        )
        skew_ms = chance.randint(-arrive.skew_ms, arrive.skew_ms)
        told = [event for event in events if chance.random() >= arrive.lost]
        sent = [_corrected(event, skew_ms, now_ms) for event in told]
        batch = StoredBatch(events=sent, profile_id=ProfileId(new_id()), received_ms=now_ms, source="web-a")
        log.commit(frame(msgspec.json.encode(batch)))
        truths.append(truth)
    log.close()
    return truths


def _corrected(event: Event, skew_ms: int, received_ms: int) -> Event:
    """The event as a device with a wrong clock tells it, and as the collector corrects it."""
    skewed = clock_skew_ms(sent_ms=received_ms + skew_ms, received_ms=received_ms)
    return msgspec.structs.replace(event, at_ms=corrected_ms(event.at_ms + skew_ms, received_ms, skewed))


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


def kill(folder: Path, *, kills: int, seed: int, settings: LakeSettings = SETTINGS) -> Account:
    """Kill −9 a committing, merging and deleting keeper `kills` times while events come in, then account for all.

    One kill in five comes while it opens its tables; the others anywhere in about one round of its work, however long
    that takes on this machine: less than half a second where it is quiet.
    """
    chance = random.Random(seed)  # noqa: S311 (a repeatable fate, not a secret)
    sender = Sender(folder / "events", chance)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    most_s = 0.3
    for _ in range(kills):
        sender.send()
        began, rounds = context.Event(), context.Value("i", 0, lock=False)
        how = (settings, chance.choice((0, TAIL_BYTES)), dict(os.environ))
        child = context.Process(target=_keep, args=(folder, *how, began, rounds), daemon=True)
        child.start()
        is_open = chance.random() > 0.2
        if is_open and not began.wait(60):
            raise AssertionError("the keeper does not come up")
        waited_s = chance.uniform(0, most_s)
        time.sleep(waited_s)
        if not child.is_alive():
            raise AssertionError(f"the keeper ended by itself with status {child.exitcode}")
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        if is_open:
            most_s = _adapted(most_s, waited_s, rounds.value)
    sender.close()
    return account(folder, sender.acknowledged, kills, settings)


def _adapted(most_s: float, waited_s: float, rounds: int) -> float:
    """How long to wait at most next time: about twice what a round takes."""
    if rounds:
        return min(most_s, 2 * waited_s / rounds)
    return min(most_s * 1.1, 10.0)


def account(folder: Path, acknowledged: set[str], kills: int = 0, settings: LakeSettings = SETTINGS) -> Account:
    """Commit what is left, and compare what was acknowledged with what is there."""
    keeper = open_keeper(folder, settings)
    keeper.commit_all()
    files = keeper.tables[EVENTS].snapshot.files
    with duck.connection(files) as connection:
        stored = [row[0] for row in connection.execute(f"SELECT id FROM {duck.read_files(files)}").fetchall()]  # noqa: S608
    return Account(
        kills=kills,
        acknowledged=len(acknowledged),
        lost=len(acknowledged - set(stored)),
        doubled=len(stored) - len(set(stored)),
    )


def open_keeper(folder: Path, settings: LakeSettings = SETTINGS, *, tail_bytes: int = TAIL_BYTES) -> Keeper:
    """A keeper of the lake and the logs in one folder; with `tail_bytes=0` every commit leaves files to be merged."""
    reader = LogReader(folder / "events")
    return Keeper(folder / "lake", events=reader, settings=settings, clock=SystemClock(), tail_bytes=tail_bytes)


def _keep(
    folder: Path, settings: LakeSettings, tail_bytes: int, environ: dict[str, str], began: Any, rounds: Any
) -> None:
    os.environ.update(environ)  # the server that forks has that of whoever asked it first
    keeper = open_keeper(folder, settings, tail_bytes=tail_bytes)
    began.set()
    projected = dict.fromkeys(SOURCES, (1 << 40, 0))
    while True:
        with contextlib.suppress(Transient):
            keeper.commit_some()
            keeper.tidy()
            keeper.forget(projected)
            rounds.value += 1
