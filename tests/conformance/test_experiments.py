"""Experiments keep the same promises on SQLite and PostgreSQL: lifecycle, audit, flags over HTTP, exposures once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace
from tests.composed import Composed, composed

from reelwright.experiments.contract import (
    BadConfiguration,
    Cell,
    Clause,
    Configuration,
    Experiment,
    Layer,
    NoSuchExperiment,
    RampStep,
    WrongState,
)
from reelwright.experiments.service import ExperimentsService
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Conflict

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
    from reelwright.experiments.adapters import sql
    from reelwright.experiments.contract import Change

    stale = Change(revision=place.service.revision, at_ms=0, by="bob", what="late")
    with pytest.raises(Conflict, match="look again"):
        await place.made.resources.database.write(
            sql.put_configuration, place.service.revision - 1, Configuration(), stale
        )


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
    assert flags["ranker"]["value"] == expected and flags["rows"] == {"key": "rows", "value": 8, "reason": "DEFAULT"}
    for name, flag in flags.items():
        assert (await client.post(f"/ofrep/v1/evaluate/flags/{name}", json=body)).json() == flag
    again = await client.post("/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": bulk.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await place.service.move("new-ranker", "stopped", by="ada")
    changed = await client.post(
        "/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": bulk.headers["etag"]}
    )
    assert changed.status_code == 200 and changed.headers["etag"] != bulk.headers["etag"]
    missing = await client.post("/ofrep/v1/evaluate/flags/none", json=body)
    assert (missing.status_code, missing.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    wrong = await client.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": 7}})
    assert wrong.status_code == 422
    assert (await place.made.client().post("/ofrep/v1/evaluate/flags", json=body)).status_code == 401


async def test_editors_configure_over_http_and_viewers_do_not(place: Place) -> None:
    """A layer, an experiment, its share, its state, a preview with reasons; problems are named."""
    editor, viewer = await place.token("editor"), await place.token("viewer")
    document = msgspec.to_builtins(TEST)
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
