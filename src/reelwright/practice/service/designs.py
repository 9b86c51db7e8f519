"""Design rounds: notes by phase, the fact sheet, the board, and the candidate's numbers put to the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import anyio.to_thread
import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.contract import Interview, NoInterview, Question
from reelwright.practice.core.board import Board
from reelwright.practice.core.design import MOST_CHARS, Design, Phase, judge_design, written
from reelwright.practice.core.facts import ask, sheet
from reelwright.practice.labs.run_it import Gap, Simulated, read_numbers, run_it
from reelwright.practice.labs.simulations import OF_AREA
from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.service.notes import Shelf

KIND = "design"
MOST_DESIGNS, MOST_QUESTIONS, MOST_ASKED_CHARS = 2_000, 30, 500


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The design round that somebody is in."""

    interview: Interview
    question: Question
    asks: str
    key: str
    design: Design
    simulated: Simulated | None
    """What their numbers can be run in; None where nothing of the kind runs here yet."""

    @property
    def facts(self) -> dict[str, str]:
        """What was found out."""
        return {key: fact for key, fact in sheet(self.question).items() if key in self.design.asked}


class DesignsService:
    """Design rounds of the people of this installation."""

    def __init__(
        self, *, database: Database, clock: Clock, interviews: PracticeService, questions: Sequence[Question]
    ) -> None:
        self._interviews = interviews
        self._questions = {one.id: one for one in questions}
        self._shelf = Shelf(database=database, clock=clock, kind=KIND, shape=Design, most=MOST_DESIGNS)

    async def get(self, *, person: str, interview_id: str) -> Round:
        """The round of the question that was asked last. Raises NoInterview where it is no design round."""
        interview = await self._interviews.get(person=person, interview_id=interview_id)
        last = interview.turns[-1]
        question = self._questions.get(last.question_id)
        if interview.stage != "design" or question is None:
            raise NoInterview("this interview is no design round; begin one at /practice")
        main = next(one for one in interview.turns if one.question_id == last.question_id)
        key = f"{interview_id}-{main.number}"
        return Round(
            interview=interview, question=question, asks=main.asks, key=key,
            design=await self._shelf.find(person, key) or Design(), simulated=OF_AREA.get(question.area),
        )  # fmt: skip

    async def put_phases(self, *, person: str, interview_id: str, phases: Mapping[Phase, str]) -> None:
        """Keep the notes. Raises Invalid where they are too long."""
        chars = sum(map(len, phases.values()))
        if chars > MOST_CHARS:
            raise Invalid(f"the notes have {chars} characters and become one answer; {MOST_CHARS} is the most")
        await self._change(person, interview_id, lambda design: msgspec.structs.replace(design, phases=dict(phases)))

    async def ask(self, *, person: str, interview_id: str, text: str) -> dict[str, str]:
        """Ask the interviewer; the facts told, none where the question was about none. Raises Invalid, Conflict."""
        if not text.strip() or len(text) > MOST_ASKED_CHARS:
            raise Invalid(f"a question has 1 to {MOST_ASKED_CHARS} characters")
        found = await self.get(person=person, interview_id=interview_id)
        if found.design.questions >= MOST_QUESTIONS:
            raise Conflict(f"{MOST_QUESTIONS} questions were asked; now assume, and say what you assume")
        told = ask(found.question, text)
        asked = (*found.design.asked, *(key for key in told if key not in found.design.asked))
        await self._change(
            person, interview_id,
            lambda design: msgspec.structs.replace(design, asked=asked, questions=design.questions + 1),
        )  # fmt: skip
        return told

    async def draw(self, *, person: str, interview_id: str, change: Callable[[Board], Board]) -> None:
        """Change the board. Raises Invalid."""
        await self._change(
            person, interview_id, lambda design: msgspec.structs.replace(design, board=change(design.board))
        )

    async def run(self, *, person: str, interview_id: str, form: Mapping[str, str]) -> tuple[Gap, ...]:
        """Run the numbers, and keep them. Raises Invalid with all that is wrong, Conflict where nothing runs."""
        found = await self.get(person=person, interview_id=interview_id)
        if found.simulated is None:
            raise Conflict("nothing of this question's kind runs here yet")
        numbers = read_numbers(found.simulated, form)
        gaps = await anyio.to_thread.run_sync(run_it, found.simulated, numbers)
        await self._change(person, interview_id, lambda design: msgspec.structs.replace(design, numbers=numbers))
        return gaps

    async def gaps(self, found: Round) -> tuple[Gap, ...]:
        """What the last run's numbers came to; the same again, since a run is decided by them."""
        if found.simulated is None or not found.design.numbers:
            return ()
        return await anyio.to_thread.run_sync(run_it, found.simulated, found.design.numbers)

    async def hand_in(self, *, person: str, interview_id: str) -> None:
        """Put the notes into the answer that waits, as a draft, and judge asking and board. Raises Conflict."""
        found = await self.get(person=person, interview_id=interview_id)
        text = written(found.design)
        if not text:
            raise Conflict("there are no notes yet; write in at least one phase")
        waiting = found.interview.turns[-1]
        if waiting.answer is not None or waiting.challenge_id:
            raise Conflict("the question has its answer; these notes stay here")
        await self._interviews.put_draft(person=person, interview_id=interview_id, turn=waiting.number, text=text)
        judged = judge_design(found.design, found.question)
        await self._change(person, interview_id, lambda design: msgspec.structs.replace(design, judged=judged))

    async def _change(self, person: str, interview_id: str, change: Callable[[Design], Design]) -> None:
        found = await self.get(person=person, interview_id=interview_id)
        await self._shelf.put(person, found.key, change(found.design))
