"""Interviewer mode through pages and routes: a whole interview, and every way around its seal."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed

from reelwright.practice.adapters import panels
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.system import PracticeSystem

pytestmark = pytest.mark.anyio
QUESTION = load_questions()[0]
SECRET = "Hesitated at every number SECRETMARK"
ANSWER = "CANDIDATEWORDS I measured the queue for a week and cut the wait from 40 s to 3 s."


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application, with nobody signed up."""
    async with composed(tmp_path) as made:
        yield made


class Panel:
    """An interview with its owner, and whoever holds a link."""

    def __init__(self, home: Composed, owner: httpx.AsyncClient, id: str, tokens: list[str]) -> None:
        self.owner = owner
        self.stranger = home.client()
        self.id = id
        self.candidate, self.kim, self.lee = (f"/invited/{token}" for token in tokens)


async def set_up(home: Composed, owner: httpx.AsyncClient) -> Panel:
    """One question, two interviewers."""
    body = {
        "candidate": "Ada", "role": "senior", "question_ids": [QUESTION.id], "interviewers": ["Kim", "Lee"],
    }  # fmt: skip
    made = (await owner.post("/api/v1/practice/panels", json=body)).json()
    return Panel(home, owner, made["id"], list(made["tokens"].values()))


def card(**more: str) -> dict[str, str]:
    """A scorecard's form."""
    return {"do": "score", "recommends": "no", "reasons": SECRET, **more}


async def test_an_interview_without_an_account(home: Composed) -> None:
    """Set up by form, links shown once, consent, answer, scorecards, decision with reasons, packet, audit log."""
    owner = await home.session(await home.person("Boss"))
    assert "No interview yet" in (await owner.get("/practice/interviewer")).text
    csrf = owner.headers["X-CSRF-Token"]
    form = {
        "csrf": csrf, "candidate": "Ada", "interviewers": "Kim\r\nLee\r\n", "role": "senior", "minutes": "60",
        "extra_time": "25", "retention_days": "30", "invite_days": "7", f"ask-{QUESTION.id}": "on",
    }  # fmt: skip
    candidate, *interviewers = links = await made_links(
        owner, await owner.post("/practice/interviewer/new", data=form)
    )
    assert len(links) == 3
    guest = home.client()
    page = await guest.get(candidate)
    assert "75 minutes" in page.text and "not validated for hiring" in page.text and "never decide" in page.text
    assert page.headers["cache-control"] == "no-store" and QUESTION.asks[:20] not in page.text
    assert (await guest.post(candidate, data={"do": "agree"})).status_code == 400
    assert (await guest.post(candidate, data={"do": "agree", "agreed": "yes"})).status_code == 303
    await guest.post(candidate, data={"do": "keep", "answer-0": ANSWER})
    assert "CANDIDATEWORDS" in (await guest.get(candidate)).text
    await guest.post(candidate, data={"do": "finish", "answer-0": ANSWER})
    key = f"0/{QUESTION.criteria[0].id}"
    for link in interviewers:
        shown = (await guest.get(link)).text
        assert "Challenges" in shown and "CANDIDATEWORDS" in shown and html.escape(QUESTION.criteria[0].says) in shown
        empty = await guest.post(link, data=card(**{f"state-{key}": "met"}))
        assert empty.status_code == 400 and SECRET in empty.text
        marks = {f"state-{key}": "met", f"quote-{key}": "measured the queue for a week"}
        assert (await guest.post(link, data=card(**marks))).status_code == 303
    where = (await owner.get("/practice/interviewer")).text
    found = re.search(r"/practice/interviewer/([0-9a-z]{26})", where)
    assert found
    decided = {"csrf": csrf, "outcome": "no_hire", "reasons": "too short", "decided_by": "Kim"}
    assert (await owner.post(found[0], data=decided)).status_code == 400
    decided["reasons"] = "Both found the same two gaps."
    assert (await owner.post(found[0], data=decided)).status_code == 303
    packet = (await owner.get(f"{found[0]}/packet")).text
    for said in ("Do not hire", SECRET, "measured the queue for a week", "Rules, not deciding", "Not validated"):
        assert said in packet, said
    assert packet.count("not marked") >= 2 * (len(QUESTION.criteria) - 1), "an empty cell says nothing"
    assert not re.search(r"<td[^>]*></td>", packet)
    log = (await owner.get(found[0])).text
    assert "decided: no_hire" in log and "agreed, and began" in log


async def made_links(owner: httpx.AsyncClient, answered: httpx.Response) -> list[str]:
    """The links on the page that a form goes on to."""
    assert answered.status_code == 303, "else a reload would send the form again"
    owner.headers["Cookie"] += f"; links={answered.cookies['links']}"
    page = await owner.get(answered.headers["location"])
    assert page.headers["cache-control"] == "no-store"
    return [html.unescape(one) for one in re.findall(r"<code>http://[^/]+(/invited/[^<]+)</code>", page.text)]


async def test_a_reload_makes_neither_an_interview_nor_a_link(home: Composed) -> None:
    """What a form made is shown by a page of its own, to the browser that sent it; a link that is void is not."""
    owner = await home.session(await home.person("Boss"))
    csrf = owner.headers["X-CSRF-Token"]
    form = {
        "csrf": csrf, "candidate": "Ada", "interviewers": "Kim", "role": "senior", "minutes": "60", "extra_time": "0",
        "retention_days": "30", "invite_days": "7", f"ask-{QUESTION.id}": "on",
    }  # fmt: skip
    answered = await owner.post("/practice/interviewer/new", data=form)
    first = await made_links(owner, answered)
    assert first == await made_links(owner, answered), "they are there after a reload"
    panel = (await owner.get("/api/v1/practice/panels")).json()
    assert len(panel) == 1
    page = f"/practice/interviewer/{panel[0]['id']}"
    candidate = next(one["id"] for one in panel[0]["seats"] if one["kind"] == "candidate")
    renewed = await owner.post(page, data={"csrf": csrf, "do": "renew", "seat": candidate})
    second = await made_links(owner, renewed)
    assert len(second) == 2 and first[0] not in second and first[1] in second
    assert (await home.client().get(second[0])).status_code == 200
    await owner.post(page, data={"csrf": csrf, "do": "revoke", "seat": candidate})
    assert second[0] not in (await owner.get(page)).text and first[1] in (await owner.get(page)).text
    owner.headers["Cookie"] = owner.headers["Cookie"].split(";")[0]
    assert "/invited/" not in (await owner.get(page)).text, "another browser"


async def test_what_a_candidate_writes_too_late_stays_on_their_screen(home: Composed) -> None:
    """After every scorecard is in, after they were done, and when the invitation is void: the page says which, and
    holds their words; a form that is still open somewhere loses none."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest = panel.stranger
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": ANSWER})
    for link in (panel.kim, panel.lee):
        await guest.post(link, data=card())
    late = await guest.post(panel.candidate, data={"do": "keep", "answer-0": "BETTER <words>"})
    assert late.status_code == 409 and "Your answers stand" in late.text and "BETTER &lt;words&gt;" in late.text
    assert "CANDIDATEWORDS" in late.text and "<textarea" not in late.text
    again = await guest.post(panel.candidate, data={"do": "finish", "answer-0": ANSWER})
    assert "not kept" not in again.text
    second = await guest.post(panel.kim, data=card(reasons="A second view, on another day."))
    assert second.status_code == 409 and "A second view, on another day." in second.text
    await panel.owner.delete(f"/api/v1/practice/panels/{panel.id}")
    gone = await guest.post(panel.candidate, data={"do": "keep", "answer-0": "LASTWORDS"})
    assert gone.status_code == 404 and "LASTWORDS" in gone.text and "not open any more" in gone.text
    assert gone.headers["cache-control"] == "no-store"
    assert "not open any more" in (await guest.get(panel.kim)).text


async def test_who_chooses_nothing_has_not_said_yes(home: Composed) -> None:
    """Neither a scorecard nor a decision has a choice made beforehand: both are given once, and stand."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest, owner, page = panel.stranger, panel.owner, f"/practice/interviewer/{panel.id}"
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    assert '<select name="recommends" required><option value="">' in (await guest.get(panel.kim)).text
    unchosen = await guest.post(panel.kim, data=card(recommends=""))
    assert unchosen.status_code == 400 and SECRET in unchosen.text and "choose what you recommend" in unchosen.text
    for link in (panel.kim, panel.lee):
        assert (await guest.post(link, data=card())).status_code == 303
    assert re.search(r'<select name="outcome" required[^>]*><option value="">', (await owner.get(page)).text)
    decided = {
        "csrf": owner.headers["X-CSRF-Token"],
        "outcome": "",
        "reasons": "Long enough, so it is.",
        "decided_by": "Kim",
    }
    undecided = await owner.post(page, data=decided)
    assert undecided.status_code == 400 and "choose a decision" in undecided.text


async def test_answers_stand_once_every_scorecard_is_in(home: Composed) -> None:
    """Else a packet would show marks beside words that nobody marked; until then an answer may be taken back."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest, page = panel.stranger, f"/practice/interviewer/{panel.id}"
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": "TAKENBACK"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": ""})
    assert "TAKENBACK" not in (await guest.get(panel.candidate)).text
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": ANSWER})
    for link in (panel.kim, panel.lee):
        await guest.post(link, data=card())
    assert (await guest.post(panel.candidate, data={"do": "keep", "answer-0": "BETTER"})).status_code == 409
    text = (await panel.owner.get(page)).text
    assert "BETTER" not in text and "CANDIDATEWORDS" in text


async def test_an_answer_is_late_when_it_was_written_late(home: Composed) -> None:
    """Not when another one was, or when the candidate said to be done: a form sends all answers each time."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest = panel.stranger
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": ANSWER})
    kept = (await guest.get(f"/api/v1{panel.candidate}")).json()["panel"]["answers"]
    await anyio.sleep(0.02)
    await guest.post(panel.candidate, data={"do": "finish", "answer-0": ANSWER})
    assert (await guest.get(f"/api/v1{panel.candidate}")).json()["panel"]["answers"] == kept != []


async def test_a_late_answer_is_marked_where_it_is_read(home: Composed) -> None:
    """As the candidate was told before they began; to each who reads it, and not beside one in time."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest, page = panel.stranger, f"/practice/interviewer/{panel.id}"
    readers = [(panel.owner, page), (panel.owner, f"{page}/packet"), (guest, panel.kim), (guest, panel.candidate)]
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "finish", "answer-0": ANSWER})
    texts = [(await client.get(path)).text for client, path in readers]
    assert ["after the time was over" in text for text in texts] == [False] * 4
    began = sa.update(panels.PANELS).values(consent_ms=panels.PANELS.c.consent_ms - 2 * 3_600_000)
    await home.resources.database.write(lambda connection: connection.execute(began))
    texts = [(await client.get(path)).text for client, path in readers]
    assert ["CANDIDATEWORDS" in text and "after the time was over" in text for text in texts] == [True] * 4


async def every_get(home: Composed, client: httpx.AsyncClient, ids: dict[str, str]) -> dict[str, str]:
    """What every page and route of practice answers, with these ids wherever it takes one."""
    found = {}
    for route in home.application.routes:
        if "GET" not in (getattr(route, "methods", None) or ()):
            continue
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda one: ids.get(one[1], "unknown"), str(route.path))
        if ("practice" in path or "invited" in path) and not path.endswith("/stream"):
            found[path] = (await client.get(path)).text
    return found


async def test_sealed_scorecards_are_read_through_no_route(home: Composed) -> None:
    """By owner, candidate, the other interviewer, another owner, a stranger: until the last scorecard is in."""
    panel = await set_up(home, await home.session(await home.person("Boss", "admin")))
    guest = panel.stranger
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": QUESTION.model_answer})
    assert (await guest.post(panel.kim, data=card())).status_code == 303
    other = await home.session(await home.person("Other", "admin"))
    asked = [(panel.owner, ""), (other, ""), (guest, panel.candidate), (guest, panel.lee), (guest, "")]
    for client, link in asked:
        ids = {"panel_id": panel.id, "token": link.removeprefix("/invited/") or "forged"}
        found = await every_get(home, client, ids)
        assert len(found) > 40
        for path, text in found.items():
            assert "SECRETMARK" not in text, path
            assert '"grader":"rules' not in text, path
    for path in ("export", "decision"):
        body = {"outcome": "hire", "reasons": "Long enough to be a reason.", "decided_by": "Boss"}
        answered = await panel.owner.post(f"/api/v1/practice/panels/{panel.id}/{path}", json=body)
        assert "SECRETMARK" not in answered.text and '"grader":"rules' not in answered.text
    assert "SECRETMARK" in (await guest.get(f"/api/v1{panel.kim}")).text, "one's own is seen"
    await guest.post(panel.lee, data=card(reasons="Another view, of some length."))
    for path in (f"/api/v1/practice/panels/{panel.id}", f"/practice/interviewer/{panel.id}"):
        assert "SECRETMARK" in (await panel.owner.get(path)).text
    assert '"grader":"rules' in (await panel.owner.get(f"/api/v1/practice/panels/{panel.id}")).text
    assert "SECRETMARK" in (await guest.get(panel.lee)).text
    assert "SECRETMARK" not in (await guest.get(panel.candidate)).text
    assert "SECRETMARK" not in (await guest.get(f"/api/v1{panel.candidate}")).text


async def test_forged_expired_and_foreign_links_open_nothing(home: Composed) -> None:
    """404 on page and API, whatever is done; another candidate's link never shows this one's data."""
    owner = await home.session(await home.person("Boss"))
    first, second = await set_up(home, owner), await set_up(home, owner)
    guest = first.stranger
    await guest.post(first.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(first.candidate, data={"do": "keep", "answer-0": ANSWER})
    for link in ("/invited/forged", first.candidate[:-1], first.candidate + "A", "/invited/" + "a" * 4000,
                 "/invited/%00", "/invited/..%2f..", f"/invited/{first.id}"):  # fmt: skip
        for path in (link, f"/api/v1{link}"):
            assert (await guest.get(path)).status_code in (400, 404, 414), path
            assert (await guest.post(path, data={"do": "erase"})).status_code in (400, 404, 405, 414), path
    for link in (second.candidate, second.kim, second.lee):
        assert "CANDIDATEWORDS" not in (await guest.get(link)).text
    seat = (await guest.get(f"/api/v1{first.candidate}")).json()["seat"]["id"]
    named = f"/api/v1/practice/panels/{first.id}/seats/{seat}/link"
    assert (await owner.post(named, json={"days": 0})).status_code == 201
    assert (await guest.get(first.candidate)).status_code == 404
    stranger = await home.session(await home.person("Stranger"))
    for path in (f"/practice/interviewer/{first.id}", f"/api/v1/practice/panels/{first.id}",
                 f"/practice/interviewer/{first.id}/packet"):  # fmt: skip
        assert (await stranger.get(path)).status_code == 404
    assert (await stranger.delete(f"/api/v1/practice/panels/{first.id}")).status_code == 404
    assert (await stranger.post(named, json={"days": 7})).status_code == 404


async def test_a_link_does_only_what_its_seat_may(home: Composed) -> None:
    """A candidate gives no scorecard, an interviewer writes no answer and erases nothing."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest = panel.stranger
    assert (await guest.post(panel.candidate, data=card())).status_code == 403
    for form in (
        {"do": "agree", "agreed": "yes"},
        {"do": "keep", "answer-0": "x"},
        {"do": "erase", "word": "erase"},
        {"do": "export"},
    ):
        assert (await guest.post(panel.kim, data=form)).status_code == 403
    assert (await guest.post(panel.candidate, data={"do": "keep", "answer-0": "before consent"})).status_code == 409


async def test_a_candidate_takes_answers_away_and_withdraws(home: Composed) -> None:
    """The export holds what they gave; after withdrawal nothing of it is in any file of the service."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest = panel.stranger
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": ANSWER})
    taken: dict[str, Any] = (await guest.post(panel.candidate, data={"do": "export"})).json()
    slip = await guest.post(panel.candidate, data={"do": "erase"})
    assert slip.status_code == 400 and "nothing was erased" in slip.text and "CANDIDATEWORDS" in slip.text
    assert taken["name"] == "Ada" and taken["answers"][0]["text"] == ANSWER
    assert "Everything is erased" in (await guest.post(panel.candidate, data={"do": "erase", "word": "Erase "})).text
    assert (await guest.get(panel.candidate)).status_code == 404
    assert (await panel.owner.get("/api/v1/practice/panels")).json() == []
    log = (await panel.owner.get("/practice/interviewer")).text
    assert "erased everything" in log and "Ada" not in log


async def test_what_a_candidate_writes_is_shown_as_text(home: Composed) -> None:
    """Neither page runs it."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest = panel.stranger
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": "<script>alert(1)</script>"})
    for page in (await guest.get(panel.kim), await panel.owner.get(f"/practice/interviewer/{panel.id}")):
        assert "&lt;script&gt;" in page.text and "<script>alert" not in page.text


async def test_the_service_erases_what_is_past_its_retention(home: Composed) -> None:
    """By itself, as soon as it runs; what is not past it stays."""
    owner = await home.session(await home.person("Boss"))
    old, new = await set_up(home, owner), await set_up(home, owner)
    past = panels.PANELS.update().where(panels.PANELS.c.id == old.id).values(delete_ms=1)
    await home.resources.database.write(lambda connection: connection.execute(past))
    system = next(one for one in home.wiring.systems if isinstance(one, PracticeSystem))
    await system.start()
    with anyio.fail_after(60):
        while len(left := (await owner.get("/api/v1/practice/panels")).json()) > 1:
            await anyio.sleep(0.05)
    await system.stop()
    assert [one["id"] for one in left] == [new.id]


async def test_who_never_gives_a_scorecard_does_not_hold_up_the_others(home: Composed) -> None:
    """The owner goes on without them: the seal opens, their link is void for good, and the log says so; one scorecard
    there must be, and one that is in stays."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    guest, owner, page = panel.stranger, panel.owner, f"/practice/interviewer/{panel.id}"
    seats = {
        one["name"]: one["id"]
        for one in (await owner.get(f"/api/v1{page.replace('interviewer', 'panels')}")).json()["seats"]
    }
    form = {"csrf": owner.headers["X-CSRF-Token"], "do": "excuse"}
    await guest.post(panel.candidate, data={"do": "agree", "agreed": "yes"})
    await guest.post(panel.candidate, data={"do": "keep", "answer-0": ANSWER})
    await guest.post(panel.kim, data=card())
    assert (await owner.post(page, data={**form, "seat": seats["Kim"]})).status_code == 409
    assert (await owner.post(page, data={**form, "seat": seats["Ada"]})).status_code == 404
    assert SECRET not in (await owner.get(page)).text and "Go on without" in (await owner.get(page)).text
    assert (await owner.post(page, data={**form, "seat": seats["Lee"]})).status_code == 303
    opened = (await owner.get(page)).text
    assert SECRET in opened and "went on without interviewer" in opened and "excused" in opened
    assert (await guest.get(panel.lee)).status_code == 404
    assert (await guest.post(panel.lee, data=card())).status_code == 404
    assert (await owner.post(page, data={**form, "do": "renew", "seat": seats["Lee"]})).status_code == 409
    decided = {
        **form,
        "do": "",
        "outcome": "no_hire",
        "reasons": "Kim found two gaps, by the words.",
        "decided_by": "Boss",
    }
    assert (await owner.post(page, data=decided)).status_code == 303
    assert "Kim found two gaps" in (await owner.get(f"{page}/packet")).text
    alone = await set_up(home, owner)
    where = f"/practice/interviewer/{alone.id}"
    for seat in (await owner.get(f"/api/v1/practice/panels/{alone.id}")).json()["seats"]:
        if seat["kind"] == "interviewer":
            await owner.post(where, data={**form, "seat": seat["id"]})
    assert "To be decided" not in (await owner.get(where)).text, "without any scorecard nothing is decided"
    assert (await owner.post(where, data={**decided})).status_code == 400


async def test_nothing_is_noted_before_consent(home: Composed) -> None:
    """The form has no button, and the route refuses."""
    panel = await set_up(home, await home.session(await home.person("Boss")))
    page = (await panel.stranger.get(panel.kim)).text
    assert "has not agreed yet" in page and "Seal my scorecard" not in page
    assert (await panel.stranger.post(panel.kim, data=card())).status_code == 409


async def test_a_wrong_pack_names_its_lines(home: Composed) -> None:
    """And the text stays in the form."""
    owner = await home.session(await home.person("Boss"))
    form = {"csrf": owner.headers["X-CSRF-Token"], "name": "mine", "text": "area: impact\nquestions:\n  - id: x\n"}
    answered = await owner.post("/practice/interviewer/packs", data=form)
    assert answered.status_code == 400 and "mine:3" in answered.text and "- id: x" in answered.text
