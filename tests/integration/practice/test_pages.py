"""Practice from the door to quoted feedback, through the pages that a browser is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.composed import URL, Composed, composed

from reelwright.practice.adapters import room
from reelwright.practice.adapters.bank import load_questions
from reelwright.web.contract import DEMO_FILE, DemoAccount

pytestmark = pytest.mark.anyio


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


async def test_a_stage_without_an_account(home: Composed) -> None:
    """Door, question, feedback beside the quoted words, progress; every page has one heading and place to begin."""
    client = home.client()
    assert 'href="/practice"' in (await client.get("/")).text
    assert "The whole loop" in (await client.get("/practice")).text
    begun = await client.post("/practice", data={"stage": "design", "role": "senior", "track": "streaming"})
    assert begun.status_code == 303
    room = begun.headers["location"]
    state = (await client.get(f"/api/v1{room}")).json()
    question = next(one for one in load_questions() if one.id == state["turns"][0]["question_id"])
    answered = await client.post(room, data={"turn": "0", "answer": question.model_answer})
    assert answered.status_code == 303
    page = (await client.get(room)).text
    assert "<blockquote>" in page and "Shown" in page
    for path in ("/practice", room, "/practice/progress"):
        text = (await client.get(path)).text
        assert len(re.findall(r"<h1[ >]", text)) == 1 and "data-nav-initial" in text, path
    progress = (await client.get("/practice/progress")).text
    assert "80 %" in progress and "Not judged yet, and passed over by the line: " in progress


async def test_every_link_of_the_guide_leads_somewhere(home: Composed) -> None:
    """A style described by ourselves has no address to be read at."""
    client = home.client()
    links = set(re.findall(r'href="([^"]*)"', (await client.get("/practice/guide/levels")).text))
    ours = {link for link in links if not link.startswith(("https://", "#"))}
    assert "/practice/guide/pay" in ours
    found = {link: (await client.get(link, follow_redirects=True)).status_code for link in ours}
    assert found == dict.fromkeys(ours, 200)


async def test_an_answer_of_short_lines_is_judged_as_one_in_prose(home: Composed) -> None:
    """Browsers send a form's line breaks as CRLF; the sentence before one is as good as any."""
    client = home.client()
    room = (await client.post("/practice", data={"stage": "phone"})).headers["location"]
    state = (await client.get(f"/api/v1{room}")).json()
    question = next(one for one in load_questions() if one.id == state["turns"][0]["question_id"])
    lines = question.model_answer.replace(". ", ".\r\n")
    await client.post(room, data={"turn": "0", "answer": lines})
    turn = (await client.get(f"/api/v1{room}")).json()["turns"][0]
    assert "unmet" not in {line["state"] for line in turn["feedback"]}


async def test_an_answer_that_came_too_late_is_given_back(home: Composed) -> None:
    """What was typed on the slower device is on the page, escaped, and not lost."""
    client = home.client()
    room = (await client.post("/practice", data={"stage": "phone"})).headers["location"]
    await client.post(room, data={"turn": "0", "answer": "first"})
    late = await client.post(room, data={"turn": "0", "answer": "<script>second</script>"})
    assert late.status_code == 409
    assert "&lt;script&gt;second" in late.text and "<script>second" not in late.text


async def test_an_answer_for_which_there_is_no_room_is_given_back(
    home: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says why, and where room is made."""
    client = home.client()
    path = (await client.post("/practice", data={"stage": "phone"})).headers["location"]
    monkeypatch.setattr(room, "MOST_CHARS", 1)
    full = await client.post(path, data={"turn": "0", "answer": "what I typed"})
    assert full.status_code == 409 and "what I typed" in full.text and "/practice/data" in full.text


@pytest.mark.parametrize("form", [{}, {"stage": "lunch"}, {"stage": "phone", "role": "intern"}])
async def test_a_wrong_form_is_a_page_that_says_so(home: Composed, form: dict[str, str]) -> None:
    """No stage is begun."""
    client = home.client()
    assert (await client.post("/practice", data=form)).status_code == 400
    assert (await client.get("/api/v1/practice/interviews")).json() == []


async def test_from_elsewhere_one_signs_in_first(tmp_path: Path) -> None:
    """Behind a proxy everybody seems near: there an account is needed."""
    async with composed(tmp_path, trusted_proxies=("127.0.0.1/32",)) as made:
        assert (await made.client().get("/api/v1/practice/interviews")).status_code == 401


@pytest.mark.parametrize("named", ["https://films.example", "http://127.0.0.1:8000"])
async def test_behind_a_tunnel_that_was_not_told_of_nobody_is_at_the_machine(tmp_path: Path, named: str) -> None:
    """Where people open another name than that of the machine itself, something passes them on from here."""
    async with composed(tmp_path, public_url="https://films.example") as made:
        user_id = await made.person("Ada", role="admin")
        demo = DemoAccount(user_id=user_id, profiles=[(await made.profile(user_id)).id])
        (made.resources.data / DEMO_FILE).write_bytes(msgspec.json.encode(demo))
        client = made.client()
        client.base_url = httpx.URL(named)
        assert (await client.get("/api/v1/practice/interviews")).status_code == 401
        assert (await client.get("/metrics")).status_code == 403
        assert (await client.post("/demo")).status_code == 404


async def test_who_lost_their_session_is_asked_to_sign_in_again(home: Composed) -> None:
    """On the machine itself nobody signed in is its local person: what is an account's is not found, and what its
    page sends does not become theirs."""
    ada = await home.session(await home.person("Ada"))
    csrf = ada.headers["X-CSRF-Token"]
    room = (await ada.post("/practice", data={"csrf": csrf, "stage": "phone"})).headers["location"]
    ended = home.client(Referer=f"{URL}{room}")
    missing = await ended.get(room)
    assert missing.status_code == 404 and f'href="/sign-in?next={room}"' in missing.text
    answered = await ended.post(room, data={"csrf": csrf, "turn": "0", "answer": "I owned it."})
    assert (answered.status_code, answered.headers["location"]) == (303, f"/sign-in?next={room}")
    story = {"csrf": csrf, "title": "HERS", "situation": "s", "own_action": "I did it."}
    assert (await ended.post("/practice/stories/new", data=story)).headers["location"].startswith("/sign-in")
    assert "HERS" not in (await ended.get("/practice/stories")).text


async def test_two_people_do_not_see_each_other(home: Composed) -> None:
    """An interview belongs to who began it."""
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    made = (await ada.post("/api/v1/practice/interviews", json={"stage": "phone"})).json()
    assert (await bob.get(f"/api/v1/practice/interviews/{made['id']}")).status_code == 404
    assert (await ada.delete("/api/v1/practice/everything")).status_code == 204
    assert (await ada.get("/api/v1/practice/interviews")).json() == []
