"""A design round through its page: ask, draw, run, hand in; all by forms, so all by keyboard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from tests.composed import Composed, composed

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Area
from reelwright.practice.core.facts import sheet
from reelwright.practice.labs.simulations import OF_AREA

pytestmark = pytest.mark.anyio
QUESTIONS = {one.id: one for one in load_questions()}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


async def begin(client: httpx.AsyncClient, track: str = "streaming") -> tuple[str, str]:
    """A design round: its room, and the id of its question."""
    room = (await client.post("/practice", data={"stage": "design", "track": track})).headers["location"]
    state = (await client.get(f"/api/v1{room}")).json()
    return room, state["turns"][-1]["question_id"]


async def test_ask_draw_hand_in_and_what_it_shows(home: Composed) -> None:
    """Facts appear when asked for, the board is judged, notes become the draft, and asking moves the curve."""
    client = home.client()
    room, question = await begin(client)
    page, facts = f"{room}/design", sheet(QUESTIONS[question])
    empty = (await client.get(page)).text
    assert len(re.findall(r"<h1[ >]", empty)) == 1 and "data-nav-initial" in empty
    assert "Nothing is drawn yet" in empty and facts["budget"] not in unescape(empty)
    await client.post(page, data={"do": "ask", "question": "What is the budget?"})
    await client.post(page, data={"do": "ask", "question": "Which devices are there?"})
    told = (await client.get(page)).text
    assert facts["budget"] in unescape(told) and facts["devices"] in unescape(told)
    for name, kind in (("app", "client"), ("<b>gate", "gateway"), ("api", "service"), ("accounts", "store")):
        assert (
            await client.post(page, data={"do": "box", "name": name, "kind": kind, "copies": "3"})
        ).status_code == 303
    for source, target in (("app", "<b>gate"), ("<b>gate", "api"), ("api", "accounts")):
        await client.post(page, data={"do": "arrow", "source": source, "target": target, "carries": "requests"})
    drawn = (await client.get(page)).text
    assert '<svg class="board"' in drawn and "&lt;b&gt;gate" in drawn and "<b>gate" not in drawn
    assert "A request gets from a client to where the data is." in drawn
    handed = await client.post(page, data={"do": "hand in", "requirements": "It must play.", "failure": "It fails."})
    assert handed.headers["location"] == room
    assert "Requirements.\nIt must play." in (await client.get(room)).text
    skills = {one["dimension"] for one in (await client.get("/api/v1/practice/skills")).json()}
    assert {"communication", "design", "reliability"} <= skills


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "box", "name": "", "kind": "service", "copies": "2"}, "a box has a name"),
        ({"do": "box", "name": "a", "kind": "service", "copies": "two"}, "is a whole number"),
        ({"do": "arrow", "source": "a", "target": "b"}, "from one box on the board to another"),
        ({"do": "ask", "question": " "}, "1 to 500 characters"),
        ({"do": "hand in"}, "there are no notes yet"),
        ({"do": "keep", "api": "x" * 39_001}, "become one answer"),
        ({"do": "?"}, "nothing to do"),
    ],
)
async def test_what_cannot_be_done_is_given_back_with_its_reason(
    home: Composed, form: dict[str, str], said: str
) -> None:
    """On the page, and what was typed stays there."""
    client = home.client()
    room, _ = await begin(client)
    answer = await client.post(f"{room}/design", data=form)
    assert answer.status_code == 400 and said in answer.text


@pytest.mark.parametrize("area", ["rate_limiting", "cdn"])
async def test_numbers_are_run_and_the_largest_gap_is_asked_about(home: Composed, area: Area) -> None:
    """Where the question's kind runs here; wrong numbers are told all at once."""
    client, simulated = home.client(), OF_AREA[area]
    for _ in range(40):  # chance has a third of the rounds begin with delivery
        room, question = await begin(client)
        if QUESTIONS[question].area == area:
            break
    else:
        pytest.fail(f"no design round of forty began with {area}")
    fields = (*simulated.design, *simulated.estimates)
    wrong = await client.post(f"{room}/design", data={"do": "run"})
    assert wrong.status_code == 400 and all(one.asks in wrong.text for one in simulated.design)
    form = {one.key: str(one.least if one.least else min(1.0, one.most)) for one in fields}
    assert (await client.post(f"{room}/design", data={"do": "run", **form})).status_code == 303
    text = (await client.get(f"{room}/design")).text
    assert "Follow-up." in text and "You estimated" in text


async def test_what_was_sent_comes_back_where_it_was_sent_from(home: Composed) -> None:
    """Boxes have a number of copies, and so have events: neither form takes the other's, and each tells its own."""
    client = home.client()
    for _ in range(20):
        room, question = await begin(client, "recommendation")
        if QUESTIONS[question].area == "data_processing":
            break
        (turn,) = (await client.get(f"/api/v1{room}")).json()["turns"]
        await client.post(f"/api/v1{room}/answers", json={"turn": turn["number"], "text": "It depends."})
    text = (await client.post(f"{room}/design", data={"do": "box", "name": "a", "copies": "seven"})).text
    facts, _, rest = text.partition('id="board"')
    board, _, run = rest.partition('id="run"')
    assert "is a whole number" in board and "is a whole number" not in facts + run
    assert board.count('value="seven"') == 1 and run.count('value="seven"') == 0


async def test_no_other_stage_and_nobody_else_has_the_page(home: Composed) -> None:
    """A recruiter draws no boards, and an interview that is not yours is none."""
    client = home.client()
    room = (await client.post("/practice", data={"stage": "recruiter"})).headers["location"]
    assert (await client.get(f"{room}/design")).status_code == 404
    assert (await client.get("/practice/interviews/01ARZ3NDEKTSV4RRFFQ69G5FAV/design")).status_code == 404
