"""Studio's pages about experiments: made, previewed, started, read, stopped; they say what to do when empty."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed

from reelwright.events.contract import Event, Fact
from reelwright.experiments.adapters import sql
from reelwright.experiments.adapters.viewing import project_viewing
from reelwright.experiments.contract import Cell, Configuration, Experiment, Layer
from reelwright.experiments.core.sizes import sizes_of
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id

pytestmark = pytest.mark.anyio
PATH = "/studio/experiments"
DRAFT = {
    "key": "rows-by-taste", "layer": "home-page", "arms": 'popular 50\ntaste 50 {"home.ranker": "taste"}',
    "hypothesis": "more is found <sooner>", "metric": "views", "guardrail": "errors_per_play", "owner": "ada",
}  # fmt: skip


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Composed]:
    """A service in which nothing runs."""
    async with composed(tmp_path / "data") as found:
        yield found


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """A form of ours."""
    return await client.post(path, data={"csrf": client.headers["X-CSRF-Token"], **fields})


async def text(client: httpx.AsyncClient, path: str) -> str:
    """A page as it is read."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


async def watch(made: Composed, key: str, *, lift: float, viewers: int = 400) -> None:
    """Viewers of both arms for four days, of whom those of the second watch more."""
    service = made.wiring.dependencies["experiments"]
    now_ms = made.resources.clock.wall_ns() // 1_000_000
    draw = np.random.default_rng(3)
    facts = []
    film: dict[str, Any] = {"title_id": TitleId(new_id()), "playable_id": PlayableId(new_id())}
    for _ in range(viewers):
        profile_id = ProfileId(new_id())
        cell = service.assign({"profile": profile_id})[key].cell
        shown = {"experiment": key, "cell": cell}
        began = now_ms - 4 * 86_400_000
        facts.append((profile_id, "exposure", began, shown, 0.0))
        for day in range(4):
            seconds = float(draw.lognormal(7, 0.5)) * (lift if cell == "taste" else 1)
            facts.append((profile_id, "heartbeat", began + day * 86_400_000, {}, seconds))
            took = float(draw.lognormal(6, 0.4))
            facts.append((profile_id, "play", began + day * 86_400_000, {"start_ms": took}, 0.0))
    rows = [
        Fact(
            profile_id=who,
            synthetic=False,
            event=Event(id=EventId(new_id()), type=kind, at_ms=at_ms, data=data, **film),  # type: ignore[arg-type]
            watched_s=seconds,
        )
        for who, kind, at_ms, data, seconds in facts
    ]
    await made.resources.database.write(project_viewing, rows)


async def test_from_a_draft_to_an_answer(made: Composed) -> None:
    """Create, see who would see what, start, read the verdict with its plots, stop, archive; the audit tells it."""
    editor = await made.session(await made.person("ed", "editor"))
    assert (await send(editor, f"{PATH}/new", **DRAFT)).headers["location"] == f"{PATH}/rows-by-taste"
    page = await text(editor, f"{PATH}/rows-by-taste")
    assert "A draft: nobody sees it yet." in page and "Choose a share and start it below." in page
    assert "everybody sees the defaults" in await text(editor, f"{PATH}?profile=somebody")
    assert (await send(editor, f"{PATH}/rows-by-taste", do="start", share="100")).status_code == 303
    assert "split" in await text(editor, f"{PATH}?profile=somebody")
    assert "Nobody has been exposed yet." in await text(editor, f"{PATH}/rows-by-taste")
    await watch(made, "rows-by-taste", lift=1.5)
    await send(editor, f"{PATH}/rows-by-taste", do="resize", share="100")
    page = await text(editor, f"{PATH}/rows-by-taste")
    assert "hours watched a viewer: +" in page and 'class="interval better"' in page and "Sample ratio" in page
    assert page.count("<svg viewBox") == 2 and "too early" not in page
    assert "by segment" in page and "watched nothing before" in page
    card = await made.wiring.dependencies["experiments"].get_scorecard("rows-by-taste")
    lines = {line.metric: line for line in card.lines}
    now = lines["watch_hours"].now
    assert f"{now.low * 100:+.1f} % to {now.high * 100:+.1f} %" in page and now.low < 0.5 < now.high
    slowest = lines["start_p95_ms"]
    assert "start time, 95th percentile" in page and f"{slowest.control:.4g} ms" in page
    told = f"{slowest.now.low * 100:+.1f} % to {slowest.now.high * 100:+.1f} %".replace("-", "−")
    assert told in page and slowest.now.low < 0 < slowest.now.high
    for step, says in (("stop", "rows-by-taste → stopped"), ("archive", "It is archived; its figures stay.")):
        assert (await send(editor, f"{PATH}/rows-by-taste", do=step)).status_code == 303
        assert says in await text(editor, f"{PATH}/rows-by-taste")
    assert '<p class="quiet">ed</p>' in await text(editor, f"{PATH}/rows-by-taste")
    assert "rows-by-taste" not in await text(editor, PATH)


async def test_an_experiments_page_tells_its_own_changes_and_no_others(made: Composed) -> None:
    """One's name is within another's, what was changed by a file names none, and much has happened since."""
    service = made.wiring.dependencies["experiments"]
    editor = await made.session(await made.person("ed", "editor"))
    for key in ("taste", "rows-by-taste"):
        await send(editor, f"{PATH}/new", **{**DRAFT, "key": key})
    one, *others = reversed(service.snapshot.configuration.experiments)
    planned = msgspec.structs.replace(one, hypothesis="as planned")
    await service.put_configuration(
        msgspec.structs.replace(service.snapshot.configuration, experiments=(*reversed(others), planned)),
        by="ed", what="from a file",
    )  # fmt: skip
    since = [{"revision": 100 + number, "at_ms": 1, "by": "x", "what": "layer x put"} for number in range(501)]
    await made.resources.database.write(lambda connection: connection.execute(sa.insert(sql.CHANGES), since))
    said = {}
    for key in ("taste", "rows-by-taste", "player-start"):
        page = (await text(editor, f"{PATH}/{key}")).partition("Who changed it")[2]
        said[key] = re.findall(r"</time> (.*?)</p>", page)
        assert ("it came with Reelwright" in page) == (not said[key])
    assert said == {
        "taste": ["experiment taste put"],
        "rows-by-taste": ["from a file", "experiment rows-by-taste put"],
        "player-start": [],
    }


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("arms", "popular 50\ntaste 40", "weights add up to 1"),
        ("arms", "popular half", "a share is from 0 to 100 percent, got 'half'"),
        ("arms", "popular 50\ntaste 50 {broken", "a JSON object such as"),
        ("arms", 'popular 50\ntaste 50 {"nobody.knows": 1}', "is not of layer 'home-page'"),
        ("key", "a name", "a name is up to 60 letters"),
        ("key", "home-ranker", "there is an experiment 'home-ranker' already"),
        ("layer", "none", "no layer 'none'"),
    ],
)
async def test_a_draft_that_cannot_be_is_refused_and_nothing_typed_is_lost(
    made: Composed, field: str, value: str, says: str
) -> None:
    """The form comes back as it was, with what is wrong."""
    editor = await made.session(await made.person("ed", "editor"))
    answer = await send(editor, f"{PATH}/new", **{**DRAFT, field: value})
    page = html.unescape(answer.text)
    assert answer.status_code == 422 and says in page and "more is found <sooner>" in page
    assert "more is found <sooner>" not in answer.text


async def test_a_step_that_cannot_be_says_why(made: Composed) -> None:
    """Without a share that fits, or out of order; the page stays."""
    editor = await made.session(await made.person("ed", "editor"))
    wrong = await send(editor, f"{PATH}/home-ranker", do="start", share="many")
    assert wrong.status_code == 422 and "from 0 to 100 percent" in wrong.text
    skipped = await send(editor, f"{PATH}/home-ranker", do="archive")
    assert skipped.status_code == 303
    late = await send(editor, f"{PATH}/home-ranker", do="start", share="10")
    assert late.status_code == 409 and "is archived" in late.text


async def test_viewers_are_let_in_step_by_step(made: Composed) -> None:
    """A ramp over days, which the page tells of; who came first stays; no other number of days is taken."""
    editor = await made.session(await made.person("ed", "editor"))
    service = made.wiring.dependencies["experiments"]
    wrong = await send(editor, f"{PATH}/home-ranker", do="start", share="100", days="5")
    assert wrong.status_code == 422 and "3 or 7 or 14 days" in wrong.text
    assert (await send(editor, f"{PATH}/home-ranker", do="start", share="100", days="7")).status_code == 303
    assert "10 % of it let in; the last step" in await text(editor, f"{PATH}/home-ranker")
    seen = sum(service.assign({"profile": str(at)})["home-ranker"].cell is not None for at in range(2000))
    assert 140 < seen < 260
    assert [step.share for step in service.snapshot.experiments[0].ramp] == [0.1, 0.25, 0.5, 1.0]


async def test_an_interleaved_draft_says_how_it_decides(made: Composed) -> None:
    """Created by the form; metrics and guardrails of the form are of splits; another layer is refused."""
    editor = await made.session(await made.person("ed", "editor"))
    form = {**DRAFT, "key": "mixed", "kind": "interleaving"}
    assert (await send(editor, f"{PATH}/new", **form)).headers["location"] == f"{PATH}/mixed"
    assert "each row is drafted in turns" in await text(editor, f"{PATH}/mixed")
    arms = 'a 50\nb 50 {"player.start_share": 0.5}'
    wrong = await send(editor, f"{PATH}/new", **{**form, "key": "other", "layer": "player", "arms": arms})
    assert wrong.status_code == 422 and "only home-page can be interleaved" in html.unescape(wrong.text)


async def test_planned_looks_are_told_and_waited_for(made: Composed) -> None:
    """By the form: so many viewers, so many looks; the page lists them, and says nothing between them."""
    editor = await made.session(await made.person("ed", "editor"))
    form = {**DRAFT, "planned_units": "600", "looks": "2"}
    await send(editor, f"{PATH}/new", **form)
    page = await text(editor, f"{PATH}/rows-by-taste")
    assert "Planned looks" in page and "300 viewers" in page and "600 viewers" in page
    await send(editor, f"{PATH}/rows-by-taste", do="start", share="100")
    await watch(made, "rows-by-taste", lift=1.5, viewers=240)
    await send(editor, f"{PATH}/rows-by-taste", do="resize", share="100")
    page = await text(editor, f"{PATH}/rows-by-taste")
    assert "the first look is planned for 300 viewers" in page and "300 viewers: not yet" in page
    assert "<svg viewBox" not in page and "nothing is told between them" in page
    await watch(made, "rows-by-taste", lift=1.5, viewers=100)
    await send(editor, f"{PATH}/rows-by-taste", do="resize", share="100")
    page = await text(editor, f"{PATH}/rows-by-taste")
    assert "300 viewers: not yet" not in page and "600 viewers: not yet" in page and "up to each look" in page
    for field, value, says in (
        ("planned_units", "many", "planned viewers are a whole number"),
        ("looks", "9", "looks are planned 1, 2, 3, 4, 5 times"),
    ):
        wrong = await send(editor, f"{PATH}/new", **{**form, "key": "other", field: value})
        assert wrong.status_code == 422 and says in html.unescape(wrong.text)


async def test_a_draft_says_how_many_viewers_it_needs(made: Composed) -> None:
    """Before it is created and after; nobody knows before anybody watched; what is no percentage is refused."""
    editor = await made.session(await made.person("ed", "editor"))
    service = made.wiring.dependencies["experiments"]
    for path in (f"{PATH}/new", f"{PATH}/player-start"):
        assert "No data yet: sizes rest on" in await text(editor, path)
    now_ms = made.resources.clock.wall_ns() // 1_000_000
    draw, facts = np.random.default_rng(1), []
    for number in range(300):
        for _ in range(2):
            event = Event(
                id=EventId(new_id()),
                type="play",
                at_ms=now_ms - 2 * 86_400_000,
                data={"start_ms": float(draw.lognormal(6, 0.5))},
            )
            facts.append(Fact(profile_id=ProfileId(f"{number:026}"), synthetic=False, event=event))
    await made.resources.database.write(project_viewing, facts)
    await service.calibrate()
    sizes = []
    for detect in ("4", "2"):
        page = await text(editor, f"{PATH}/player-start?detect={detect}")
        experiment = next(one for one in service.snapshot.configuration.experiments if one.key == "player-start")
        first, slowest = sizes_of(experiment, await service.list_baselines(), float(detect) / 100)
        assert "Viewers, cautious" in page and "300 viewers differed" in page and slowest.metric == "start_p95_ms"
        assert f">{first.total:,}<" in page and f">{slowest.total:,}<" in page
        sizes.append(first.total)
    assert sizes[1] == pytest.approx(4 * sizes[0], rel=0.01)
    assert "Viewers, new" in await text(editor, f"{PATH}/new")
    asked = await sized(editor, detect="2")
    assert "Viewers, popular" in asked and "Viewers, taste" in asked and 'name="detect" value="2"' in asked
    assert "at the planned looks" in await sized(editor, looks="3")
    assert "a share is from 0 to 100 percent" in await sized(editor, detect="much")
    assert "a JSON object such as" in await sized(editor, arms="a 50\nb 50 {")
    assert "needs two arms that both get viewers" in await sized(editor, arms="a 100")
    assert "interleaving needs far fewer" in await sized(editor, kind="interleaving")
    await send(editor, f"{PATH}/player-start", do="start", share="10")
    assert "How many viewers does it need?" not in await text(editor, f"{PATH}/player-start")
    assert "How many viewers does it need?" not in await text(editor, f"{PATH}/home-interleaved")


async def sized(editor: httpx.AsyncClient, **fields: str) -> str:
    """The page of a new experiment after its size was asked for: nothing is kept but what was typed."""
    answer = await send(editor, f"{PATH}/new", **{**DRAFT, **fields, "do": "size"})
    page = html.unescape(answer.text)
    assert answer.status_code == 200 and (await editor.get(f"{PATH}/{DRAFT['key']}")).status_code == 404
    return page


async def test_what_is_typed_outlives_asking_for_the_size(made: Composed) -> None:
    """Every field of the launch form stands as it was left, also where the name is still missing."""
    editor = await made.session(await made.person("ed", "editor"))
    typed = {**DRAFT, "key": "", "planned_units": "4321", "looks": "3", "guardrail": "start_p95_ms", "detect": "7"}
    answer = await send(editor, f"{PATH}/new", do="size", **typed)
    page = html.unescape(answer.text)
    assert answer.status_code == 200 and "problem" not in page
    assert all(text in page for text in (DRAFT["hypothesis"], DRAFT["arms"], 'value="4321"', 'value="7"', "ada"))
    for chosen in ("views", "start_p95_ms", "3"):
        assert f'value="{chosen}" selected' in page
    assert 'form="draft" name="detect"' in page and 'id="draft"' in page


async def test_viewers_do_not_see_experiments(made: Composed) -> None:
    """They are in them."""
    viewer = await made.session(await made.person("vi"))
    for path in (PATH, f"{PATH}/new", f"{PATH}/home-ranker"):
        assert (await viewer.get(path)).status_code == 403


async def test_a_thousand_experiments_are_found_by_a_word(made: Composed) -> None:
    """The page stays a page: some are named, a hundred listed with live ones first, the rest found by filtering."""
    service = made.wiring.dependencies["experiments"]
    layers = tuple(Layer(key=f"layer-{at}", parameters={f"p{at}": 0}) for at in range(1_000))
    experiments = tuple(
        Experiment(
            key=f"test-{at}",
            layer=f"layer-{at}",
            cells=(Cell(key="control", weight=0.5), Cell(key="other", weight=0.5, parameters={f"p{at}": 1})),
            owner="grace" if at == 700 else "ada",
            buckets=((0, 10_000),) if at >= 500 else (),
            state="archived" if at == 3 else "running" if at >= 500 else "draft",
        )
        for at in range(1_000)
    )
    await service.put_configuration(Configuration(layers=layers, experiments=experiments), by="ada", what="a file")
    editor = await made.session(await made.person("ed", "editor"))
    page = await text(editor, PATH)
    assert "<b>500 experiments</b>: test-500, test-501, test-502, test-503, test-504 and 495 more." in page
    assert page.count(f'<a href="{PATH}/test-') == 100 and "The first 100 of 999 experiments" in page
    assert f"{PATH}/test-599" in page and f"{PATH}/test-600" not in page
    assert page.count("not measured yet") == 100
    found = await text(editor, f"{PATH}?q=grace RUNNING")
    assert found.count(f'<a href="{PATH}/test-') == 1 and f"{PATH}/test-700" in found
    assert f"{PATH}/test-3" in await text(editor, f"{PATH}?q=archived")
    assert "No experiment has “nobody”" in await text(editor, f"{PATH}?q=nobody")
    seen = await text(editor, f"{PATH}?profile=p1")
    assert seen.count("<td><b>test-") == 100 and "And 400 more experiments" in seen
