"""The control plane keeps the same promises on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from reelwright.cdn.contract import (
    Access,
    Decided,
    EdgeReport,
    FillItem,
    FillPlan,
    FillProgress,
    PurgeOrder,
    Viewing,
)
from reelwright.cdn.control import ControlPlane
from reelwright.cdn.core.steering import EdgeState, decide
from reelwright.cdn.jobs import plan_fills, reprice
from reelwright.cdn.ports import Forecast, Shelf
from reelwright.cdn.settings import CdnSettings
from reelwright.events.contract import Event, Verdict
from reelwright.events.core.schema import Schema
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid, NotFound
from reelwright.kernel.ids import new_id
from reelwright.kernel.keys import KeyRing

pytestmark = pytest.mark.anyio
SCHEMA = Schema()


class Stored:
    """Takes events, each id once, as the collector does."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}

    async def record(self, events: list[Event], **_: Any) -> list[Verdict]:
        """A verdict each."""
        verdicts = [Verdict(id=one.id, status="duplicate" if one.id in self.events else "stored") for one in events]
        self.events |= {one.id: one for one in events}
        return verdicts


class Stage:
    """A control plane with a clock that is moved by hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = VirtualClock()
        self.events = Stored()
        self.plane = self.another()

    def another(self) -> ControlPlane:
        """Another web process on the same database."""
        return ControlPlane(
            database=self.database,
            clock=self.clock,
            keys=KeyRing.generate(),
            settings=CdnSettings(heartbeat_s=2, steering_ttl_s=7),
            events=self.events,  # type: ignore[arg-type]
        )

    def said(self, kind: str) -> list[Event]:
        """The events of a type, which are all well-formed."""
        found = [event for event in self.events.events.values() if event.type == kind]
        for event in found:
            SCHEMA.read(msgspec.json.encode(event))
        return found

    async def report(self, name: str, **more: Any) -> Any:
        """One report, half a second later."""
        self.clock.advance(0.6)
        form = {
            "boot": f"b-{name}",
            "url": f"http://{name}.example",
            "capacity_bps": 1e9,
            "costs": {"*": 1.0},
            **more,
        }
        return await self.plane.report(name, EdgeReport(**form))

    async def beat(self, *names: str, seconds: float = 2, **more: Any) -> None:
        """Time passes while these report."""
        self.clock.advance(seconds)
        for name in names:
            await self.report(name, **more)

    async def states(self, plane: ControlPlane | None = None) -> dict[str, str]:
        """By edge."""
        return {edge.name: edge.state for edge in await (plane or self.plane).list_edges()}

    async def steer(self, session: str = "s", **more: Any) -> list[str]:
        """Names, best first."""
        form = {"viewer": f"v-{session}", "folder": "assets/a", "bps": 5e6, "address": "10.0.0.1", "token": session}
        return [name for name, _ in (await self.plane.steer(Viewing(session_id=session, **{**form, **more}))).edges]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With the control plane's tables."""
    made = Database(database_url)
    made.migrate(["reelwright.cdn"])
    yield made
    made.close()


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    """Nobody has registered yet."""
    made = Stage(database)
    yield made
    await made.plane.close()


async def test_an_edge_registers_by_its_first_report_and_is_down_when_it_falls_silent(stage: Stage) -> None:
    """In every web process, and it is well again with its next report."""
    assert await stage.steer() == []
    await stage.report("a", load_bps=4e6, requests=10, hits=9, sent_bytes=1000, fetched_bytes=100)
    await stage.report("b")
    other = stage.another()
    (seen, _) = await other.list_edges()
    assert (seen.load_bps, seen.hit_ratio, seen.offload) == (4e6, 0.9, 0.9)
    for _ in range(4):
        await stage.beat("b")
    assert await stage.states() == await stage.states(other) == {"a": "down", "b": "ok"}
    assert await stage.steer() == ["b"]
    await stage.report("a")
    assert (await stage.states())["a"] == "ok"


@pytest.mark.parametrize("step_s", [-86_400, 86_400])
async def test_clock_steps_are_harmless(stage: Stage, step_s: int) -> None:
    """A wall clock that jumps neither loses an edge nor hides that one is gone."""
    await stage.report("a")
    await stage.report("b")
    stage.clock.step_wall(step_s)
    assert await stage.states() == {"a": "ok", "b": "ok"}
    for _ in range(4):
        await stage.beat("b")
    assert await stage.states() == {"a": "down", "b": "ok"}


async def test_when_all_edges_fall_silent_at_once_none_is_given_up(stage: Stage) -> None:
    """The fault is more likely ours."""
    for name in "ab":
        await stage.report(name)
    stage.clock.advance(60)
    assert await stage.states() == {"a": "ok", "b": "ok"}


async def test_an_edge_that_lies_is_found_by_what_players_say(stage: Stage) -> None:
    """It reports that all is well; two viewers met failures; it is tried again after a minute."""
    for name in ("liar", "true"):
        await stage.report(name, costs={"*": 1.0 if name == "liar" else 3.0})
    assert (await stage.steer())[0] == "liar"
    await stage.plane.tell("http://liar.example", "v1", failed=True)
    assert (await stage.states())["liar"] == "ok", "one alone is not believed"
    for _ in range(5):
        await stage.plane.tell("liar", "v1", failed=True)
    assert (await stage.states())["liar"] == "ok", "nor is one who says it often"
    await stage.plane.tell("liar", "v2", failed=True)
    assert await stage.states() == {"liar": "distrusted", "true": "ok"}
    assert (await stage.steer())[0] == "true"
    await stage.beat("liar", "true", seconds=61)
    assert (await stage.states())["liar"] == "ok"
    await stage.plane.tell("nobody's edge", "v3", failed=True)


async def test_a_player_that_left_the_edge_it_was_sent_to_has_said_something(stage: Stage) -> None:
    """Players that are not ours say by their pathway that an edge failed them."""
    for name, cost in (("near", 1.0), ("far", 3.0)):
        await stage.report(name, costs={"*": cost})
    for session in ("s1", "s2", "s3"):
        assert (await stage.steer(session))[0] == "near"
        await stage.steer(session, current="near")
        await stage.steer(session, current="far")
    stage.clock.advance(1)
    assert (await stage.states())["near"] == "distrusted"


async def test_a_player_that_has_not_moved_yet_blames_nobody(stage: Stage) -> None:
    """It was told to go elsewhere, and goes with its next segment."""
    for name, cost in (("near", 1.0), ("far", 3.0)):
        await stage.report(name, costs={"*": cost})
    for session in ("s1", "s2", "s3"):
        await stage.steer(session, current="near")
    await stage.plane.drain("near", on=True, by="x")
    for session in ("s1", "s2", "s3"):
        for _ in range(2):
            assert (await stage.steer(session, current="near")) == ["far"]
    assert await stage.states() == {"far": "ok", "near": "draining"}


async def test_drain_moves_everybody_and_ends(stage: Stage) -> None:
    """It is written down who ordered it."""
    for name, cost in (("near", 1.0), ("far", 3.0)):
        await stage.report(name, costs={"*": cost})
    await stage.plane.drain("near", on=True, by="user u1")
    assert (await stage.report("near")).drained
    assert await stage.steer() == ["far"]
    assert await stage.states(stage.another()) == {"far": "ok", "near": "draining"}
    await stage.plane.drain("near", on=False, by="user u1")
    stage.clock.advance(1)
    assert (await stage.steer("another"))[0] == "near"
    assert [row["what"] for row in await stage.plane.audit()] == ["end drain near", "drain near"]
    with pytest.raises(NotFound):
        await stage.plane.drain("gone", on=True, by="x")


async def test_no_edge_is_filled_above_its_capacity_between_two_reports(stage: Stage) -> None:
    """What was given away counts until a report shows it."""
    await stage.report("small", capacity_bps=50e6, costs={"*": 1.0})
    await stage.report("large", costs={"*": 2.0})
    first = [(await stage.steer(f"s{number}"))[0] for number in range(20)]
    assert first.count("small") == 9 and first.count("large") == 11


async def test_a_forgotten_edge_comes_back_with_its_next_report(stage: Stage) -> None:
    """Its drain is forgotten too."""
    await stage.report("a")
    await stage.plane.forget("a", by="x")
    assert await stage.states() == {}
    assert (await stage.report("a", held_bytes=5)).show_all
    assert await stage.states() == {"a": "ok"}
    with pytest.raises(NotFound):
        await stage.plane.forget("b", by="x")


async def test_two_edges_cannot_share_a_name(stage: Stage) -> None:
    """The second is told, unless the first has gone."""
    await stage.report("a")
    with pytest.raises(Conflict, match="its own"):
        await stage.report("a", boot="other", url="http://elsewhere.example")
    await stage.report("a", boot="restarted")
    stage.clock.advance(30)
    await stage.report("a", boot="moved", url="http://elsewhere.example")


async def test_orders_to_purge_reach_each_edge_in_turn_and_once(stage: Stage) -> None:
    """An edge that was away reads on where it was; one that was away for too long forgets everything."""
    await stage.report("a")
    results = await asyncio.gather(*(stage.plane.purge(PurgeOrder(tag=f"t{n}"), by="x") for n in range(5)))
    assert sorted(one.seq for one in results) == [0, 1, 2, 3, 4]
    assert all(one.later == ["a"] for one in results), "nobody answers at that address"
    orders = await stage.report("a")
    assert [one.seq for one in orders.purges] == [0, 1, 2, 3, 4] and orders.purged == 4
    assert not (await stage.report("a", purged=4)).purges
    assert [one.seq for one in (await stage.report("a", purged=2)).purges] == [3, 4]
    assert (await stage.report("a", purged=99)).purge_all, "it knows of orders that we have lost"
    stage.clock.advance(8 * 86_400)
    await stage.plane.purge(PurgeOrder(prefix="/assets/"), by="x")
    late = await stage.report("a", purged=2)
    assert late.purge_all and late.purged == 5


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"path": "/a", "tag": "b"},
        {"path": "a"},
        {"prefix": "assets"},
        {"tag": "a\r\nHost: b"},
        {"tag": "é"},
        {"path": "/a", "host": "x\0"},
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(stage: Stage, order: dict[str, Any]) -> None:
    """Also what would become another header on its way to an edge."""
    with pytest.raises(Invalid):
        await stage.plane.purge(PurgeOrder(**order), by="x")


async def test_misses_are_classified_by_joining_decisions_with_accesses(stage: Stage) -> None:
    """Content, health, steering, policy; a report that comes twice counts once, and each access is an event."""
    await stage.report("near", costs={"*": 1.0})
    await stage.report("far", costs={"*": 3.0})
    assert (await stage.steer("well", token="t-well"))[0] == "near"
    await stage.plane.drain("near", on=True, by="x")
    assert (await stage.steer("moved", token="t-moved"))[0] == "far"
    await stage.plane.drain("near", on=False, by="x")
    await stage.beat("near", load_bps=1e9, costs={"*": 1.0})
    await stage.report("far", costs={"*": 3.0})
    assert (await stage.steer("full", token="t-full"))[0] == "far"

    def access(token: str, *, hit: bool = True, size: int = 10) -> Access:
        return Access(at_ms=1_700_000_000_000, object="assets/a/x.m4s", size=size, status=200, token=token, hit=hit)

    at_near = [access("t-well"), access("t-well", hit=False, size=11)]
    at_far = [access("t-moved"), access("t-full"), access("t-well"), access("nobody's", hit=False)]
    assert (await stage.report("near", accesses=at_near)).accepted == 2
    for _ in range(2):
        assert (await stage.report("far", accesses=at_far)).accepted == 4
    found = {(row["edge"], row["kind"]): row["requests"] for row in await stage.plane.misses()}
    assert found == {
        ("near", "hit"): 1,
        ("near", "content"): 1,
        ("far", "policy"): 1,
        ("far", "health"): 2,
        ("far", "content"): 1,
    }
    assert len(stage.said("edge_access")) == 6


async def test_equal_accesses_of_one_millisecond_all_count(stage: Stage) -> None:
    """Within a report, and over two; the first coming again counts nothing."""
    access = Access(at_ms=1_700_000_000_000, object="assets/a/x.m4s", size=10, status=200, session="s", token="t")
    for accepted, number in ((0, 3), (3, 2), (0, 3)):
        await stage.report("near", accesses=[access] * number, accepted=accepted)
    assert [row["requests"] for row in await stage.plane.misses()] == [5]
    assert len(stage.said("edge_access")) == 5


async def test_a_plan_to_fill_is_given_until_the_edge_follows_it(stage: Stage) -> None:
    """It comes with reports, so that no edge must be reachable."""
    plan = FillPlan(id="p1", items=[FillItem("assets/a/x.m4s", 10)], rate_bps=1e6)
    await stage.report("a")
    await stage.plane.order_fills({"a": plan})
    assert (await stage.report("a")).fill == plan
    assert (await stage.report("a", fill=FillProgress(plan="p1"))).fill is None


async def test_plans_are_made_for_edges_with_a_cache_and_reach_them(stage: Stage) -> None:
    """Most wanted first, within their share of the cache, from peers of the same region."""
    await stage.report("a", budget_bytes=100, costs={"eu": 1.0})
    await stage.report("b", budget_bytes=1000, costs={"eu": 1.0, "us": 2.0})
    await stage.report("source", costs={"*": 1.0})
    shelves = [Shelf(f"t{n}", [(FillItem(f"assets/t{n}/x.m4s", 40), 1.0)]) for n in range(3)]
    forecast = Forecast(shelves=shelves, history=[{"t0": 1.0, "t1": 9.0, "t2": 5.0}], added={"t0": 20.0})
    await plan_fills(stage.plane, forecast, CdnSettings(fill_share=0.9))
    small = (await stage.report("a", costs={"eu": 1.0})).fill
    assert [item.name for item in small.items] == ["assets/t0/x.m4s", "assets/t1/x.m4s"]
    assert (small.window, small.rate_bps, small.peers) == ((120, 840), 100e6, ["http://b.example"])
    assert len((await stage.report("b")).fill.items) == 3
    assert (await stage.report("source")).fill is None


async def test_an_object_on_several_shelves_is_planned_once_for_all_who_want_it(stage: Stage) -> None:
    """A film, and what is left of it for those who stopped in the middle."""
    await stage.report("a", budget_bytes=100, costs={"eu": 1.0})
    begin, end, other = (FillItem(f"assets/t{n}/x.m4s", 40) for n in range(3))
    shelves = [Shelf("film", [(begin, 1.0), (end, 0.5)]), Shelf("rest", [(end, 1.0)]), Shelf("other", [(other, 1.0)])]
    forecast = Forecast(shelves=shelves, added={"film": 4.0, "rest": 3.5, "other": 5.0})
    await plan_fills(stage.plane, forecast, CdnSettings(fill_share=0.8))
    assert (await stage.report("a", costs={"eu": 1.0})).fill.items == [end, other]


async def test_a_full_edge_gets_a_price(stage: Stage) -> None:
    """Made from the sessions of the last quarter of an hour; it moves those who lose least."""
    await stage.report("near", capacity_bps=20e6, costs={"*": 1.0})
    await stage.report("far", costs={"*": 3.0})
    await reprice(stage.plane)
    for number in range(8):
        await stage.steer(f"s{number}")
    await reprice(stage.plane)
    stage.clock.advance(1)
    (far, near) = sorted(await stage.plane.explain("eu", bps=1e6), key=lambda one: one.edge.name)
    assert near.score > 2.9 and far.score == 3.0


async def test_each_decision_is_an_event_that_can_be_replayed(stage: Stage) -> None:
    """Steering once a move, with all it was decided on; drains, purges and plans to fill with who ordered them."""
    await stage.report("near", costs={"*": 1.0})
    await stage.report("far", costs={"*": 3.0})
    session = new_id()
    for _ in range(2):
        assert (await stage.steer(session))[0] == "near"
    await stage.plane.drain("near", on=True, by="user x")
    assert (await stage.steer(session))[0] == "far"
    await stage.plane.purge(PurgeOrder(tag="a", soft=True), by="user x")
    for _ in range(2):
        await stage.plane.order_fills({"far": FillPlan(id="p1", items=[FillItem("assets/a/x.m4s", 10)])})
    made = [event.data for event in stage.said("decision")]
    assert [(one["policy_version"], one["choice"], one["reason"]) for one in made] == [
        ("steering/1", "near", "nearest"),
        ("drain/1", "near", "drained"),
        ("steering/1", "far", "policy"),
        ("purge/1", "tag a, softly", "soft"),
        ("fill/1", "p1", ""),
    ]
    assert {event.session_id for event in stage.said("decision")} == {session, None}
    assert [one["id"] for one in made[2]["alternatives"]] == ["far", "near"]
    assert json.loads(made[3]["input"])["by"] == "user x"
    for one in (made[0], made[2]):
        said = json.loads(one["input"])
        edges = [msgspec.convert(edge, EdgeState) for edge in said["edges"]]
        again = decide(said["region"], edges, bps=said["bps"], prices=said["prices"], folder=said["folder"])
        assert again[0].edge.name == one["choice"]


async def test_an_experiment_s_order_is_part_of_the_one_decision(stage: Stage) -> None:
    """By title the same edge for all viewers, registered or only configured; the class of such a miss is policy."""
    urls = ("http://a.example", "http://b.example", "http://c.example")
    found = set()
    for number in range(20):
        viewing = Viewing(session_id="s", viewer="v", folder=f"assets/{number}", bps=1e6, address="", token="t",
                          order="by_title", otherwise=urls)  # fmt: skip
        found.add((await stage.plane.steer(viewing)).edges[0])
        listed = await stage.plane.steer(msgspec.structs.replace(viewing, order="listed"))
        assert listed.edges == [("", url) for url in urls]
    assert found == {("", url) for url in urls}
    await stage.report("near", costs={"*": 1.0})
    await stage.report("far", costs={"*": 3.0})
    firsts = {
        one: (await stage.steer(one, folder=one, order="by_title"))[0]
        for one in ("assets/0", "assets/1", "assets/2", "assets/3")
    }
    assert set(firsts.values()) == {"near", "far"}
    folder = next(one for one, edge in firsts.items() if edge == "far")
    await stage.steer("last", folder=folder, order="by_title", token="t-last")
    seen = Access(at_ms=1_700_000_000_000, object="assets/a/x.m4s", size=1, status=200, token="t-last")
    await stage.report("far", accesses=[seen])
    assert [(row["edge"], row["kind"]) for row in await stage.plane.misses()] == [("far", "policy")]


async def test_an_edge_is_told_what_it_steers_by_and_its_decisions_are_kept(stage: Stage) -> None:
    """Edges of its regions, when something changed; what it decided meanwhile counts in the classes of misses."""
    await stage.report("here", costs={"eu": 1.0})
    await stage.report("there", costs={"eu": 2.0, "us": 1.0})
    await stage.report("overseas", costs={"us": 1.0})
    atlas = (await stage.report("here", costs={"eu": 1.0})).atlas
    assert [one.name for one in atlas.edges] == ["here", "there"] and atlas.ttl_s == 7
    again = await stage.report("here", costs={"eu": 1.0}, atlas=atlas.id)
    assert again.atlas is None
    await stage.plane.drain("there", on=True, by="x")
    told = (await stage.report("here", costs={"eu": 1.0}, atlas=atlas.id)).atlas
    assert [one.state for one in told.edges] == ["ok", "draining"]
    decided = [Decided(1_700_000_000_000, "t1", "eu", "there", "here", "steering", 5e6)]
    assert (await stage.report("here", costs={"eu": 1.0}, decided=decided)).noted == 1
    seen = Access(at_ms=1_700_000_000_000, object="assets/a/x.m4s", size=1, status=200, token="t1")
    await stage.report("there", accesses=[seen])
    assert [(row["edge"], row["kind"]) for row in await stage.plane.misses()] == [("there", "steering")]
    assert [
        event.data["choice"] for event in stage.said("decision") if "steering" in event.data["policy_version"]
    ] == ["there"]
