"""A finished loop for the demo, so that no page is empty; labelled as such, since nobody gave these answers."""

from __future__ import annotations

from collections.abc import Mapping

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.practice.contract import Grader, Interview, Loop, Question, Style, Turn
from reelwright.practice.core.loop import draw
from reelwright.practice.core.predicate import sentences
from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.service.loops import LoopsService

DAY_S = 86_400
BEGAN_DAYS_AGO = 27
MINUTES_AN_ANSWER = 6


async def put_sample(
    *, database: Database, questions: Mapping[str, Question], grader: Grader, styles: Mapping[str, Style],
    person: str, now_ns: int,
) -> Loop:  # fmt: skip
    """Play a whole loop through the service itself, its answers parts of our model answers; once for each person."""
    clock = VirtualClock(now_ns - BEGAN_DAYS_AGO * DAY_S * 10**9)
    interviews = PracticeService(database=database, clock=clock, questions=tuple(questions.values()), grader=grader)
    loops = LoopsService(database=database, clock=clock, interviews=interviews, styles=styles)
    for known in await loops.list_loops(person=person):
        if known.sample:
            return known
    loop = await loops.create(person=person, role="senior", track="streaming", pace="weeks", sample=True)
    for planned in loop.rounds:
        clock.advance(max(0.0, planned.planned_ms / 1000 - clock.wall_ns() / 1e9))
        interview = await loops.begin_round(person=person, loop_id=loop.id, stage=planned.stage)
        while interview.state != "finished":
            clock.advance(60 * MINUTES_AN_ANSWER)
            waiting = interview.turns[-1]
            interview = await interviews.answer(
                person=person, interview_id=interview.id, turn=waiting.number,
                text=_answer(questions[waiting.question_id], waiting, interview),
            )  # fmt: skip
    return await loops.get(person=person, loop_id=loop.id)


def _answer(question: Question, turn: Turn, interview: Interview) -> str:
    """A model answer, of which every other one loses its second half."""
    whole = question.model_answer
    if turn.challenge_id:
        whole = next(one.answer for one in question.challenges if one.id == turn.challenge_id)
    parts = sentences(whole)
    short = len(parts) > 2 and draw("sample", interview.stage, question.id) % 2 == 0
    return whole[: parts[len(parts) // 2].start].rstrip() if short else whole
