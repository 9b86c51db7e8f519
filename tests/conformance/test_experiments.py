"""Experiments keep the same promises on SQLite and PostgreSQL: lifecycle, audit, flags over HTTP, exposures once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import anyio
import httpx
import msgspec
import numpy as np
import pytest
import requests
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from msgspec.structs import replace
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, OpenFeatureError
from requests.adapters import HTTPAdapter
from tests.composed import Composed, composed

from reelwright.events.contract import Backlogged, Event, EventsClient, Fact
from reelwright.experiments.adapters import sql
from reelwright.experiments.adapters.lake import LakeViewing
from reelwright.experiments.adapters.viewing import PAGES, ProjectedViewing, project_viewing, put_calibrations
from reelwright.experiments.contract import (
    BadConfiguration,
    Cell,
    Change,
    Clause,
    Configuration,
    Domain,
    Experiment,
    Holdout,
    Import,
    Layer,
    NoSuchExperiment,
    NotMeasured,
    RampStep,
    UnknownOperator,
    WrongState,
)
from reelwright.experiments.core.daily import DailySums, Sums
from reelwright.experiments.core.importers.flagd import Flagd
from reelwright.experiments.core.product import completed
from reelwright.experiments.core.scorecard import measured
from reelwright.experiments.jobs import guard_for_ever
from reelwright.experiments.service import ExperimentsService, analyse, size
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Conflict
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id

pytestmark = pytest.mark.anyio
HOME = Layer(key="home", parameters={"ranker": "popular", "rows": 8})
TEST = Experiment(
    key="new-ranker",
    layer="home",
    cells=(Cell(key="control", weight=0.5), Cell(key="test", weight=0.5, parameters={"ranker": "two-tower"})),
    owner="ada",
    hypothesis="viewers find something sooner",
)


class Events:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.recorded: list[Any] = []

    async def record(self, events: list[Any], *, profile_id: Any) -> list[Any]:
        """One more."""
        self.recorded += [(profile_id, one) for one in events]
        return []


class Place:
    """The application, and a second process on the same database."""

    def __init__(self, made: Composed) -> None:
        self.made = made
        self.service: ExperimentsService = made.wiring.dependencies["experiments"]
        self.clock = VirtualClock()
        self.events = Events()
        self.other = ExperimentsService(
            database=made.resources.database,
            clock=self.clock,
            events=self.events,  # type: ignore[arg-type]
            settings=ExperimentsSettings(exposures=3),
        )

    async def run(self, share: float = 1.0, experiment: Experiment = TEST) -> None:
        """A layer with a running experiment."""
        await self.service.put_layer(HOME, by="ada")
        await self.service.put_experiment(experiment, by="ada")
        await self.service.resize(experiment.key, share, by="ada")
        await self.service.move(experiment.key, "running", by="ada")

    async def token(self, role: Any = "viewer") -> httpx.AsyncClient:
        """A program with a personal token."""
        person = await self.made.person(f"a {role}", role=role)
        client = await self.made.session(person)
        answer = await client.post("/api/v1/tokens", json={"name": "flags", "scopes": []})
        if answer.status_code != 201:
            return client
        return self.made.client(Authorization=f"Bearer {answer.json()['token']}")


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Nothing configured yet, on each engine."""
    async with composed(tmp_path / "data", database=database_url) as made:
        yield Place(made)


async def test_an_experiment_goes_through_its_life_and_every_step_is_written_down(place: Place) -> None:
    """Draft to archived; a skipped step is refused; stopping frees the buckets."""
    await place.run(0.4)
    with pytest.raises(WrongState, match="is running; next is stopped, not archived"):
        await place.service.move("new-ranker", "archived", by="bob")
    assert (await place.service.move("new-ranker", "stopped", by="bob")).buckets == ()
    await place.service.move("new-ranker", "archived", by="bob")
    changes = await place.service.list_changes()
    assert [(one.by, one.what) for one in reversed(changes)] == [
        ("ada", "layer home put"),
        ("ada", "experiment new-ranker put"),
        ("ada", "new-ranker has 40.00% of its layer"),
        ("ada", "new-ranker → running"),
        ("bob", "new-ranker → stopped"),
        ("bob", "new-ranker → archived"),
    ]


async def test_a_refused_change_leaves_everything_as_it_was(place: Place) -> None:
    """Neither stored nor in force nor written down."""
    await place.run(0.7)
    before, version = place.service.revision, place.service.snapshot.version
    with pytest.raises(BadConfiguration, match="add up to 1"):
        await place.service.put_experiment(replace(TEST, key="b", cells=TEST.cells[:1]), by="ada")
    await place.service.put_experiment(replace(TEST, key="c"), by="ada")
    with pytest.raises(BadConfiguration, match="overcommitted: 4000 more buckets wanted, 3000 are free"):
        await place.service.resize("c", 0.4, by="ada")
    with pytest.raises(WrongState, match="its cells may not change"):
        changed = replace(TEST, state="running", cells=(Cell(key="only", weight=1),))
        await place.service.put_experiment(changed, by="ada")
    with pytest.raises(NoSuchExperiment):
        await place.service.move("nobody", "running", by="ada")
    assert place.service.revision == before + 1 and place.service.snapshot.version != version
    assert len(await place.service.list_changes()) == before + 1


async def test_another_process_follows(place: Place) -> None:
    """After its next look it decides the same, and an overtaken change is refused."""
    await place.run()
    await place.other.look()
    for unit in map(str, range(50)):
        assert (
            place.other.assign({"profile": unit})["new-ranker"]
            == place.service.assign({"profile": unit})["new-ranker"]
        )
    first = place.service.put_layer(replace(HOME, parameters={**HOME.parameters, "x": 1}), by="ada")
    await first
    stale = Change(revision=place.service.revision, at_ms=0, by="bob", what="late")
    with pytest.raises(Conflict, match="look again"):
        await place.made.resources.database.write(
            sql.put_configuration, place.service.revision - 1, Configuration(), stale
        )


async def test_every_revision_can_be_read_again_and_takes_what_it_changed(place: Place) -> None:
    """Whatever came, went or moved since; a change to one of many experiments does not store them all again."""
    database, seen = place.made.resources.database, dict[int, Configuration]()

    async def note() -> None:
        revision, configuration = await database.read(sql.get_configuration)
        seen[revision] = configuration

    await note()
    await place.service.put_layer(HOME, by="ada")
    await note()
    for at in range(30):
        await place.service.put_experiment(replace(TEST, key=f"t{at}"), by="ada")
        await note()
    await place.service.put_import(Import(key="x", vendor="flagd", document={"flags": {}}), by="ada")
    await place.service.resize("t3", 0.4, by="ada")
    await note()
    await place.service.delete_import("x", by="ada")
    await note()
    turned = replace(seen[5], experiments=seen[5].experiments[::-1][:-1])
    await place.service.put_configuration(turned, by="ada", what="from a file")
    await note()
    assert {revision: await database.read(sql.get_revision_of, revision) for revision in seen} == seen
    assert await database.read(sql.get_revision_of, max(seen) + 1) is None
    kept = await database.read(lambda found: found.scalar(sa.func.sum(sa.func.length(sql.PIECES.c.document))))
    assert kept < 3 * max(len(msgspec.json.encode(one)) for one in seen.values())


async def test_revisions_of_an_older_version_are_read_again(place: Place) -> None:
    """They were stored whole; the first is the one in force when they began to be kept."""
    database, older = place.made.resources.database, import_module("reelwright.experiments.migrations.0008_pieces")
    whole = {at: Configuration(layers=(HOME,), experiments=(replace(TEST, key=f"t{at}"),)) for at in (3, 4, 5)}
    whole[5] = replace(whole[5], layers=())
    with database.writing() as connection, Operations.context(MigrationContext.configure(connection)):
        older.downgrade()
        for revision, one in whole.items():
            row = {"revision": revision, "document": msgspec.json.encode(one).decode()}
            connection.execute(sa.text("INSERT INTO experiments_revisions VALUES (:revision, :document)"), row)
        now = [{"id": 1, "revision": 5, "document": row["document"]}]
        connection.execute(sa.insert(sql.CONFIGURATION), now)
        older.upgrade()
    for revision, one in whole.items():
        assert await database.read(sql.get_revision_of, revision) == completed(one)
    assert await database.read(sql.get_revision_of, 2) is None


async def test_a_ramp_takes_its_steps_by_the_clock(place: Place) -> None:
    """Without any change of the configuration; nobody leaves."""
    now_ms = place.clock.wall_ns() // 1_000_000
    ramp = (RampStep(at_ms=now_ms, share=0.1), RampStep(at_ms=now_ms + 60_000, share=1.0))
    await place.run(experiment=replace(TEST, ramp=ramp))
    units = [str(number) for number in range(200)]
    seen = []
    for seconds in (0, 61):
        place.clock.advance(seconds)
        await place.other.look()
        seen.append({unit for unit in units if place.other.assign({"profile": unit})["new-ranker"].cell})
    assert 0 < len(seen[0]) < 60 and seen[0] < seen[1] == set(units)


async def test_the_first_exposure_of_a_unit_is_reported_once(place: Place) -> None:
    """With cell, layer and reason; forced testers and the unassigned are not; the memory is bounded."""
    await place.run(experiment=replace(TEST, forced={"tester": "test"}, targeting=Clause("country", "in", ("DE",))))
    await place.other.look()
    for unit, country in (("a", "DE"), ("a", "DE"), ("b", "FR"), ("tester", "DE"), ("c", "DE")):
        found = place.other.assign({"profile": unit, "country": country})
        await place.other.expose(found, "new-ranker", profile_id=None)
    assert len(place.events.recorded) == 2
    event = place.events.recorded[0][1]
    assert event.type == "exposure"
    assert event.data == {
        "experiment": "new-ranker",
        "cell": place.other.assign({"profile": "a", "country": "DE"})["new-ranker"].cell,
        "layer": "home",
        "reason": "split",
    }
    for unit in "defgh":
        await place.other.expose(
            place.other.assign({"profile": unit, "country": "DE"}), "new-ranker", profile_id=None
        )
    assert len(place.other._seen) == 3


async def test_ofrep_answers_one_and_all_and_not_modified(place: Place) -> None:
    """Values, variants, reasons, 404, ETag, and a change makes the tag another one."""
    await place.run()
    client = await place.token()
    body = {"context": {"targetingKey": "somebody", "country": "DE"}}
    bulk = await client.post("/ofrep/v1/evaluate/flags", json=body)
    assert bulk.status_code == 200, bulk.text
    flags = {one["key"]: one for one in bulk.json()["flags"]}
    cell = place.service.assign({"profile": "somebody"})["new-ranker"].cell
    expected = {"test": "two-tower", "control": "popular"}[cell or ""]
    assert flags["ranker"]["value"] == expected and flags["rows"] == {
        "key": "rows",
        "value": 8,
        "reason": "DEFAULT",
        "variant": "default",
    }
    for name, flag in flags.items():
        assert (await client.post(f"/ofrep/v1/evaluate/flags/{name}", json=body)).json() == flag
    browser = await place.made.session(await place.made.person("bea"))
    assert (await browser.post("/ofrep/v1/evaluate/flags", json=body)).json() == bulk.json()
    again = await client.post("/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": bulk.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await place.service.move("new-ranker", "stopped", by="ada")
    changed = await client.post(
        "/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": bulk.headers["etag"]}
    )
    assert changed.status_code == 200 and changed.headers["etag"] != bulk.headers["etag"]
    missing = await client.post("/ofrep/v1/evaluate/flags/none", json=body)
    assert (missing.status_code, missing.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert (await place.made.client().post("/ofrep/v1/evaluate/flags", json=body)).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"context": {"targetingKey": 7}}', "INVALID_CONTEXT"),
        (b'{"context": []}', "INVALID_CONTEXT"),
        (b"[]", "INVALID_CONTEXT"),
        (b'{"context": ', "PARSE_ERROR"),
        (b"", "PARSE_ERROR"),
        (b'{"context": {"a": "\xff"}}', "PARSE_ERROR"),
    ],
)
async def test_ofrep_refuses_in_its_own_words(place: Place, body: bytes, code: str) -> None:
    """400 with OpenFeature's error code and what was wrong, for one flag with its key; never a stack trace."""
    client = await place.token()
    headers = {"Content-Type": "application/json"}
    for path, key in (("", None), ("/home.ranker", "home.ranker")):
        answer = await client.post(f"/ofrep/v1/evaluate/flags{path}", content=body, headers=headers)
        told = answer.json()
        assert (answer.status_code, told["errorCode"], told.get("key")) == (400, code, key), answer.text
        assert told["errorDetails"] and answer.headers["content-type"] == "application/json"


class Bridge(HTTPAdapter):
    """Carries requests of a foreign client, which runs in a thread, to the application."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__()
        self._client = client

    def send(self, request: Any, *_given: Any, **_more: Any) -> requests.Response:
        """One request."""
        path = request.path_url
        answer = anyio.from_thread.run(
            partial(self._client.post, path, content=request.body, headers=request.headers)
        )
        found = requests.Response()
        found.status_code, found._content, found.request = answer.status_code, answer.content, request
        found.headers.update(answer.headers)
        return found


async def test_openfeatures_own_client_of_the_protocol_reads_our_flags(place: Place) -> None:
    """Its provider from PyPI: a value of a cell, a default, an unknown flag, and no token."""
    await place.run()
    expected = {"test": "two-tower", "control": "popular"}
    viewer, nobody = await place.token(), place.made.client()

    def ask(client: httpx.AsyncClient, key: str, kind: str, default: Any) -> Any:
        provider = OFREPProvider("http://flags.example")
        provider.session.mount("http://", Bridge(client))
        call = getattr(provider, f"resolve_{kind}_details")
        return call(key, default, EvaluationContext("somebody", {"country": "DE"}))

    ranker = await anyio.to_thread.run_sync(ask, viewer, "ranker", "string", "?")
    cell = place.service.assign({"profile": "somebody"})["new-ranker"].cell
    assert (ranker.value, ranker.variant, ranker.reason) == (expected[cell or ""], cell, "SPLIT") or cell == "control"
    rows = await anyio.to_thread.run_sync(ask, viewer, "rows", "integer", 0)
    assert (rows.value, rows.variant, rows.reason) == (8, "default", "DEFAULT")
    with pytest.raises(FlagNotFoundError):
        await anyio.to_thread.run_sync(ask, viewer, "none", "string", "?")
    with pytest.raises(OpenFeatureError, match="unauthorized"):
        await anyio.to_thread.run_sync(ask, nobody, "rows", "integer", 0)


async def test_another_vendors_flags_are_served_with_its_buckets(place: Place) -> None:
    """Imported, followed by other processes, one and all over OFREP; refused by name, and gone when removed."""
    await place.run()
    targeting = {"fractional": [["a", 50], ["b", 50]]}
    flag = {"state": "ENABLED", "variants": {"a": 1, "b": 2}, "defaultVariant": "a", "targeting": targeting}
    file = Import(key="old", vendor="flagd", document={"flags": {"theirs": flag}})
    await place.service.put_import(file, by="ada")
    await place.other.look()
    client = await place.token()
    for unit in map(str, range(20)):
        body = {"context": {"targetingKey": unit}}
        expected = Flagd(file.document).resolve("theirs", {"targetingKey": unit})
        one = (await client.post("/ofrep/v1/evaluate/flags/theirs", json=body)).json()
        bulk = (await client.post("/ofrep/v1/evaluate/flags", json=body)).json()["flags"]
        assert (one["value"], one["variant"]) == (expected.value, expected.variant)
        assert one in bulk and {"ranker", "theirs"} <= {flag["key"] for flag in bulk}
        assert place.other.flags.resolve("theirs", {"targetingKey": unit}) == expected
    fights = Import(key="new", vendor="flagd", document={"flags": {"ranker": flag, "theirs": flag}})
    with pytest.raises(BadConfiguration, match=r"'ranker' of import 'new' is one of a layer already.*import 'old'"):
        await place.service.put_import(fights, by="ada")
    unknown = {"flags": {"f": {**flag, "targeting": {"near": [1]}}}}
    with pytest.raises(UnknownOperator, match="operator 'near'"):
        await place.service.put_import(Import(key="x", vendor="flagd", document=unknown), by="ada")
    await place.service.delete_import("old", by="ada")
    assert (await client.post("/ofrep/v1/evaluate/flags/theirs", json={})).status_code == 404
    with pytest.raises(NoSuchExperiment, match="no imported flags 'old'"):
        await place.service.delete_import("old", by="ada")
    said = [one.what for one in await place.service.list_changes(limit=2)]
    assert said == ["flags old removed", "flags old of flagd imported"]


async def test_editors_configure_over_http_and_viewers_do_not(place: Place) -> None:
    """A layer, an experiment, its share, its state, a preview with reasons; problems are named."""
    editor, viewer = await place.token("editor"), await place.token("viewer")
    document = msgspec.to_builtins(replace(TEST, canary_share=1.0))
    assert (await viewer.put("/api/v1/experiments/new-ranker", json=document)).status_code == 403
    assert (await editor.put("/api/v1/experiments/layers/home", json=msgspec.to_builtins(HOME))).status_code == 200
    created = await editor.put("/api/v1/experiments/new-ranker", json=document)
    assert created.status_code == 200, created.text
    assert (await editor.put("/api/v1/experiments/new-ranker/share", json={"share": 1.0})).status_code == 200
    assert (await editor.put("/api/v1/experiments/new-ranker/state", json={"state": "canary"})).json()[
        "state"
    ] == "canary"
    rows = (await editor.post("/api/v1/experiments/preview", json={"attributes": {"profile": "x"}})).json()
    assert [(one["experiment"], one["reason"]) for one in rows] == [("new-ranker", "split")]
    wrong = await editor.put("/api/v1/experiments/b", json={**document, "key": "b", "layer": "none"})
    assert wrong.status_code == 422 and "no layer 'none'" in wrong.json()["detail"]
    assert (await editor.put("/api/v1/experiments/a", json=document)).status_code == 422
    skipped = await editor.put("/api/v1/experiments/new-ranker/state", json={"state": "archived"})
    assert (skipped.status_code, skipped.json()["type"].rsplit("/", 1)[1]) == (409, "wrong-state")
    assert (await editor.get("/api/v1/experiments/none")).status_code == 404
    assert len((await editor.get("/api/v1/experiments/changes")).json()) == 4


async def begin(place: Place, key: str) -> None:
    """One of the product's own experiments, for everybody."""
    await place.service.resize(key, 1.0, by="ada")
    await place.service.move(key, "running", by="ada")


async def told(place: Place, profile_id: ProfileId, *events: Event) -> None:
    """Reported, and counted."""
    client: EventsClient = place.made.wiring.dependencies["events"]
    verdicts = await client.record(list(events), profile_id=profile_id)
    assert [one.status for one in verdicts] == ["stored"] * len(events)
    await client.catch_up()


def event_of(kind: Any, at_ms: int, **more: Any) -> Event:
    """About one film."""
    return Event(id=EventId(new_id()), type=kind, at_ms=at_ms, **more)


async def test_the_home_page_is_an_experiment_out_of_the_box(place: Place) -> None:
    """A viewer's page is ordered by their cell, the exposure is an event, and what they do then is scored, bit-equal
    from one function call."""
    await begin(place, "home-ranker")
    person = await place.made.person("bo")
    films = [(await place.made.title(f"Film {at}", genres=("Drama",)))[1][0] for at in range(4)]
    cells = set()
    for _ in range(4):
        profile = await place.made.profile(person)
        viewer = await place.made.session(person, profile)
        for _ in range(2):
            assert (await viewer.get("/api/v1/home")).status_code == 200
        cells.add(place.service.assign({"profile": profile.id})["home-ranker"].cell)
        now_ms = place.made.resources.clock.wall_ns() // 1_000_000
        film = {"title_id": films[0].title_id, "playable_id": films[0].id}
        await told(
            place,
            profile.id,
            event_of("play", now_ms - 60_000, position_s=0.0, data={"start_ms": 300}, **film),
            event_of("heartbeat", now_ms - 40_000, position_s=20.0, data={"duration_s": 60}, **film),
            event_of("stop", now_ms - 25_000, position_s=35.0, data={"duration_s": 60}, **film),
        )
    found = await place.service.measure("home-ranker")
    card = await place.service.get_scorecard("home-ranker")
    assert sum(arm.viewers for arm in card.arms) == 4 and not card.synthetic
    watched = [one for daily in found.days for one in daily.sums if one.metric == "watch_hours"]
    assert sum(one.total[0] for one in watched) == 4 * 35.0
    views = [one for daily in found.days for one in daily.sums if one.metric == "views"]
    assert sum(one.total[0] for one in views) == 4
    again = await asyncio.to_thread(analyse, place.made.resources.database.url, "home-ranker")
    assert msgspec.json.encode(again) == msgspec.json.encode(card)
    with pytest.raises(NotMeasured, match="once it runs"):
        await place.service.get_scorecard("player-start")


async def test_two_rankers_are_interleaved_out_of_the_box(place: Place) -> None:
    """One page of both, the same all day; a play counts for whoever picked the title, in the database as in the lake;
    the scorecard, the notebook's call and Studio say the same."""
    await begin(place, "home-interleaved")
    person = await place.made.person("ed", role="editor")
    genres = ["Western", "Opera", *["Comedy", "Drama"] * 5]
    films = [(await place.made.title(f"Film {at}", genres=(one,)))[1][0] for at, one in enumerate(genres)]
    profile = await place.made.profile(person)
    now_ms = place.made.resources.clock.wall_ns() // 1_000_000
    for at in (2, 1, 0):  # a taste for comedy, and two rows of "because" that find nothing
        film: dict[str, Any] = {"title_id": films[at].title_id, "playable_id": films[at].id}
        started_ms = now_ms - 90_000 * (1 + at)
        await told(
            place,
            profile.id,
            event_of("play", started_ms, position_s=0.0, **film),
            event_of("stop", started_ms + 20_000, position_s=20.0, data={"duration_s": 60}, **film),
        )
    viewer = await place.made.session(person, profile)
    pages = [(await viewer.get("/api/v1/home")).json() for _ in range(2)]
    assert pages[0] == pages[1]
    row = next(one for one in pages[0]["rows"] if one["kind"] == "new")
    shown = [slot["title"]["id"] for slot in row["slots"]]
    assert len(set(shown)) == len(shown) == 8
    service = place.service
    duel = service.interleaving("home-page", {"profile": profile.id, "kids": False})
    assert duel is not None and [one["home.ranker"] for one in duel.parameters] == ["popular", "taste"]
    await place.made.wiring.dependencies["events"].catch_up()
    picks = await place.made.resources.database.read(lambda connection: connection.execute(sa.select(PAGES)).all())
    assert len(picks) == 1
    whose = msgspec.json.decode(picks[0].picks)
    assert set(whose) == set(shown)
    mine = [title for title in shown if whose[title] == "taste"]
    other = next(title for title in shown if whose[title] == "popular")
    by_title = {film.title_id: film.id for film in films}
    later_ms = place.made.resources.clock.wall_ns() // 1_000_000
    for title in (mine[0], mine[0], mine[1], other, films[0].title_id):
        await told(
            place, profile.id, event_of("play", later_ms, position_s=0.0, title_id=title, playable_id=by_title[title])
        )
    found = await service.measure("home-interleaved")
    total = np.sum([one.total for one in sums_of(found.days, "preference")], axis=0)
    assert total[:2].tolist() == [2.0, 3.0]
    card = await service.get_scorecard("home-interleaved")
    assert card.lines[0].value == pytest.approx(200 / 3) and card.decided == "early" and not card.synthetic
    again = await asyncio.to_thread(analyse, place.made.resources.database.url, "home-interleaved")
    assert msgspec.json.encode(again) == msgspec.json.encode(card)
    page = (await viewer.get("/studio/experiments/home-interleaved")).text
    assert "sees both" in page and "plays of its picks" in page
    pytest.importorskip("pyiceberg", reason="pip install 'reelwright[lake]'")
    experiment = next(one for one in service.snapshot.experiments if one.key == "home-interleaved")
    lake = LakeViewing(place.made.wiring.dependencies["lake"])
    assert msgspec.json.encode((await lake.daily(experiment, measured(experiment)))[1]) == msgspec.json.encode(
        found.days
    )


async def test_the_players_start_is_an_experiment_out_of_the_box(place: Place) -> None:
    """A playback session tells the share of the estimate that the cell sets, and the exposure is an event."""
    await begin(place, "player-start")
    person = await place.made.person("cy")
    _, (film,) = await place.made.title("A Film")
    shares = {}
    for _ in range(3):
        profile = await place.made.profile(person)
        viewer = await place.made.session(person, profile)
        device = {"codecs": ["avc1", "mp4a"], "mse": True}
        answer = await viewer.post("/api/v1/playback/sessions", json={"playable_id": film.id, "device": device})
        assert answer.status_code == 201, answer.text
        shares[place.service.assign({"profile": profile.id})["player-start"].cell] = answer.json()["start_share"]
    assert shares.items() <= {"estimate": 1.0, "cautious": 0.6}.items()
    await place.made.wiring.dependencies["events"].catch_up()
    await place.service.measure("player-start")
    assert sum(arm.viewers for arm in (await place.service.get_scorecard("player-start")).arms) == 3


@pytest.mark.parametrize("key", ["player-start", "edge-order", "ladder-rungs"])
async def test_the_slowest_starts_are_on_the_scorecard_out_of_the_box(place: Place, key: str) -> None:
    """The 95th percentile of start times, several a viewer and day, in batches; a notebook has each figure."""
    await begin(place, key)
    cells = [cell.key for cell in place.service.snapshot.experiments[place.service.snapshot.index[key]].cells]
    now_ms = place.made.resources.clock.wall_ns() // 1_000_000
    draw, took = Random(2), {cell: list[int]() for cell in cells}
    for number in range(240):
        who, cell = ProfileId(f"{number:026}"), cells[number % 2]
        facts = [event_of("exposure", now_ms - 2 * 86_400_000, data={"experiment": key, "cell": cell})]
        for _ in range(6):
            start_ms = draw.lognormvariate(6, 0.5) * (1.5 if number % 2 else 1.0)
            facts.append(event_of("play", now_ms - draw.choice((0, 86_400_000)), data={"start_ms": start_ms}))
            took[cell].append(round(start_ms))
        early = event_of("play", now_ms - 3 * 86_400_000, data={"start_ms": 9_000})
        for part in ([early], facts[:4], facts[4:]):
            rows = [Fact(profile_id=who, synthetic=False, event=one) for one in part]
            await place.made.resources.database.write(project_viewing, rows)
    await place.service.measure(key)
    card = await place.service.get_scorecard(key)
    line = next(one for one in card.lines if one.metric == "start_p95_ms")
    for found, cell in ((line.control, cells[0]), (line.value, cells[1])):
        assert found == pytest.approx(sorted(took[cell])[round(0.95 * len(took[cell]))], rel=0.02)
    assert line.state == "worse" and line.now is not None and line.now.low < 0.5 < line.now.high
    again = await asyncio.to_thread(analyse, place.made.resources.database.url, key)
    assert msgspec.json.encode(again) == msgspec.json.encode(card)


async def test_edges_and_ladder_are_experiments_out_of_the_box(database_url: str, tmp_path: Path) -> None:
    """A session gets its cell's order of edges and keeps it when the experiment stops; the exposures are events."""
    edges = ["http://a.example", "http://b.example", "http://c.example"]
    async with composed(tmp_path / "data", database=database_url, media_urls=edges) as made:
        place = Place(made)
        for key in ("edge-order", "ladder-rungs"):
            await begin(place, key)
        person, (_, (film,)) = await made.person("di"), await made.title("A Film")
        seen: dict[Any, set[Any]] = {}
        last = None
        for _ in range(6):
            profile = await made.profile(person)
            viewer = await made.session(person, profile)
            answer = await viewer.post("/api/v1/playback/sessions", json={"playable_id": film.id})
            assert answer.status_code == 201, answer.text
            last = viewer, answer.json()
            order = [one.split("/m/")[0] for one in answer.json()["media_bases"]]
            seen.setdefault(place.service.assign({"profile": profile.id})["edge-order"].cell, set()).add(tuple(order))
        assert all(len(orders) == 1 for orders in seen.values()) and seen.get("listed", {tuple(edges)}) == {
            tuple(edges)
        }
        for key in ("edge-order", "ladder-rungs"):
            await place.service.move(key, "stopped", by="ada")
        assert last is not None
        viewer, session = last
        again = await viewer.post(f"/api/v1/playback/sessions/{session['id']}/heartbeat")
        assert [one.split("/m/")[0] for one in again.json()["media_bases"]] == order
        await made.wiring.dependencies["events"].catch_up()
        for key in ("edge-order", "ladder-rungs"):
            await place.service.measure(key)
            assert sum(arm.viewers for arm in (await place.service.get_scorecard(key)).arms) == 6


async def test_the_lake_gives_the_same_statistics_to_the_bit(place: Place) -> None:
    """Odd figures, late events, several batches, somebody who was not exposed, a quote in a name."""
    pytest.importorskip("pyiceberg", reason="pip install 'reelwright[lake]'")
    key = "o'clock"
    await place.run(
        experiment=replace(
            TEST,
            key=key,
            metrics=("watch_hours", "start_ms", "stall_share", "thumbs_up", "start_p95_ms", "watch_p50_hours"),
        )
    )
    draw = Random(5)
    now_ms = place.made.resources.clock.wall_ns() // 1_000_000 - 3_600_000
    film = {"title_id": TitleId(new_id()), "playable_id": PlayableId(new_id())}
    for number in range(14):
        profile = ProfileId(new_id())
        cell = place.service.assign({"profile": profile})[key].cell
        if number % 7:
            await told(place, profile, event_of("exposure", now_ms, data={"experiment": key, "cell": cell}))
        for batch in range(3):
            at_ms, position = now_ms + batch * 700_000, draw.uniform(0, 9)
            events = [event_of("play", at_ms, position_s=position, data={"start_ms": draw.uniform(1, 900)}, **film)]
            late: list[Event] = []
            for _ in range(4):
                at_ms, position = at_ms + 10_000, position + draw.uniform(0, 10.3)
                beat = event_of("heartbeat", at_ms, position_s=position, data={"duration_s": 60.7}, **film)
                (late if draw.random() < 0.2 else events).append(beat)
            events.append(event_of("stall", at_ms, data={"ms": draw.uniform(1, 5000)}, **film))
            events.append(
                event_of("stop", at_ms + 9_000, position_s=position + 7.1, data={"duration_s": 60.7}, **film)
            )
            events.append(event_of("thumb", at_ms, title_id=film["title_id"], data={"value": draw.choice((1, -1))}))
            await told(place, profile, *events)
            for beat in late:
                await told(place, profile, beat)
    experiment = place.service.snapshot.configuration.experiments[-1]
    lake = LakeViewing(place.made.wiring.dependencies["lake"])
    metrics = measured(experiment)
    from_database = await ProjectedViewing(place.made.resources.database).daily(experiment, metrics)
    from_lake = await lake.daily(experiment, metrics)
    assert msgspec.json.encode(from_database) == msgspec.json.encode(from_lake) and from_lake[0] is False
    assert joined(from_lake[1], "watch_hours") == 12
    assert sum(one.total[0] for one in sums_of(from_lake[1], "watch_hours")) > 1000
    packed = [one.bins for one in sums_of(from_lake[1], "start_p95_ms") if one.bins]
    assert sum(sum(one.counts) for one in packed) == 12 * 3
    nobody = await lake.daily(replace(TEST, key="nobody"), metrics)
    assert nobody == (True, ())


def sums_of(days: Sequence[DailySums], metric: str) -> list[Sums]:
    """Of one metric, all days and cells."""
    return [one for daily in days for one in daily.sums if one.metric == metric]


def joined(days: Sequence[DailySums], metric: str) -> float:
    """Viewers."""
    return sum(one.n for one in sums_of(days, metric))


async def test_a_guardrail_stops_a_test_by_itself_and_the_audit_says_so(place: Place) -> None:
    """Errors in one arm only: the round of the worker stops it, once, and names why; an equal one goes on."""
    await begin(place, "home-ranker")
    await begin(place, "player-start")
    now_ms = place.made.resources.clock.wall_ns() // 1_000_000
    film = {"title_id": TitleId(new_id()), "playable_id": PlayableId(new_id())}
    facts = []
    for number in range(400):
        profile_id = ProfileId(new_id())
        found = place.service.assign({"profile": profile_id})
        bad = found["home-ranker"].cell == "taste"
        events = [
            *(
                event_of("exposure", now_ms, data={"experiment": key, "cell": found[key].cell})
                for key in ("home-ranker", "player-start")
            ),
            event_of("play", now_ms, **film),
            *(event_of("error", now_ms) for _ in range(number % 3 + 2 * bad)),
        ]
        facts += [Fact(profile_id=profile_id, synthetic=True, event=one) for one in events]
    await place.made.resources.database.write(project_viewing, facts)
    assert await place.service.guard() == ["home-ranker"]
    assert await place.service.guard() == []
    card = await place.service.get_scorecard("home-ranker")
    assert card.synthetic and card.decided == "stopped"
    states = {one.key: one.state for one in place.service.snapshot.configuration.experiments}
    assert (states["home-ranker"], states["player-start"]) == ("stopped", "running")
    newest = (await place.service.list_changes())[0]
    assert (newest.by, newest.what) == (
        "guardrail",
        "home-ranker → stopped: errors_per_play of taste is surely worse",
    )


async def test_the_first_cell_of_a_viewer_is_the_one_that_counts(place: Place) -> None:
    """A later exposure to another cell changes nothing, nor does one without a cell."""
    await begin(place, "home-ranker")
    profile_id = ProfileId(new_id())
    for at_ms, cell in ((2000, "popular"), (3000, "taste"), (1000, None)):
        event = event_of("exposure", at_ms, data={"experiment": "home-ranker", "cell": cell})
        fact = Fact(profile_id=profile_id, synthetic=False, event=event)
        await place.made.resources.database.write(project_viewing, [fact])
    await place.service.measure("home-ranker")
    assert [arm.viewers for arm in (await place.service.get_scorecard("home-ranker")).arms] == [1, 0]


async def test_a_sticky_viewer_keeps_the_cell_of_the_first_exposure(place: Place) -> None:
    """Also after the experiment has given up their bucket; without stickiness they leave with it."""
    profiles = {sticky: ProfileId(new_id()) for sticky in (True, False)}
    for sticky, profile in profiles.items():
        key = f"kept-{sticky}".lower()
        await place.run(experiment=replace(TEST, key=key, sticky=sticky))
        now_ms = place.made.resources.clock.wall_ns() // 1_000_000
        cell = place.service.assign({"profile": profile})[key].cell
        await told(place, profile, event_of("exposure", now_ms, data={"experiment": key, "cell": cell}))
        before = await place.service.decide("home", {"profile": profile}, profile_id=profile)
        await place.service.resize(key, 0.0, by="ada")
        assert place.service.assign({"profile": profile})[key].cell is None
        after = await place.service.decide("home", {"profile": profile}, profile_id=profile)
        assert after == (before if sticky else {"ranker": "popular", "rows": 8})
        if cell == "test" and sticky:
            assert after["ranker"] == "two-tower"
        await place.service.move(key, "stopped", by="ada")


async def test_a_switchback_gives_each_hour_to_one_arm(place: Place) -> None:
    """Edges and the player's start by the hour: all viewers of an hour share an arm, hours are compared, the first
    minutes of each left out; over OFREP as for the product itself."""
    service = ExperimentsService(
        database=place.made.resources.database,
        clock=place.clock,
        events=place.events,  # type: ignore[arg-type]
        settings=ExperimentsSettings(),
    )
    await service.look()
    layers = {layer.key: layer for layer in service.snapshot.layers}
    for layer, key, name in (
        ("steering", "edge-order", "steering.edges"),
        ("player", "player-start", "player.start_share"),
    ):
        await service.put_layer(replace(layers[layer], unit="hour"), by="ada")
        await service.resize(key, 1.0, by="ada")
        await service.move(key, "running", by="ada")
        values = []
        for _ in range(160):
            place.clock.advance(3600)
            seen = [await service.decide(layer, {"profile": who}, profile_id=ProfileId(who)) for who in "abc"]
            assert len({one[name] for one in seen}) == 1
            assert service.flags.resolve(name, {"targetingKey": "z"}).value == seen[0][name]
            values.append(seen[0][name])
        assert 50 < sum(one == values[0] for one in values) < 110
        shown = [event for _, event in place.events.recorded if event.data.get("experiment") == key]
        assert len(shown) == 160 and len({event.data["hour"] for event in shown}) == 160
        second = service.snapshot.experiments[service.snapshot.index[key]].cells[1].key
        facts = []
        draw = Random(3)
        for event in shown:
            stalls = draw.gauss(20, 2) * (1.5 if event.data["cell"] == second else 1.0)
            began = event.data["hour"] * 3_600_000
            early = event_of("stall", began + 60_000, data={"ms": 9e6})
            told_ = [event_of("stall", began + 400_000, data={"ms": 1000}) for _ in range(round(stalls))]
            told_ += [event_of("play", began + 450_000, data={"start_ms": draw.uniform(300, 600)}) for _ in range(3)]
            beat = event_of("heartbeat", began + 500_000)
            facts += [
                Fact(profile_id=ProfileId("x" * 26), synthetic=False, event=one, watched_s=7200.0 * (one is beat))
                for one in (replace(event, at_ms=began + 1), early, *told_, beat)
            ]
        await place.made.resources.database.write(project_viewing, facts)
        await service.measure(key)
        card = await service.get_scorecard(key)
        assert sum(arm.viewers for arm in card.arms) == 160 and not card.synthetic
        line = next(one for one in card.lines if one.metric == "stalls_per_hour")
        assert line.now is not None and line.now.low < 0.5 < line.now.high and line.state == "worse"
        assert line.control == pytest.approx(10, rel=0.1)
        slowest = next(one for one in card.lines if one.metric == "start_p95_ms")
        assert slowest.control == pytest.approx(585, rel=0.05) and slowest.now is not None
        assert [one.metric for one in card.breached] == ["stalls_per_hour"]


async def test_the_platform_tests_itself_on_its_own_viewers(place: Place) -> None:
    """A/A tests of real days: as many are called as should be, and a metric that never varied is left out."""
    assert await place.service.calibrate() == [] == await place.service.list_calibrations()
    draw, now_ms = Random(1), place.made.resources.clock.wall_ns() // 1_000_000
    facts = []
    for number in range(400):
        who, habit = ProfileId(f"{number:026}"), draw.lognormvariate(6, 1)
        for day in range(1, 14):
            beat = event_of("heartbeat", now_ms - day * 86_400_000)
            play = event_of("play", now_ms - day * 86_400_000, data={"start_ms": draw.lognormvariate(6, 0.4)})
            facts += [
                Fact(profile_id=who, synthetic=False, event=beat, watched_s=habit * draw.random()),
                Fact(profile_id=who, synthetic=False, event=play),
            ]
    await place.made.resources.database.write(project_viewing, facts)
    found = await place.service.calibrate()
    assert {one.metric for one in found} == {"watch_hours", "start_ms"}
    for one in found:
        assert (one.viewers, one.draws) == (400, 400) and 0.01 < one.called < 0.1 and not one.is_off
    assert {one.metric: one for one in await place.service.list_calibrations()} == {one.metric: one for one in found}
    known = await place.service.list_baselines()
    assert {"watch_hours", "start_ms", "start_p95_ms"} <= known.keys() and known["start_ms"].viewers == 400
    assert "errors_per_play" not in known
    (first, *_) = await asyncio.to_thread(size, place.made.resources.database.url, "player-start", 0.05)
    assert first.metric == "start_ms" and dict(first.cells).keys() == {"estimate", "cautious"} and first.total > 50
    looking = asyncio.create_task(guard_for_ever(place.service, every_s=3600, calibrate_s=86_400))
    await place.made.resources.database.write(put_calibrations, ())
    while not await place.service.list_calibrations():
        await asyncio.sleep(0.02)
    looking.cancel()
    editor = await place.made.session(await place.made.person("ed", role="editor"))
    page = (await editor.get("/studio/experiments")).text
    assert "about one test in twenty is called" in page and "400 viewers of the last week" in page


async def test_launches_holdouts_domains_and_testers_through_the_service(place: Place) -> None:
    """Stored, followed by another process, decided, and answered over OFREP: an experiment overrides a launch, which
    overrides the default; who is held out sees neither; a tester sees the forced cell and is not reported."""
    cells = (Cell(key="a", weight=0.5), Cell(key="b", weight=0.5, parameters={"rows": 12}))
    launch = Layer(key="rollout", parameters={"rows": 8}, launch=True)
    own = (
        replace(HOME, domain="half"),
        launch,
        Layer(key="whole", parameters={}),
        Layer(key="search", parameters={"fuzzy": False}),
    )
    tests = (
        Experiment(
            key="rows-10", layer="rollout", cells=(Cell(key="on", weight=1.0, parameters={"rows": 10}),),
            buckets=((0, 10_000),), state="running",
        ),
        Experiment(
            key="rows-12", layer="home", cells=cells, buckets=((0, 10_000),), state="running", forced={"tester": "b"}
        ),
        Experiment(
            key="fuzzy", layer="search", cells=(Cell(key="on", weight=1.0, parameters={"fuzzy": True}),),
            buckets=((0, 10_000),), state="running",
        ),
    )  # fmt: skip
    configuration = Configuration(
        layers=own,
        experiments=tests,
        domains=(Domain(key="half", layer="whole", buckets=((0, 5000),)),),
        holdouts=(Holdout(key="all", share=0.1), Holdout(key="search only", share=0.2, layers=("search",))),
    )
    await place.service.put_configuration(configuration, by="ada", what="from a file")
    await place.other.look()
    assert (await place.other.list_changes(limit=1))[0].what == "from a file"
    client, seen = await place.token(), []
    for at in range(3000):
        found = place.other.assign({"profile": str(at)})
        one = tuple(found[key].reason.name for key in ("rows-10", "rows-12", "fuzzy"))
        rows = found.parameters()["rows"]
        seen.append(one)
        assert rows == {"a": 10, "b": 12, None: 8 if one[0] == "HOLDOUT" else 10}[found["rows-12"].cell]
        assert (one[0] == "HOLDOUT") <= (one[2] == "HOLDOUT")
        if at < 5:
            told = await client.post("/ofrep/v1/evaluate/flags/rows", json={"context": {"targetingKey": str(at)}})
            assert told.json()["value"] == rows
    shares = [sum(reason == wanted for reason in column) / 3000 for column, wanted in zip(
        zip(*seen, strict=True), ("HOLDOUT", "SPLIT", "HOLDOUT"), strict=True
    )]  # fmt: skip
    assert shares == pytest.approx([0.1, 0.45, 0.28], abs=0.035)
    chosen = await place.other.decide("home", {"profile": "tester"}, profile_id=ProfileId("t" * 26))
    assert chosen["rows"] == 12 and place.events.recorded == []


async def test_a_canary_is_a_small_share_and_all_of_it_stays(place: Place) -> None:
    """A tenth of the buckets before, everybody after; who was in stays in."""
    await place.service.put_layer(HOME, by="ada")
    await place.service.put_experiment(TEST, by="ada")
    await place.service.resize("new-ranker", 1.0, by="ada")
    units = [str(number) for number in range(300)]
    seen = []
    for state in ("canary", "running"):
        await place.service.move("new-ranker", state, by="ada")
        seen.append({unit for unit in units if place.service.assign({"profile": unit})["new-ranker"].cell})
    assert 5 < len(seen[0]) < 70 and seen[0] < seen[1] == set(units)


async def test_a_metric_that_nobody_measures_is_refused(place: Place) -> None:
    """A guardrail on it would never stop anything."""
    await place.service.put_layer(HOME, by="ada")
    with pytest.raises(BadConfiguration, match="no metric 'happiness'; there are watch_hours"):
        await place.service.put_experiment(replace(TEST, metrics=("happiness",)), by="ada")


async def test_the_home_page_comes_while_events_cannot_be_stored(place: Place) -> None:
    """The viewer gets their cell, and is reported at the next time."""
    await place.run()
    await place.other.look()
    record, place.other._events = place.other._events, Full()  # type: ignore[assignment]
    values = await place.other.decide("home", {"profile": "a"}, profile_id=None)
    assert values["ranker"] in ("popular", "two-tower") and place.events.recorded == []
    place.other._events = record
    await place.other.decide("home", {"profile": "a"}, profile_id=None)
    assert [event.type for _, event in place.events.recorded] == ["exposure", "decision"]


class Full:
    """A log that does not keep up."""

    async def record(self, events: list[Any], *, profile_id: Any) -> list[Any]:
        """Not now."""
        raise Backlogged("later")
