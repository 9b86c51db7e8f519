"""An interview, on either database: nothing answered is lost, whoever goes on with it and wherever."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.adapters import room as bounds
from reelwright.practice.adapters import sql
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Interview, NoInterview, TurnMoved
from reelwright.practice.core.evidence import is_quoted
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.service import ModelService, OpinionsService, PracticeService
from reelwright.practice.settings import PracticeSettings

pytestmark = pytest.mark.anyio


class Room:
    """A database, a clock, and services that meet on them."""

    def __init__(self, url: str) -> None:
        self.clock = VirtualClock()
        self.database = Database(url)
        self.database.migrate(["reelwright.practice"])
        self.service = self.device()

    def device(self) -> PracticeService:
        """A service that remembers nothing, as after a crash or in another process."""
        return PracticeService(
            database=self.database, clock=self.clock, questions=load_questions(), grader=RuleGrader()
        )

    async def start(self, person: str = "ada") -> Interview:
        """A stage of somebody."""
        return await self.service.start(person=person, stage="design", role="senior", track="streaming")


@pytest.fixture
def room(database_url: str) -> Room:
    """A new, empty room."""
    return Room(database_url)


def model_answer(interview: Interview) -> str:
    """What the bank itself would answer to the turn that waits."""
    question = next(one for one in load_questions() if one.id == interview.turns[-1].question_id)
    return question.model_answer


async def test_an_answer_is_judged_at_once_with_true_quotes(room: Room) -> None:
    """Feedback names criterion and words; the model answer appears only after one's own."""
    interview = await room.start()
    assert interview.turns[-1].model_answer == ""
    text = model_answer(interview)
    after = await room.service.answer(person="ada", interview_id=interview.id, turn=0, text=text)
    judged = after.turns[0]
    assert judged.answer == text and judged.model_answer
    assert any(line.state == "met" for line in judged.feedback)
    assert [verdict for verdict in judged.verdicts if not is_quoted(verdict, text)] == []
    assert len(after.turns) == 2 and after.turns[-1].answer is None


@pytest.mark.parametrize("text", ["", "fine", "\x00\u200b", "👍" * 1000, "word " * 150_000])
async def test_bad_answers_are_kept_and_praised_for_nothing(room: Room, text: str) -> None:
    """Also a very long one, and one that no database stores as it is."""
    interview = await room.start()
    after = await room.service.answer(person="ada", interview_id=interview.id, turn=0, text=text)
    assert {line.state for line in after.turns[0].feedback} == {"unmet"}
    assert sum(bool(line.drill) for line in after.turns[0].feedback) == 1


async def test_another_process_goes_on_where_the_first_stopped(room: Room) -> None:
    """Every turn is saved when it is given; a crash costs none."""
    interview = await room.start()
    saved = await room.service.answer(person="ada", interview_id=interview.id, turn=0, text="fine")
    assert await room.device().get(person="ada", interview_id=interview.id) == saved


async def test_of_two_devices_that_answer_at_once_one_is_told(room: Room) -> None:
    """The second gets a refusal rather than overwriting the first."""
    interview = await room.start()
    outcomes: list[str] = []

    async def answer(text: str) -> None:
        try:
            await room.device().answer(person="ada", interview_id=interview.id, turn=0, text=text)
            outcomes.append(text)
        except TurnMoved:
            outcomes.append("refused")

    async with anyio.create_task_group() as group:
        for text in ("from the phone", "from the desk"):
            group.start_soon(answer, text)
    assert outcomes.count("refused") == 1
    stored = await room.service.get(person="ada", interview_id=interview.id)
    assert stored.turns[0].answer in outcomes and len(stored.turns) == 2


async def test_the_timer_pauses_and_never_runs_back(room: Room) -> None:
    """A clock that is set back adds nothing, and takes nothing away."""
    interview = await room.start()
    room.clock.advance(60)
    paused = await room.service.put_timer(person="ada", interview_id=interview.id, running=False)
    room.clock.advance(600)
    running = await room.service.put_timer(person="ada", interview_id=interview.id, running=True)
    room.clock.step_wall(-86_400)
    still = await room.service.get(person="ada", interview_id=interview.id)
    assert [one.elapsed_s for one in (paused, running, still)] == [60, 60, 60]


async def test_a_stage_ends_and_its_verdicts_become_skills(room: Room) -> None:
    """Answer until nothing is asked; the bands then lie around what was shown."""
    interview = await room.start()
    for _ in range(100):
        if interview.state == "finished":
            break
        turn = interview.turns[-1].number
        interview = await room.service.answer(person="ada", interview_id=interview.id, turn=turn, text="fine")
    assert interview.state == "finished"
    skills = await room.service.list_skills(person="ada")
    assert skills and all(one.low < one.mean < one.high and one.mean < 2 for one in skills)


async def test_questions_already_answered_come_last(room: Room) -> None:
    """The second interview of a stage begins with another question."""
    first = await room.start()
    await room.service.answer(person="ada", interview_id=first.id, turn=0, text="fine")
    second = await room.start()
    assert second.turns[0].question_id != first.turns[0].question_id


async def test_nobody_sees_or_deletes_what_is_anothers(room: Room) -> None:
    """Deleting takes everything of one person and nothing of others."""
    mine, other = await room.start("ada"), await room.start("bob")
    with pytest.raises(NoInterview):
        await room.service.get(person="ada", interview_id=other.id)
    await room.database.write(sql.delete_person, "ada")
    with pytest.raises(NoInterview):
        await room.service.get(person="ada", interview_id=mine.id)
    assert [one.id for one in await room.service.export(person="bob")] == [other.id]


async def test_a_person_keeps_so_much_and_no_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers with their verdicts, and drafts; what was kept stays, and others have room of their own."""
    monkeypatch.setattr(bounds, "MOST_CHARS", 60_000)
    interview = await room.start()
    mine = {"person": "ada", "interview_id": interview.id}
    await room.service.put_draft(**mine, turn=0, text="word " * 10_000)
    after = await room.service.answer(**mine, turn=0, text="word " * 12_000)
    with pytest.raises(Conflict, match=r"60,000 characters.*/practice/data"):
        await room.service.answer(**mine, turn=1, text="fine")
    with pytest.raises(Conflict):
        await room.service.put_draft(**mine, turn=1, text="fine")
    with pytest.raises(Conflict):
        await room.start()
    assert await room.service.get(**mine) == after
    await room.start("bob")
    await room.database.write(sql.delete_person, "ada")
    await room.start()


async def test_a_person_begins_so_many_interviews(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a line of a page."""
    monkeypatch.setattr(bounds, "MOST_INTERVIEWS", 2)
    await room.start()
    await room.start()
    with pytest.raises(Conflict, match="2 interviews"):
        await room.start()
    await room.start("bob")


async def test_whoever_judges_has_a_name_that_can_be_kept(room: Room) -> None:
    """PostgreSQL stores no zero character; nobody is not enough."""
    model = ModelService(database=room.database, clock=room.clock, settings=PracticeSettings())
    opinions = OpinionsService(database=room.database, clock=room.clock, interviews=room.service, model=model)
    interview = await room.start()
    await room.service.answer(person="ada", interview_id=interview.id, turn=0, text="I measured it.")
    turn: dict[str, Any] = {"person": "ada", "interview_id": interview.id, "number": 0, "kind": "human", "form": {}}
    assert (await opinions.put_form(**turn, name=" K\x00im")).grader == "human:Kim"
    with pytest.raises(Invalid):
        await opinions.put_form(**turn, name="\x00")
