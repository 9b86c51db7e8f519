"""Events are projected exactly once, on both engines."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.engines import PostgresServer

from reelwright.events.adapters import sql
from reelwright.events.adapters.wal import read_log
from reelwright.events.contract import Event
from reelwright.events.core.sift import Recent
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId, new_id

pytestmark = pytest.mark.anyio
ADA, BOB = ProfileId(new_id()), ProfileId(new_id())
TITLE, PLAYABLE = TitleId(new_id()), PlayableId(new_id())
DAY_MS = 86_400_000
END = (1 << 62, 0)


class Collector:
    """A collector on a folder and a database."""

    def __init__(self, folder: Path, url: str, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.folder = folder
        self.database = Database(url)
        self.service = EventsService(
            database=self.database,
            clock=self.clock,
            settings=EventsSettings(segment_bytes=8192),
            folder=folder,
            source="web",
        )

    def event(self, kind: str = "heartbeat", **fields: Any) -> Event:
        """An event that happens now."""
        base = {"id": new_id(), "type": kind, "at_ms": self.clock.wall_ns() // 1_000_000, "title_id": TITLE}
        position = {} if kind in ("thumb", "list_change") else {"playable_id": PLAYABLE, "position_s": 1.0}
        return msgspec.convert({**base, **position, **fields}, Event)

    async def settle(self) -> None:
        """Wait until everything is projected, however long that takes."""
        async with asyncio.timeout(20):
            while self.service._projected < self.service._wal.durable:
                await asyncio.sleep(0.01)

    async def count(self, table: sa.Table) -> int:
        """Rows of a table."""
        return await self.database.read(lambda c: c.scalar(sa.select(sa.func.count()).select_from(table)) or 0)

    def logged(self, name: str = "web") -> list[dict[str, Any]]:
        """Events in the log."""
        records = [msgspec.json.decode(data) for _, data in read_log(self.folder / name, (0, 0), END)]
        return [event for record in records for event in record["events"]]


@pytest.fixture
async def collector(tmp_path: Path, database_url: str) -> AsyncIterator[Collector]:
    """A collector that runs."""
    made = Collector(tmp_path / "events", database_url)
    made.database.migrate(["reelwright.events"])
    await made.service.start()
    yield made
    await made.service.stop()
    made.database.close()


async def test_positions_views_thumbs_and_list_are_what_was_said_last(collector: Collector) -> None:
    """Each profile has its own."""
    service, event = collector.service, collector.event
    await service.record(
        [
            event("play", position_s=0, data={"duration_s": 100.0}),
            event(position_s=40),
            event("thumb", data={"value": 1}),
            event("list_change", data={"saved": True}),
        ],
        profile_id=ADA,
    )
    collector.clock.advance(10)
    await service.record([event(position_s=97), event("thumb", data={"value": -1})], profile_id=ADA)
    await service.record([event(position_s=3)], profile_id=BOB)
    await service.settle()  # who asks waits for a moment only, which a busy database outlasts
    watched = await service.get_position(ADA, PLAYABLE)
    assert watched and (watched.position_s, watched.duration_s, watched.finished) == (97, 100, True)
    assert await service.list_thumbs(ADA) == {TITLE: -1} and await service.list_thumbs(BOB) == {}
    assert await service.list_saved(ADA) == [TITLE]
    now_ms = collector.clock.wall_ns() // 1_000_000
    assert await service.count_views(since_ms=now_ms - DAY_MS, until_ms=now_ms + 1) == {TITLE: 1}
    assert [row.position_s for row in await service.list_watched(BOB)] == [3]


async def test_a_title_is_viewed_once_a_day_by_each_profile(collector: Collector) -> None:
    """However often it is started; a window counts viewers, not days."""
    service, event = collector.service, collector.event
    begin_ms = collector.clock.wall_ns() // 1_000_000
    for _ in range(3):
        for profile in (ADA, BOB):
            await service.record([event("play", position_s=0), event(position_s=50)], profile_id=profile)
        collector.clock.advance(86_400)
    await collector.settle()
    assert await collector.count(sql.VIEWS) == 6
    now_ms = collector.clock.wall_ns() // 1_000_000
    assert await service.count_views(since_ms=begin_ms - DAY_MS, until_ms=now_ms) == {TITLE: 2}


async def test_a_later_word_counts_whichever_comes_first(collector: Collector) -> None:
    """A thumb given on the train arrives after one given at home."""
    service = collector.service
    now_ms = collector.clock.wall_ns() // 1_000_000
    at_home = collector.event("thumb", data={"value": 1}, at_ms=now_ms - 1000)
    on_the_train = collector.event("thumb", data={"value": -1}, at_ms=now_ms - 9000)
    saved = collector.event("list_change", data={"saved": True}, at_ms=now_ms - 1000)
    unsaved = collector.event("list_change", data={"saved": False}, at_ms=now_ms - 9000)
    await service.record([at_home, saved], profile_id=ADA)
    await collector.settle()
    await service.record([on_the_train, unsaved], profile_id=ADA)
    assert await service.list_thumbs(ADA) == {TITLE: 1}
    assert await service.list_saved(ADA) == [TITLE]


async def test_duplicates_count_once_in_a_batch_across_batches_and_across_restarts(
    collector: Collector, database_url: str
) -> None:
    """Clients send again until they hear an answer."""
    service = collector.service
    events = [collector.event(position_s=float(n)) for n in range(5)]
    first = await service.record([*events, *events], profile_id=ADA)
    assert [verdict.status for verdict in first] == ["stored"] * 5 + ["duplicate"] * 5
    await collector.settle()
    await service.stop()
    again = Collector(collector.folder, database_url, collector.clock)
    await again.service.start()
    second = await again.service.record(events, profile_id=ADA)
    assert [verdict.status for verdict in second] == ["duplicate"] * 5
    again.service._recent = Recent(10)  # far more events lay between: only the database still knows
    third = await again.service.record(events, profile_id=ADA)
    assert [verdict.status for verdict in third] == ["stored"] * 5
    await again.settle()
    assert await again.count(sql.SEEN) == 5
    ledger = await again.service.list_ledger()
    assert [(row["stored"], row["duplicate"]) for row in ledger] == [(5, 5)]
    await again.service.stop()
    again.database.close()
    await service.start()


async def test_a_bad_event_is_kept_with_its_reason(collector: Collector) -> None:
    """Nothing that a client sent is thrown away, and the others of its batch are stored."""
    good = msgspec.json.encode(collector.event())
    unknown = msgspec.json.encode({**msgspec.to_builtins(collector.event()), "mood": "fine"})
    raws = [b"7", good, b'{"id":"x"}', unknown, b'{"a":"' + b"x" * 20_000 + b'"}', b"[" * 2000 + b"]" * 2000]
    verdicts = await collector.service.record_raw([msgspec.Raw(raw) for raw in raws], profile_id=ADA)
    assert [verdict.status for verdict in verdicts] == ["failed", "stored", *["failed"] * 4]
    assert "mood" in verdicts[3].reason and verdicts[3].id
    assert "16384" in verdicts[4].reason
    assert len(collector.logged("web-failed")) == 5
    assert all(row["reason"] for row in collector.logged("web-failed"))


async def test_a_crash_between_any_two_steps_counts_everything_once(tmp_path: Path, database_url: str) -> None:
    """The log's offset and what was made of it are one transaction: whatever is cut off, the next start goes on."""
    folder, clock = tmp_path / "events", VirtualClock()
    stored = 0
    for life in range(6):
        collector = Collector(folder, database_url, clock)
        collector.database.migrate(["reelwright.events"])
        await collector.service.start()
        for _ in range(10):
            await collector.service.record([collector.event() for _ in range(7)], profile_id=ADA)
            stored += 7
            await asyncio.sleep(0.002 * life)
        assert collector.service._projector
        collector.service._projector.cancel()  # no stop: as if the process had been killed
        collector.database.close()
    last = Collector(folder, database_url, clock)
    await last.service.start()
    await last.settle()
    assert await last.count(sql.SEEN) == stored
    assert sum(row["stored"] for row in await last.service.list_ledger()) == stored
    await last.service.stop()
    last.database.close()


async def test_a_commit_whose_answer_was_lost_is_not_applied_again(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database knows how far it has come, and is believed."""
    real, lost = collector.database.transact, 0

    def answer_is_lost(function: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal lost
        result = real(function, *args, **kwargs)
        if lost < 3:
            lost += 1
            raise Unavailable("the connection went away after the commit")
        return result

    monkeypatch.setattr(collector.database, "transact", answer_is_lost)
    for _ in range(5):
        await collector.service.record([collector.event() for _ in range(3)], profile_id=ADA)
        await asyncio.sleep(0.05)
    await collector.settle()
    assert lost == 3 and await collector.count(sql.SEEN) == 15
    assert sum(row["stored"] for row in await collector.service.list_ledger()) == 15


async def test_a_record_that_cannot_be_read_stops_nobody(collector: Collector) -> None:
    """It stays in the log, and the projection goes on behind it."""
    await collector.service._wal.append(b"from another planet")
    await collector.service.record([collector.event()], profile_id=ADA)
    await collector.settle()
    assert await collector.count(sql.SEEN) == 1


async def test_a_log_that_was_restored_from_a_backup_goes_on(collector: Collector, database_url: str) -> None:
    """The database has come further than the log that was put back: new events are counted all the same."""
    await collector.service.record([collector.event()], profile_id=ADA)
    await collector.settle()
    await collector.service.stop()
    shutil.copytree(collector.folder, collector.folder.parent / "backup")
    await collector.service.start()
    for _ in range(30):
        await collector.service.record([collector.event() for _ in range(20)], profile_id=ADA)
    await collector.settle()
    await collector.service.stop()
    shutil.rmtree(collector.folder)
    shutil.move(collector.folder.parent / "backup", collector.folder)
    await collector.service.start()
    await collector.service.record([collector.event()], profile_id=ADA)
    await collector.settle()
    assert await collector.count(sql.SEEN) == 602


async def test_ids_are_forgotten_when_nobody_can_send_them_again(collector: Collector) -> None:
    """The table of ids does not grow for ever."""
    await collector.service.record([collector.event()], profile_id=ADA)
    await collector.settle()
    collector.clock.advance(46 * 86_400)
    await collector.service.record([collector.event()], profile_id=ADA)
    await collector.settle()
    assert await collector.count(sql.SEEN) == 1


async def test_what_comes_in_while_the_database_is_away_is_counted_when_it_is_back(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    """Storing needs only the log; health says what waits and for what."""
    collector = Collector(tmp_path / "events", own_postgres.url)
    collector.database.migrate(["reelwright.events"])
    await collector.service.start()
    await collector.service.record([collector.event()], profile_id=ADA)
    await collector.settle()
    own_postgres.stop()
    for _ in range(5):
        verdicts = await collector.service.record([collector.event() for _ in range(10)], profile_id=ADA)
        assert {verdict.status for verdict in verdicts} == {"stored"}
    async with asyncio.timeout(60):
        while "does not answer" not in collector.service.problem:
            await asyncio.sleep(0.05)
    own_postgres.start()
    await collector.settle()
    assert await collector.count(sql.SEEN) == 51
    async with asyncio.timeout(60):
        while collector.service.problem:
            await asyncio.sleep(0.05)
    await collector.service.stop()
    collector.database.close()


async def test_a_server_that_crashes_again_and_again_counts_nothing_twice(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    """PostgreSQL is killed in the middle of projections; afterwards every event is there once."""
    collector = Collector(tmp_path / "events", own_postgres.url)
    collector.database.migrate(["reelwright.events"])
    await collector.service.start()
    stored = 0
    done = asyncio.Event()

    async def send() -> None:
        nonlocal stored
        while not done.is_set():
            await collector.service.record([collector.event() for _ in range(20)], profile_id=ADA)
            stored += 20
            await asyncio.sleep(0.005)

    sending = asyncio.create_task(send())
    for _ in range(4):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own_postgres.restart)
    done.set()
    await sending
    await collector.settle()
    assert stored and await collector.count(sql.SEEN) == stored
    assert sum(row["stored"] for row in await collector.service.list_ledger()) == stored
    await collector.service.stop()
    collector.database.close()
