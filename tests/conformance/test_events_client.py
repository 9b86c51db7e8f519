"""Every way to tell and ask events keeps the same promises: in this process, and at a collector that runs apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar import Litestar

from reelwright.app.asgi import build
from reelwright.app.compose import open_resources
from reelwright.app.wiring import migrate, wire_collector
from reelwright.events.client import CollectorClient
from reelwright.events.contract import Event, EventsClient
from reelwright.events.system import EventsSystem
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid, Unavailable
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.settings import Source
from reelwright.kernel.system import Resources

pytestmark = pytest.mark.anyio
PROFILE = ProfileId(new_id())
TITLE, PLAYABLE = TitleId(new_id()), PlayableId(new_id())


@pytest.fixture
def resources(tmp_path: Path) -> Resources:
    """An empty installation with its tables."""
    made = open_resources(Source({"data": str(tmp_path)}, {}, "test"), process="test")
    migrate(made.database)
    return made


@pytest.fixture(params=["in process", "over http"])
async def events(request: pytest.FixtureRequest, resources: Resources) -> AsyncIterator[EventsClient]:
    """One client of each kind."""
    if request.param == "in process":
        system = EventsSystem(resources)
        await system.start()
        yield system.service
        await system.stop()
        return
    async with running(build(resources, wire_collector(resources))) as transport:
        yield client_of(resources, resources.keys, transport)


class running:
    """The collector's application with its systems started, as an HTTP transport."""

    def __init__(self, application: Litestar) -> None:
        self._application = application
        self._life = application.lifespan()

    async def __aenter__(self) -> httpx.AsyncBaseTransport:
        await self._life.__aenter__()
        return httpx.ASGITransport(self._application)  # type: ignore[arg-type]  # Litestar's own ASGI types

    async def __aexit__(self, *error: object) -> None:
        await self._life.__aexit__(None, None, None)


def client_of(resources: Resources, keys: KeyRing, transport: httpx.AsyncBaseTransport) -> CollectorClient:
    """A client that reaches the collector through `transport`."""
    return CollectorClient(
        url="http://127.0.0.1:1", database=resources.database, clock=resources.clock, keys=keys, transport=transport
    )


def heartbeat(position_s: float) -> Event:
    """A player that is this far."""
    return Event(
        id=EventId(new_id()),
        type="heartbeat",
        at_ms=SystemClock().wall_ns() // 1_000_000,
        title_id=TITLE,
        playable_id=PLAYABLE,
        position_s=position_s,
        data={"duration_s": 100.0},
    )


async def test_what_was_told_can_be_asked_at_once(events: EventsClient) -> None:
    """A viewer who leaves the player finds the new position on the next page."""
    verdicts = await events.record([heartbeat(12.5)], profile_id=PROFILE)
    assert [verdict.status for verdict in verdicts] == ["stored"]
    watched = await events.get_position(PROFILE, PLAYABLE)
    assert watched is not None and watched.position_s == 12.5


async def test_who_viewed_what_is_listed_latest_first(events: EventsClient) -> None:
    """A ranking learns from it: once a profile, title and day, in a window, and not more than was asked for."""
    await events.record([heartbeat(10), heartbeat(60)], profile_id=PROFILE)
    await events.catch_up()
    found = await events.list_views(since_ms=0, limit=10)
    assert [(one.profile_id, one.title_id) for one in found] == [(PROFILE, TITLE)]
    assert not await events.list_views(since_ms=found[0].at_ms + 1, limit=10)
    assert not await events.list_views(since_ms=0, limit=0)


async def test_who_comes_by_another_door_finds_it_too(resources: Resources) -> None:
    """Of two web processes one tells the collector, and the other one asks."""
    async with running(build(resources, wire_collector(resources))) as transport:
        teller, asker = (client_of(resources, resources.keys, transport) for _ in range(2))
        for position_s in range(1, 30):
            await teller.record([heartbeat(position_s)], profile_id=PROFILE)
            watched = await asker.get_position(PROFILE, PLAYABLE)
            assert watched is not None and watched.position_s == position_s


async def test_a_reader_goes_on_while_the_collector_is_away(resources: Resources) -> None:
    """What the database holds is answered."""
    client = CollectorClient(
        url="http://127.0.0.1:1", database=resources.database, clock=resources.clock, keys=resources.keys
    )
    assert await client.get_position(PROFILE, PLAYABLE) is None
    await client.stop()


async def test_a_batch_sent_twice_counts_once(events: EventsClient) -> None:
    """A client that heard no answer sends the same batch again."""
    batch = [heartbeat(10), heartbeat(60)]
    await events.record(batch, profile_id=PROFILE)
    again = await events.record(batch, profile_id=PROFILE)
    assert [verdict.status for verdict in again] == ["duplicate", "duplicate"]
    ledger = await events.list_ledger()
    assert sum(row["stored"] for row in ledger) == 2


async def test_a_bad_event_never_fails_its_batch(events: EventsClient) -> None:
    """Each event has its own verdict, in order."""
    raws = [
        msgspec.Raw(msgspec.json.encode(heartbeat(5))),
        msgspec.Raw(b'{"id": 7}'),
        msgspec.Raw(msgspec.json.encode(heartbeat(6))),
    ]
    verdicts = await events.record_raw(raws, profile_id=PROFILE)
    assert [verdict.status for verdict in verdicts] == ["stored", "failed", "stored"]
    assert verdicts[1].reason


async def test_synthetic_events_are_counted_apart(events: EventsClient) -> None:
    """An import with given times never mixes with what people did."""
    await events.record([heartbeat(5)], profile_id=PROFILE, synthetic=True)
    await events.record([heartbeat(6)], profile_id=PROFILE)
    ledger = await events.list_ledger()
    assert {row["synthetic"]: row["stored"] for row in ledger} == {True: 1, False: 1}


async def test_a_collector_that_is_away_is_unavailable(resources: Resources) -> None:
    """The sender keeps its batch and is told to come again."""
    client = CollectorClient(
        url="http://127.0.0.1:1", database=resources.database, clock=resources.clock, keys=resources.keys
    )
    with pytest.raises(Unavailable, match="send the batch again"):
        await client.record([heartbeat(1)], profile_id=PROFILE)
    assert client.refused
    await client.stop()


async def test_a_collector_refuses_who_has_another_key_ring(resources: Resources) -> None:
    """Only processes of this installation speak for its viewers."""
    async with running(build(resources, wire_collector(resources))) as transport:
        stranger = client_of(resources, KeyRing.generate(), transport)
        with pytest.raises(Invalid, match=r"keys\.json"):
            await stranger.record([heartbeat(1)], profile_id=PROFILE)
