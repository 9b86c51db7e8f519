"""Every bus keeps the same promises: logs on this machine's disk, and a broker that speaks Kafka's protocol."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.engines import KafkaServer
from typer.testing import CliRunner

from reelwright.events.adapters import sql
from reelwright.events.adapters.bus import EventLog, open_log, open_reader
from reelwright.events.adapters.reader import Reader
from reelwright.events.cli import app
from reelwright.events.contract import Backlogged, Event, FailedBatch, FailedEvent, StoredBatch
from reelwright.events.core.frame import START, Position
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, Unavailable
from reelwright.kernel.ids import EventId, ProfileId, TitleId, new_id

pytestmark = pytest.mark.anyio
ADA = ProfileId(new_id())


@pytest.fixture(params=["disk", "kafka"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty bus of each kind."""
    if request.param == "disk":
        return str(tmp_path / "events")
    return kafka_url(request.getfixturevalue("kafka_server"))


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    """A broker that this test may kill and start."""
    server = KafkaServer()
    yield server
    server.remove()


def kafka_url(server: KafkaServer) -> str:
    """Topics of its own."""
    return server.url(f"t{secrets.token_hex(4)}")


def opened(bus: str, source: str = "web-a", after: Position = START, **settings: Any) -> EventLog:
    """The log of a source."""
    return open_log(bus, source, settings=EventsSettings(**settings), after=after)


def event(title: TitleId | None = None) -> Event:
    """A search of now."""
    now_ms = time.time_ns() // 1_000_000
    return Event(id=EventId(new_id()), type="search", at_ms=now_ms, title_id=title, data={"text": "a film"})


def batch(*events: Event, source: str = "web-a") -> bytes:
    """As the collector keeps it."""
    made = StoredBatch(events=list(events), profile_id=ADA, received_ms=time.time_ns() // 1_000_000, source=source)
    return msgspec.json.encode(made)


def ids(reader: Reader, source: str = "web-a", after: Position = START) -> list[str]:
    """What a consumer reads."""
    return [event.id for _, found in reader.stored(source, after) for event in found.events]


async def test_what_is_acknowledged_is_read_in_order_by_everybody(bus: str) -> None:
    """By the writer, and by consumers elsewhere, each record with the place behind it."""
    writer, sent = opened(bus), [event() for _ in range(50)]
    assert writer.durable == (1, 0)
    await asyncio.gather(*(writer.append(batch(one)) for one in sent))
    reader = open_reader(bus)
    assert (reader.sources(), reader.durable("web-a")) == (["web-a"], writer.durable)
    assert sorted(ids(reader)) == sorted(one.id for one in sent)
    assert [msgspec.json.decode(data)["events"][0]["id"] for _, data in writer.read(START)] == ids(reader)
    places = [place for place, _ in reader.stored("web-a", START)]
    for number, place in enumerate(places):
        assert ids(reader, after=place) == ids(reader)[number + 1 :]
    await writer.close()


async def test_a_writer_goes_on_where_it_was(bus: str) -> None:
    """A restart neither overwrites nor skips."""
    for life in range(3):
        writer = opened(bus)
        await writer.append(batch(event()))
        await writer.close()
        assert len(ids(open_reader(bus))) == life + 1


async def test_refused_events_have_a_log_of_their_own(bus: str) -> None:
    """Named after their source."""
    writer = opened(bus, "web-a-failed")
    kept = FailedBatch(events=[FailedEvent(raw=b"\xff", reason="no JSON")], received_ms=1)
    await writer.append(msgspec.json.encode(kept))
    reader = open_reader(bus)
    assert (reader.sources(), reader.sources(failed=True)) == ([], ["web-a-failed"])
    assert [found for _, found in reader.failed("web-a-failed", START)] == [kept]
    await writer.close()


@pytest.mark.parametrize("source", ["web-a", "web-a-failed"])
async def test_the_newest_events_are_shown_wherever_they_lie(
    bus: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reelwright events show`, by the settings: a broker's are not to be looked for on the disk."""
    monkeypatch.setenv("REELWRIGHT_DATA", str(tmp_path))
    if bus.startswith("kafka://"):
        monkeypatch.setenv("REELWRIGHT_EVENTS_BUS", bus)
    writer, sent = opened(bus, source), [event() for _ in range(3)]
    kept = FailedBatch(events=[FailedEvent(raw=b"\xff", reason="no JSON")], received_ms=1)
    failed = source.endswith("-failed")
    for one in sent:
        await writer.append(msgspec.json.encode(kept) if failed else batch(one))
    await writer.close()
    shown = CliRunner().invoke(app, ["show", "--last", "2", *(["--failed"] if failed else [])])
    rows = [msgspec.json.decode(line) for line in shown.output.splitlines()]
    if failed:
        assert [row["reason"] for row in rows] == ["no JSON"] * 2
    else:
        assert [row["id"] for row in rows] == [one.id for one in sent[1:]]
        assert {row["profile_id"] for row in rows} == {ADA}


async def test_a_record_that_cannot_be_read_stops_nobody(bus: str) -> None:
    """It is passed over, aloud."""
    writer, good = opened(bus), event()
    for payload in (b"from another planet", b'{"events": 7}', batch(good)):
        await writer.append(payload)
    assert ids(open_reader(bus)) == [good.id]
    await writer.close()


async def test_a_large_batch_passes_and_what_waits_is_bounded(bus: str) -> None:
    """Two megabytes are one record; more than may wait is refused before memory grows."""
    writer = opened(bus, waiting_bytes=4 << 20)
    await writer.append(b"x" * (2 << 20))
    found = await asyncio.gather(*(writer.append(b"x" * (3 << 20)) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [type(None), Backlogged, Backlogged]
    await writer.close()


async def test_a_segment_that_all_are_through_with_can_go(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind it stays, at the same place."""
    monkeypatch.setattr("reelwright.events.adapters.kafka.SEGMENT", 4)
    writer = opened(bus, segment_bytes=4096)
    for _ in range(40):
        await writer.append(batch(*(event() for _ in range(4))))
    reader = open_reader(bus)
    first, *rest = reader.segments("web-a")
    kept = [place for place, _ in reader.stored("web-a", (first + 1, 0))]
    reader.remove_segment("web-a", first)
    assert reader.segments("web-a") == rest
    assert [place for place, _ in reader.stored("web-a", START)] == kept
    await writer.close()


async def test_projections_resume_from_their_offset(bus: str, tmp_path: Path) -> None:
    """Lives that end without goodbye count every event once."""
    folder, url = tmp_path / "events", f"sqlite:///{tmp_path}/test.sqlite"
    stored = 0
    for life in range(4):
        database = Database(url)
        database.migrate(["reelwright.events"])
        settings = EventsSettings(bus=bus if bus.startswith("kafka") else "")
        service = EventsService(
            database=database, clock=SystemClock(), settings=settings, folder=folder, source="web-a"
        )
        await service.start()
        for _ in range(5):
            verdicts = await service.record([event() for _ in range(7)], profile_id=ADA)
            stored += sum(verdict.status == "stored" for verdict in verdicts)
            await asyncio.sleep(0.002 * life)
        if life == 3:
            async with asyncio.timeout(60):
                while service._projected < service._wal.durable:
                    await asyncio.sleep(0.01)
            assert database.transact(lambda c: c.scalar(sa.select(sa.func.count()).select_from(sql.SEEN))) == stored
            assert sum(row["stored"] for row in await service.list_ledger()) == stored == 140
        assert service._projector
        service._projector.cancel()  # no stop: as if the process had been killed
        await service._wal.close()
        await service._failed.close()
        database.close()


async def test_the_lake_resumes_from_its_offset(bus: str, tmp_path: Path) -> None:
    """Its offsets lie in the snapshot: a new committer repeats nothing, and misses nothing; SQL sees the rest."""
    pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")
    from reelwright.lake.core.tables import EVENTS
    from reelwright.lake.jobs import Keeper
    from reelwright.lake.service import LakeService
    from reelwright.lake.settings import LakeSettings

    writer, sent = opened(bus), list[Event]()
    settings = LakeSettings(commit_events=100)
    for _ in range(3):
        fresh = [event() for _ in range(150)]
        for start in range(0, 150, 10):
            again = sent[start : start + 3]
            await writer.append(batch(*fresh[start : start + 10], *again))
        sent += fresh
        keeper = Keeper(tmp_path / "lake", events=open_reader(bus), settings=settings, clock=SystemClock())
        assert keeper.commit_all() == 150
        assert keeper.tables[EVENTS].snapshot.rows == len(sent)
        assert keeper.tables[EVENTS].snapshot.offsets == {"web-a": writer.durable}
    await writer.append(batch(event()))
    lake = LakeService(folder=tmp_path / "lake", events=bus, settings=settings, clock=SystemClock())
    assert (await lake.ask("SELECT count(*), count(DISTINCT id) FROM events")).rows == [[451, 451]]
    await writer.close()


async def test_a_broker_that_restarts_loses_nothing(own_kafka: KafkaServer) -> None:
    """The writer goes on by itself."""
    bus = kafka_url(own_kafka)
    writer, stored = opened(bus), list[str]()
    for _ in range(3):
        for _ in range(20):
            one = event()
            await writer.append(batch(one))
            stored.append(one.id)
        own_kafka.stop()
        own_kafka.start()
    assert ids(open_reader(bus)) == stored
    await writer.close()


async def test_a_broker_that_forgets_is_not_trusted(own_kafka: KafkaServer) -> None:
    """What it takes after it has begun anew lies where consumers believe to have read: it is not acknowledged."""
    bus = kafka_url(own_kafka)
    writer = opened(bus)
    for _ in range(5):
        await writer.append(batch(event()))
    own_kafka.stop(signal.SIGKILL)
    own_kafka.start()
    with pytest.raises(Unavailable, match="has lost"):
        await writer.append(batch(event()))
    await writer.close()


async def test_a_broker_that_is_away_is_said_and_nothing_is_acknowledged(
    own_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Senders keep their events and are told to come again; the log goes on when it is back."""
    monkeypatch.setattr("reelwright.events.adapters.kafka._DELIVERY_MS", 1500)
    bus = kafka_url(own_kafka)
    writer = opened(bus)
    await writer.append(batch(event()))
    own_kafka.stop()
    with pytest.raises(Unavailable, match="send the batch again"):
        await writer.append(batch(event()))
    with pytest.raises(Unavailable, match="send the batch again"):
        writer.append(batch(event())).send(None)  # it is known now: nobody else waits to hear it
    own_kafka.start()
    last = event()
    async with asyncio.timeout(60):
        while True:
            with suppress(Unavailable):
                await writer.append(batch(last))
                break
            await asyncio.sleep(0.1)
    assert ids(open_reader(bus))[-1] == last.id
    await writer.close()


async def test_while_the_broker_is_away_it_is_said_that_events_are_not_stored(
    own_kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no longer once they are."""
    monkeypatch.setattr("reelwright.events.adapters.kafka._DELIVERY_MS", 1500)
    database = Database(f"sqlite:///{tmp_path}/test.sqlite")
    database.migrate(["reelwright.events"])
    service = EventsService(
        database=database,
        clock=SystemClock(),
        settings=EventsSettings(bus=kafka_url(own_kafka)),
        folder=tmp_path / "events",
        source="web-a",
    )
    await service.start()
    own_kafka.stop()
    with pytest.raises(Unavailable):
        await service.record([event()], profile_id=ADA)
    assert "takes no events" in service.refused
    own_kafka.start()
    async with asyncio.timeout(60):
        while service.refused:
            with suppress(Unavailable):
                await service.record([event()], profile_id=ADA)
            await asyncio.sleep(0.1)
    await service.stop()
    database.close()


async def test_a_broker_that_has_lost_its_topics_is_not_taken_for_an_empty_one(kafka_server: KafkaServer) -> None:
    """New events would lie at places that consumers believe to have read."""
    with pytest.raises(Unavailable, match="name a new prefix"):
        opened(kafka_url(kafka_server), after=(1, 5))


@pytest.mark.parametrize("url", ["kafka://", "kafka:///x", "kafka://h:1/a/b"])
def test_a_bus_that_is_none_is_refused(url: str) -> None:
    """With what one looks like."""
    pytest.importorskip("confluent_kafka", reason="needs the extra: pip install 'reelwright[kafka]'")
    with pytest.raises(Invalid, match="looks like"):
        open_reader(url)


_WRITE = """
import asyncio, sys
from tests.conformance.test_bus import batch, event, opened
async def main():
    writer = opened(sys.argv[1])
    while True:
        found = [event() for _ in range(20)]
        await asyncio.gather(*(writer.append(batch(one)) for one in found))
        print(*(one.id for one in found), flush=True)
asyncio.run(main())
"""


@pytest.mark.slow
def test_killed_writers_lose_and_double_nothing(bus: str) -> None:
    """Kill −9 at random points: every id that was acknowledged is there, none twice."""
    acknowledged = set[str]()
    for life in range(3):
        writer = subprocess.Popen([sys.executable, "-c", _WRITE, bus], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged.update(writer.stdout.readline().split())
        time.sleep(0.1 * life)
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged.update(word for line in writer.stdout.read().splitlines() for word in line.split())
        writer.wait()
        writer.stdout.close()
    found = ids(open_reader(bus))
    assert len(found) == len(set(found))
    assert {word for word in acknowledged if len(word) == 26} <= set(found)
