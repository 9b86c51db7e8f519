"""A loop from plan to decision, through the pages and the API; what is saved survives, and belongs to one person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.composed import Composed, composed

from reelwright.kernel.clock import VirtualClock
from reelwright.practice.adapters import room
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.system import PracticeSystem

pytestmark = pytest.mark.anyio
API = "/api/v1/practice"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


async def test_the_sample_loop_is_whole_labelled_and_made_once(home: Composed) -> None:
    """It fills today, the loop, the rooms, progress and the committee, and every page says that it is a sample."""
    system = next(one for one in home.wiring.systems if isinstance(one, PracticeSystem))
    loop = await system.put_sample("local")
    assert (await system.put_sample("local")).id == loop.id
    assert not loop.open_rounds
    client = home.client()
    packet = (await client.get(f"{API}/loops/{loop.id}/packet")).json()
    assert packet["decision"] in ("clear_yes", "no") and packet["quotes"]
    answers = [
        turn["answer"]
        for one in loop.rounds
        for turn in (await client.get(f"{API}/interviews/{one.interview_id}")).json()["turns"]
    ]
    for quote in packet["quotes"]:
        assert not quote["met"] or any(quote["quote"] in answer for answer in answers)
    room = f"/practice/interviews/{loop.rounds[0].interview_id}"
    for path in (f"/practice/loops/{loop.id}", f"/practice/loops/{loop.id}/committee", room, "/practice/progress"):
        page = (await client.get(path)).text
        assert "nobody gave these answers" in page and page.count("<h1") == 1 and "data-nav-initial" in page, path
    assert "sample" in (await client.get("/practice")).text


async def test_no_page_of_the_sample_is_empty_and_each_says_what_it_is(home: Composed) -> None:
    """Stories, past work, pay, plan, cards, interviewer and progress: filled, labelled, once; deleting forgets it."""
    system = next(one for one in home.wiring.systems if isinstance(one, PracticeSystem))
    await system.put_sample("local")
    await system.put_sample("local")
    client = home.client()
    assert len((await client.get(f"{API}/stories")).json()) == 3
    panels = (await client.get(f"{API}/panels")).json()
    assert len(panels) == 1 and panels[0]["decision"]
    filled = {
        "stories": "without your own part", "past-work": "What they would ask",
        "pay": "Break-even growth", "plan": "Until ", "cards": " due", "interviewer": "decided",
        "progress": "80 %", f"interviewer/{panels[0]['id']}": "Hire",
        f"interviewer/{panels[0]['id']}/packet": "Rules, not deciding",
    }  # fmt: skip
    for path, said in filled.items():
        page = (await client.get(f"/practice/{path}")).text
        assert said in page and "ample" in page and page.count("<h1") == 1 and "data-nav-initial" in page, path
    await client.delete(f"{API}/everything")
    assert not any((await client.get(f"{API}/export")).json().values())


async def test_ones_own_first_answer_replaces_the_sample_in_progress(home: Composed) -> None:
    """The curve is one's own as soon as there is one."""
    system = next(one for one in home.wiring.systems if isinstance(one, PracticeSystem))
    await system.put_sample("local")
    client = home.client()
    before = sum(one["verdicts"] for one in (await client.get(f"{API}/skills")).json())
    made = (await client.post(f"{API}/interviews", json={"stage": "phone"})).json()
    await client.post(f"{API}/interviews/{made['id']}/answers", json={"turn": 0, "text": "fine"})
    after = sum(one["verdicts"] for one in (await client.get(f"{API}/skills")).json())
    assert 0 < after < before / 4


async def test_a_loop_through_its_pages(home: Composed) -> None:
    """Plan, begin, answer, come back: today leads to what is next, and the committee says that rounds are open."""
    client = home.client()
    planned = await client.post("/practice/loops", data={"role": "staff", "pace": "one_sitting"})
    path = planned.headers["location"]
    assert "Recruiter screen" in (await client.get(path)).text
    room = (await client.post(path, data={"stage": "recruiter"})).headers["location"]
    again = (await client.post(path, data={"stage": "recruiter"})).headers["location"]
    assert room == again, "a round that has begun is gone on with"
    turn = (await client.get(f"/api/v1{room}")).json()["turns"][0]
    question = next(one for one in load_questions() if one.id == turn["question_id"])
    await client.post(room, data={"turn": "0", "answer": question.model_answer})
    assert "<blockquote>" in (await client.get(f"{path}/committee")).text
    assert "rounds are not finished" in (await client.get(f"{path}/committee")).text
    assert path in (await client.get("/practice")).text


async def test_two_devices_begin_a_round_at_once(home: Composed) -> None:
    """There is one interview, and both see it."""
    client = home.client()
    loop = (await client.post(f"{API}/loops", json={})).json()
    begun = await asyncio.gather(
        *(client.post(f"{API}/loops/{loop['id']}/rounds", json={"stage": "phone"}) for _ in range(4))
    )
    assert len({one.json()["id"] for one in begun}) == 1
    assert len((await client.get(f"{API}/interviews")).json()) == 1


async def test_a_draft_is_kept_for_another_device_and_by_pausing(home: Composed) -> None:
    """What was typed is in the field again; once answered, a late draft changes nothing."""
    client = home.client()
    made = (await client.post(f"{API}/interviews", json={"stage": "phone"})).json()
    room = f"/practice/interviews/{made['id']}"
    saved = await client.put(f"{API}/interviews/{made['id']}/draft", json={"turn": 0, "text": "half a <thought>"})
    assert saved.status_code == 204
    assert "half a &lt;thought&gt;</textarea>" in (await client.get(room)).text
    await client.post(room, data={"turn": "0", "answer": "half a thought, and more", "do": "pause"})
    page = (await client.get(room)).text
    assert "half a thought, and more</textarea>" in page and "paused" in page
    await client.post(room, data={"turn": "0", "answer": "all of it"})
    late = await client.put(f"{API}/interviews/{made['id']}/draft", json={"turn": 0, "text": "late"})
    assert late.status_code == 409
    state = (await client.get(f"{API}/interviews/{made['id']}")).json()
    assert state["turns"][0]["answer"] == "all of it" and state["turns"][0]["draft"] == ""


async def test_pauses_and_a_clock_set_back_add_nothing_to_the_timer(home: Composed) -> None:
    """The timer holds what ran; a wall clock that steps back never makes it negative."""
    clock = VirtualClock()
    system = PracticeSystem(msgspec.structs.replace(home.resources, clock=clock))
    made = await system.service.start(person="x", stage="phone", role="senior", track="streaming")
    clock.advance(600)
    paused = await system.service.put_timer(person="x", interview_id=made.id, running=False)
    clock.advance(3600)
    assert paused.elapsed_s == 600
    running = await system.service.put_timer(person="x", interview_id=made.id, running=True)
    clock.step_wall(-86_400)
    assert (await system.service.get(person="x", interview_id=made.id)).elapsed_s == running.elapsed_s == 600


async def test_who_closes_the_page_and_comes_back_tomorrow_has_not_used_a_day(home: Composed) -> None:
    """Nobody pauses by closing a laptop: a turn longer than the stage, or a clock set ahead, adds nothing."""
    clock = VirtualClock()
    system = PracticeSystem(msgspec.structs.replace(home.resources, clock=clock))
    made = await system.service.start(person="x", stage="phone", role="senior", track="streaming")
    clock.advance(600)
    answered = await system.service.answer(person="x", interview_id=made.id, turn=0, text="I measured it.")
    clock.advance(20 * 3600)
    assert (await system.service.get(person="x", interview_id=made.id)).elapsed_s == answered.elapsed_s == 600
    again = await system.service.answer(person="x", interview_id=made.id, turn=1, text="And again, the next day.")
    clock.advance(300)
    assert (await system.service.get(person="x", interview_id=made.id)).elapsed_s == again.elapsed_s + 300 == 900


async def test_a_loop_belongs_to_one_person_and_goes_with_everything_else(home: Composed) -> None:
    """Another's loop is not found; deleting everything leaves none."""
    ada, bob = [await home.session(await home.person(name)) for name in ("Ada", "Bob")]
    loop = (await ada.post(f"{API}/loops", json={})).json()
    for path in (f"{API}/loops/{loop['id']}", f"{API}/loops/{loop['id']}/packet"):
        assert (await bob.get(path)).status_code == 404
    assert (await bob.post(f"{API}/loops/{loop['id']}/rounds", json={"stage": "phone"})).status_code == 404
    await ada.delete(f"{API}/everything")
    assert (await ada.get(f"{API}/loops")).json() == []


@pytest.mark.parametrize("body", [{"role": "intern"}, {"pace": "never"}, {"more": 1}, {"style": "nobody"}])
async def test_a_wrong_plan_is_refused_with_what_is_wrong(home: Composed, body: dict[str, object]) -> None:
    """Nothing is planned."""
    client = home.client()
    assert (await client.post(f"{API}/loops", json=body)).status_code == (404 if "style" in body else 400)
    assert (await client.get(f"{API}/loops")).json() == []


async def test_one_plans_so_many_loops(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read for the page of today."""
    monkeypatch.setattr(room, "MOST_LOOPS", 1)
    client = home.client()
    assert (await client.post(f"{API}/loops", json={})).status_code == 201
    refused = await client.post(f"{API}/loops", json={})
    assert refused.status_code == 409 and "/practice/data" in refused.json()["detail"]
    assert (await client.get("/practice")).status_code == 200
