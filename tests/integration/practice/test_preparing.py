"""Stories, past work, plan and cards through the pages that a browser is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import icalendar
import pytest
from tests.composed import Composed, composed

pytestmark = pytest.mark.anyio
STORY = {
    "title": "The <b>freeze</b>", "situation": "A release was due.", "own_action": "We stopped it together.",
    "outcome": "It went better.", "reflection": "Since then I ask first.", "shows-courage": "on",
    "shows-candor": "on",
}  # fmt: skip
LINE = "Cut the p99 of the licence service from 900 ms to 120 ms by batching key fetches."


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


async def test_a_story_is_written_flagged_and_in_the_matrix(home: Composed) -> None:
    """The page names gaps, quotes what would be doubted, and shows no HTML of the writer."""
    client = home.client()
    assert "No story yet" in (await client.get("/practice/stories")).text
    added = await client.post("/practice/stories/new", data=STORY)
    assert added.status_code == 303
    page = (await client.get("/practice/stories")).text
    assert "Nothing speaks for judgment, impact, failure" in page and "<b>freeze" not in page
    form = (await client.get(added.headers["location"])).text
    for said in ("without your own part", "We stopped it together.", "No number", "It went better."):
        assert said in form, said
    mended = {**STORY, "own_action": "I stopped it.", "outcome": "Failures fell by 40 %."}
    await client.post(added.headers["location"], data=mended)
    assert "What would be doubted" not in (await client.get(added.headers["location"])).text
    await client.post(added.headers["location"], data={"do": "delete"})
    assert (await client.get("/api/v1/practice/stories")).json() == {}


async def test_a_story_that_cannot_be_kept_is_given_back(home: Composed) -> None:
    """Without a title, or far too long; what was typed is still in the form."""
    client = home.client()
    for wrong in ({"title": ""}, {"situation": "x" * 5000}):
        answered = await client.post("/practice/stories/new", data={**STORY, **wrong})
        assert answered.status_code == 400 and "We stopped it together." in answered.text
    assert (await client.get("/api/v1/practice/stories")).json() == {}


@pytest.mark.parametrize("stage", ["recruiter", "phone", "deep_dive"])
async def test_an_interview_asks_about_one_s_own_line(home: Composed, stage: str) -> None:
    """The first question quotes it; feedback has the criteria of the bank; without lines nothing is quoted."""
    client = home.client()
    plain = (await client.post("/api/v1/practice/interviews", json={"stage": stage})).json()
    assert "You write" not in plain["turns"][0]["asks"]
    await client.post("/practice/past-work", data={"id": "cv", "name": "CV", "text": f"Experience\n- {LINE}"})
    page = (await client.get("/practice/past-work")).text
    assert LINE in page and "Recruiter screen" in page and "Onsite: deep dive" in page
    begun = (await client.post("/api/v1/practice/interviews", json={"stage": stage})).json()
    assert f"“{LINE}”" in begun["turns"][0]["asks"]
    answered = await client.post(
        f"/api/v1/practice/interviews/{begun['id']}/answers", json={"turn": 0, "text": "I wrote the batching."}
    )
    assert answered.json()["turns"][0]["feedback"]


async def test_a_second_question_quotes_another_line(home: Composed) -> None:
    """Phone and deep dive ask about two lines where there are two; each is quoted once."""
    client = home.client()
    other = "Designed the shard map that every store in the company uses since 2023."
    await client.post("/practice/past-work", data={"name": "Work", "text": f"{LINE}\n{other}"})
    begun = (await client.post("/api/v1/practice/interviews", json={"stage": "phone"})).json()
    turns = begun["turns"]
    while len({turn["question_id"] for turn in turns}) < 2:
        waiting = turns[-1]["number"]
        answer = {"turn": waiting, "text": "I do not know."}
        path = f"/api/v1/practice/interviews/{begun['id']}/answers"
        turns = (await client.post(path, json=answer)).json()["turns"]
    quoted = [turn["asks"] for turn in turns if "You write" in turn["asks"]]
    assert len(quoted) == 2 and {LINE in one for one in quoted} == {True, False}


async def test_the_plan_has_one_thing_today_and_a_calendar(home: Composed) -> None:
    """Empty page, date given, today's action on both pages, a calendar that another library reads."""
    client = home.client()
    assert "When is the interview?" in (await client.get("/practice/plan")).text
    assert (await client.get("/practice/plan/practice.ics")).status_code == 404
    when = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    sent = {"interview": when, "hours_a_week": "6", "begins_at": "19:30"}
    assert (await client.post("/practice/plan", data=sent)).status_code == 303
    page = (await client.get("/practice/plan")).text
    assert "Check whether you are ready" in page and 'name="hours_a_week" inputmode="decimal" required' in page
    assert 'value="6"' in page and f"Until {date.fromisoformat(when):%d %b %Y}" in page
    assert "Practise a stage: " in page and "Practise a stage: product<" not in page
    assert "Check whether you are ready" in (await client.get("/practice")).text
    calendar = await client.get("/practice/plan/practice.ics")
    assert calendar.headers["content-type"].startswith("text/calendar")
    assert len(icalendar.Calendar.from_ical(calendar.content).walk("VEVENT")) > 5
    wrong = await client.post("/practice/plan", data={**sent, "interview": "<i>never"})
    assert wrong.status_code == 400 and "<i>never" not in wrong.text
    await client.post("/practice/plan", data={"do": "delete"})
    assert (await client.get("/api/v1/practice/plan")).json() is None


async def test_missed_points_become_cards(home: Composed) -> None:
    """One for each criterion missed; a sentence is judged, a rating is believed, and the card comes back later."""
    client = home.client()
    assert "No card yet" in (await client.get("/practice/cards")).text
    room = (await client.post("/practice", data={"stage": "phone"})).headers["location"]
    await client.post(room, data={"turn": "0", "answer": "fine"})
    cards = (await client.get("/api/v1/practice/cards")).json()
    turn = (await client.get(f"/api/v1{room}")).json()["turns"][0]
    assert [one["missed"]["says"] for one in cards] and len(cards) == len(turn["feedback"])
    page = (await client.get("/practice/cards")).text
    assert f"{len(cards)} due" in page
    card = re.search(r'name="card" value="(\w+)"', page)
    assert card
    judged = await client.post("/practice/cards", data={"card": card[1], "text": "fine"})
    assert "Not found" in judged.text
    assert re.search(r"worth about [0-5]\.\d of 5", judged.text)
    rated = await client.post(f"/api/v1/practice/cards/{cards[1]['id']}/reviews", json={"rating": "good"})
    assert rated.status_code == 200 and rated.json()["card"]["due_ms"] > cards[1]["due_ms"] + 80_000_000
    left = (await client.get("/api/v1/practice/cards")).json()
    assert sum(one["reviews"] for one in left) == 2
    assert (await client.post("/practice/cards", data={"card": card[1]})).status_code == 400
    assert (await client.post("/practice/cards", data={"card": "0" * 20, "text": "x"})).status_code == 404


async def test_a_form_that_comes_twice_recalls_a_card_once(home: Composed) -> None:
    """By a reload or a double click; without an answer the card stays, and the page says what is missing."""
    client = home.client()
    room = (await client.post("/practice", data={"stage": "phone"})).headers["location"]
    await client.post(room, data={"turn": "0", "answer": "I do not know."})
    page = (await client.get("/practice/cards")).text
    card = re.search(r'name="card" value="(\w+)"><input type="hidden" name="reviews" value="0"', page)
    assert card
    form = {"card": card[1], "reviews": "0", "rating": "good"}
    assert "It comes back on" in (await client.post("/practice/cards", data=form)).text
    once = (await client.get("/api/v1/practice/cards")).json()
    again = await client.post("/practice/cards", data=form)
    assert (again.status_code, again.headers["location"]) == (303, "/practice/cards")
    assert (await client.get("/api/v1/practice/cards")).json() == once
    empty = await client.post("/practice/cards", data={"card": once[0]["id"], "reviews": "0", "text": " "})
    assert empty.status_code == 400 and "say how well you knew it" in empty.text and 'name="card"' in empty.text


async def test_all_of_it_belongs_to_who_made_it(home: Composed) -> None:
    """Another person finds nothing, whatever id they name; deleting everything forgets it."""
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    story = (await ada.post("/api/v1/practice/stories", json={"title": "A"})).json()["id"]
    await ada.put("/api/v1/practice/projects/cv", json={"name": "CV", "text": LINE})
    await ada.put("/api/v1/practice/plan", json={"interview": "2031-01-01"})
    assert (await bob.put(f"/api/v1/practice/stories/{story}", json={"title": "B"})).status_code == 404
    assert (await bob.delete("/api/v1/practice/projects/cv")).status_code == 404
    assert (await bob.get("/api/v1/practice/projects/questions")).json() == []
    assert (await bob.get("/api/v1/practice/plan")).json() is None
    assert (await ada.delete("/api/v1/practice/everything")).status_code == 204
    assert (await ada.get("/api/v1/practice/stories")).json() == {}
    assert (await ada.get("/api/v1/practice/projects")).json() == {}
    assert (await ada.get("/api/v1/practice/plan")).json() is None
