"""A company's interview on either database: links, seal, decision, retention, erasure."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import msgspec
import pytest
import sqlalchemy as sa

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Forbidden, Invalid
from reelwright.practice.adapters import panels as tables
from reelwright.practice.adapters import room, sql
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import BadQuestions, NoInvite, NoPanel, Question, Unfit
from reelwright.practice.core.panels import Decision, Mark, PanelDraft, Scorecard
from reelwright.practice.core.question import read_questions
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.service import PanelsService, panels
from reelwright.practice.service.panels import Pack

pytestmark = pytest.mark.anyio
DAY_S = 86_400
QUESTIONS = load_questions()[:2]
DRAFT = PanelDraft(
    candidate="Ada Lovelace", role="senior", question_ids=tuple(one.id for one in QUESTIONS),
    interviewers=("Kim", "Lee"), minutes=60, extra_time=50, retention_days=30, invite_days=7,
)  # fmt: skip
CARD = Scorecard(marks={}, recommends="yes", reasons="A SECRET REASON, with figures.")
DECISION = Decision(outcome="hire", reasons="Both saw the same strengths.", decided_by="Kim")


class Company:
    """A database, a clock, one interview and its links."""

    def __init__(self, url: str) -> None:
        self.clock = VirtualClock()
        self.database = Database(url)
        self.database.migrate(["reelwright.practice"])
        self.service = PanelsService(
            database=self.database, clock=self.clock, questions=load_questions(), grader=RuleGrader()
        )
        self.panel_id = ""
        self.candidate = self.kim = self.lee = ""

    async def set_up(self, owner: str = "boss") -> None:
        """One interview with a candidate and two interviewers."""
        self.panel_id, tokens = await self.service.create(person=owner, draft=DRAFT)
        self.candidate, self.kim, self.lee = tokens.values()

    async def rows(self) -> str:
        """Everything that is in the tables of panels, as text."""

        def read(connection: sa.Connection) -> str:
            return repr([list(connection.execute(sa.select(one))) for one in tables.METADATA.sorted_tables])

        return await self.database.read(read)


@pytest.fixture
async def company(database_url: str) -> Company:
    """With one interview set up."""
    made = Company(database_url)
    await made.set_up()
    return made


async def test_from_invitation_to_decision(company: Company) -> None:
    """Consent, answers, two sealed scorecards, then all of it and the rules' verdicts, then people's decision."""
    service = company.service
    with pytest.raises(Conflict):
        await service.answer(company.candidate, number=0, text="too early")
    await service.consent(company.candidate)
    await service.answer(company.candidate, number=0, text="first")
    await service.answer(company.candidate, number=0, text=QUESTIONS[0].model_answer)
    company.clock.advance(91 * 60)
    await service.answer(company.candidate, number=1, text="late")
    await service.finish(company.candidate)
    with pytest.raises(Conflict):
        await service.answer(company.candidate, number=1, text="after the end")
    quote = QUESTIONS[0].model_answer.split(".")[0]
    marks = {f"0/{QUESTIONS[0].criteria[0].id}": Mark(state="met", quote=quote)}
    await service.score(company.kim, msgspec.structs.replace(CARD, marks=marks))
    with pytest.raises(Invalid, match="Lee"):
        await service.decide(person="boss", panel_id=company.panel_id, decision=DECISION)
    assert not (await service.get(person="boss", panel_id=company.panel_id)).seen.scorecards
    await service.score(company.lee, CARD)
    panel = await service.get(person="boss", panel_id=company.panel_id)
    assert [(one.number, one.late) for one in panel.answers] == [(0, False), (1, True)]
    assert len(panel.seen.scorecards) == 2 and any(one.state == "met" for one in panel.seen.verdicts[0])
    decided = await service.decide(person="boss", panel_id=company.panel_id, decision=DECISION)
    assert decided.decision == DECISION
    with pytest.raises(Conflict):
        await service.decide(person="boss", panel_id=company.panel_id, decision=DECISION)
    did = [one.did for one in await service.list_entries(person="boss")]
    assert sorted(did) == [
        "agreed, and began", "decided: hire", "finished", "gave a scorecard", "gave a scorecard", "set up",
    ]  # fmt: skip


async def test_a_scorecard_is_given_once_also_at_once(company: Company) -> None:
    """Of ten that come together one is kept."""
    kept = []
    with pytest.raises(Conflict, match="not agreed"):
        await company.service.score(company.kim, CARD)
    await company.service.consent(company.candidate)

    async def give(number: int) -> None:
        card = msgspec.structs.replace(CARD, reasons=f"{number} reasons, each of them long enough")
        try:
            await company.service.score(company.kim, card)
            kept.append(card.reasons)
        except Conflict:
            pass

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(give, number)
    panel, seat = await company.service.open(company.kim)
    assert [panel.seen.scorecards[seat.id].reasons] == kept


async def test_names_are_kept_as_far_as_they_can_be(company: Company) -> None:
    """PostgreSQL stores no zero character; of a name something is left."""
    draft = msgspec.structs.replace(DRAFT, candidate="A\x00da", interviewers=("\x00Kim",))
    panel_id, _ = await company.service.create(person="boss", draft=draft)
    panel = await company.service.get(person="boss", panel_id=panel_id)
    assert [one.name for one in panel.seats] == [panel.setup.candidate, "Kim"] == ["Ada", "Kim"]
    with pytest.raises(Unfit):
        await company.service.create(person="boss", draft=msgspec.structs.replace(DRAFT, candidate=" \x00"))


async def test_nothing_is_finished_before_it_began(company: Company) -> None:
    """Else the candidate who then agrees could not answer any more."""
    with pytest.raises(Conflict):
        await company.service.finish(company.candidate)
    await company.service.consent(company.candidate)
    await company.service.answer(company.candidate, number=0, text="An answer.")
    await company.service.finish(company.candidate)


async def test_who_is_full_sets_up_no_more_interviews(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither too many, nor where what candidates wrote fills the room; those that run go on."""
    with monkeypatch.context() as tight:
        tight.setattr(room, "MOST_PANELS", 1)
        with pytest.raises(Conflict, match="1 interviews that you run"):
            await company.service.create(person="boss", draft=DRAFT)
    monkeypatch.setattr(room, "MOST_CHARS", 100_000)
    await company.service.consent(company.candidate)
    await company.service.answer(company.candidate, number=0, text="word " * 25_000)
    with pytest.raises(Conflict, match="100,000 characters"):
        await company.service.create(person="boss", draft=DRAFT)
    await company.service.answer(company.candidate, number=0, text="shorter")
    await company.service.create(person="boss", draft=DRAFT)


async def test_links_expire_are_renewed_and_revoked(company: Company) -> None:
    """A void link opens nothing, whoever holds it; a new one makes the old one void."""
    seat = (await company.service.open(company.candidate))[1]
    company.clock.advance(7 * DAY_S)
    for token in (company.candidate, company.kim, "", "x", company.kim[:-1], company.kim + "x", "\x00", "ü" * 5000):
        with pytest.raises(NoInvite):
            await company.service.open(token)
    named: dict[str, Any] = {"person": "boss", "panel_id": company.panel_id, "seat_id": seat.id}
    fresh = await company.service.renew(**named)
    assert (await company.service.open(fresh))[1].id == seat.id
    newer = await company.service.renew(**named)
    with pytest.raises(NoInvite):
        await company.service.open(fresh)
    revoked = await company.service.renew(**named, days=0)
    for token in (newer, revoked):
        with pytest.raises(NoInvite):
            await company.service.open(token)
    with pytest.raises(NoPanel):
        await company.service.renew(person="other", panel_id=company.panel_id, seat_id=seat.id)


async def test_no_link_is_in_the_database(company: Company) -> None:
    """Whoever reads the tables cannot open an interview."""
    rows = await company.rows()
    assert company.candidate not in rows and company.kim not in rows


async def test_each_link_does_only_what_its_seat_may(company: Company) -> None:
    """Interviewers write no answers, candidates give no scorecards."""
    service = company.service
    for forbidden in (
        service.consent(company.kim), service.answer(company.kim, number=0, text="x"), service.finish(company.kim),
        service.export_own(company.kim), service.erase_own(company.kim), service.score(company.candidate, CARD),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            await forbidden


async def test_the_candidate_does_not_see_what_is_looked_for(company: Company) -> None:
    """Neither criteria, challenges, facts, model answer; interviewers see them, but not who has extra time."""
    panel, _ = await company.service.open(company.candidate)
    assert panel.setup.minutes == 90 and panel.setup.extra_time == 0
    for question in panel.setup.questions:
        assert not (question.criteria or question.challenges or question.facts or question.model_answer)
        assert "{" not in question.asks
    seen, _ = await company.service.open(company.kim)
    assert seen.setup.questions[0].criteria and (seen.setup.minutes, seen.setup.extra_time) == (60, 0)
    assert (await company.service.get(person="boss", panel_id=company.panel_id)).setup.extra_time == 50


async def test_retention_and_withdrawal_erase_everything_but_that_it_was(company: Company) -> None:
    """No name, answer or scorecard is left; the log says when it was erased, by whom, and names nobody."""
    await company.service.consent(company.candidate)
    await company.service.answer(company.candidate, number=0, text="MY SECRET ANSWER")
    await company.service.score(company.kim, CARD)
    company.clock.advance(29 * DAY_S)
    assert await company.service.purge() == 0
    company.clock.advance(DAY_S)
    assert (await company.service.purge(), await company.service.purge()) == (1, 0)
    rows = await company.rows()
    assert not [one for one in ("SECRET", "Lovelace", "Kim", "Lee") if one in rows]
    assert [one.who for one in await company.service.list_entries(person="boss")][-1] == "retention"
    await company.set_up()
    await company.service.erase_own(company.candidate)
    with pytest.raises(NoInvite):
        await company.service.open(company.kim)
    assert "Lovelace" not in await company.rows()


async def test_an_interview_belongs_to_who_set_it_up(company: Company) -> None:
    """Another owner finds nothing, and deleting a person erases their interviews with the log."""
    other = {"person": "other", "panel_id": company.panel_id}
    service = company.service
    for asked in (
        service.get(**other),
        service.export(**other),
        service.erase(**other),
        service.decide(**other, decision=DECISION),
    ):
        with pytest.raises(NoPanel):
            await asked
    await company.database.write(sql.delete_person, "boss")
    assert await company.rows() == "[[], [], [], []]"


async def test_packs_are_read_beside_the_event_loop(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their length is up to whoever sends them, and the loop serves everybody."""
    readers: list[int] = []

    def read(text: str, file: str) -> tuple[Question, ...]:
        readers.append(threading.get_ident())
        return read_questions(text, file)

    monkeypatch.setattr(panels, "read_questions", read)
    await company.service.put_pack(person="boss", pack=Pack(name="mine", text=PACK))
    await company.service.list_packs(person="boss")
    assert len(readers) == 2
    assert threading.get_ident() not in readers


async def test_a_pack_that_is_refused_by_now_can_still_be_deleted(company: Company) -> None:
    """What an earlier version took is listed without questions, and stands in nobody's way."""
    service = company.service
    await service._packs.put("boss", "old", Pack(name="old", text="area: impact\nquestions: [[]]\n"))
    assert await service.list_packs(person="boss") == {"old": ()}
    await service.create(person="boss", draft=DRAFT)
    await service.delete_pack(person="boss", name="old")
    assert await service.list_packs(person="boss") == {}


async def test_private_packs_are_checked_and_private(company: Company) -> None:
    """Every problem with its line; the questions serve their owner's interviews only."""
    service = company.service
    with pytest.raises(BadQuestions, match="mine:"):
        await service.put_pack(person="boss", pack=Pack(name="mine", text="area: impact\nquestions:\n  - id: x\n"))
    with pytest.raises(Invalid):
        await service.put_pack(person="boss", pack=Pack(name="", text=""))
    text = PACK
    assert [one.id for one in await service.put_pack(person="boss", pack=Pack(name="mine", text=text))] == ["own-q"]
    draft = msgspec.structs.replace(DRAFT, question_ids=("own-q",))
    panel_id, _ = await service.create(person="boss", draft=draft)
    with pytest.raises(Invalid, match="own-q"):
        await service.create(person="other", draft=draft)
    await service.delete_pack(person="boss", name="mine")
    panel = await service.get(person="boss", panel_id=panel_id)
    assert panel.setup.questions[0].asks == "What did you measure last?"


PACK = """area: impact
defaults:
  stages: [phone]
  roles: [senior]
  tracks: [streaming]
  minutes: 10
questions:
  - id: own-q
    asks: What did you measure last?
    criteria:
      figure: {impact: 3, says: "A figure.", needs: ["measured|counted & @number"]}
      own: {impact: 3, says: "Own part.", needs: ["@own_action & measured|counted"]}
      doubt: {judgment: 3, says: "What it does not say.", needs: ["not|never & say|tell|show"]}
      baseline: {impact: 4, says: "The state before.", needs: ["before|was & @number"]}
    challenges:
      how:
        why: How did you measure it?
        met: figure
        scores: {correctness: 3, says: "A method.", needs: ["sample|test|log & because|by|with"]}
        answer: I measured it by a sample of the log.
        then: [sure]
      sure:
        sceptic: Are you sure?
        scores: {judgment: 3, says: "A check.", needs: ["second|again|other & way|log|test"]}
        answer: Yes, I counted it again in another way.
    model_answer: >-
      I measured that 40 % of the starts were slow. Before it was 60 %, counted by the same log. It does not say why.
"""
