"""Opinions on an answer beside the rules': a language model's, a pasted reply, one's own, another person's."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import anyio.to_thread
import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, Transient
from reelwright.practice.adapters import opinions as sql
from reelwright.practice.adapters import room
from reelwright.practice.contract import Criterion, Opinion, Turn, Verdict
from reelwright.practice.core.counting import counts
from reelwright.practice.core.evidence import locate, rubric_hash
from reelwright.practice.core.levels import dimension_levels
from reelwright.practice.core.reply import MAX_REPLY_CHARS, prompt, read_reply
from reelwright.practice.service.interviews import PracticeService, clean
from reelwright.practice.service.model import ModelService

Form = Mapping[str, tuple[str, str]]
"""Criterion to its state and the words it rests on."""


class OpinionsService:
    """Second opinions; which of them count is decided when a curve is drawn, not when they are given."""

    def __init__(self, *, database: Database, clock: Clock, interviews: PracticeService, model: ModelService) -> None:
        self._database = database
        self._clock = clock
        self._interviews = interviews
        self._model = model
        self._asking: set[asyncio.Task[None]] = set()

    async def get_turn(self, *, person: str, interview_id: str, number: int) -> tuple[Turn, tuple[Criterion, ...]]:
        """An answered turn and what it is judged by. Raises NoInterview, and Invalid where it has no answer."""
        interview = await self._interviews.get(person=person, interview_id=interview_id)
        turn = next((one for one in interview.turns if one.number == number), None)
        if turn is None or turn.answer is None:
            raise Invalid(f"turn {number} has no answer yet, so there is nothing to judge")
        return turn, self._interviews.criteria_of(turn)

    async def get_prompt(self, *, person: str, interview_id: str, number: int) -> str:
        """What to carry to any chat by hand: the very prompt that an endpoint would be sent."""
        turn, criteria = await self.get_turn(person=person, interview_id=interview_id, number=number)
        return prompt(asks=turn.asks, criteria=criteria, answer=turn.answer or "", fence=secrets.token_hex(8))

    async def put_pasted(self, *, person: str, interview_id: str, number: int, reply: str) -> Opinion:
        """Read a reply carried back by hand, as strictly as an endpoint's. Raises Invalid where it holds no verdict
        on this question: one that was cut off, or is of another question, takes no place of an earlier one."""
        if len(reply) > MAX_REPLY_CHARS:
            raise Invalid(f"the reply has {len(reply)} characters, more than {MAX_REPLY_CHARS}")
        turn, criteria = await self.get_turn(person=person, interview_id=interview_id, number=number)
        verdicts = read_reply(reply, asks=turn.asks, criteria=criteria, answer=turn.answer or "", grader="paste")
        if all(one.state == "not_assessable" for one in verdicts):
            raise Invalid(
                "there is no verdict on this question in it; copy the whole reply, from its first { to its last }"
            )
        return await self._put(person, interview_id, number, kind="paste", grader="paste", verdicts=verdicts)

    async def put_form(
        self, *, person: str, interview_id: str, number: int, kind: Literal["self", "human"], name: str, form: Form
    ) -> Opinion:
        """One's own verdicts, or another person's.

        Raises Invalid where 'met' has no words that are in the answer, Conflict where practice is full.
        """
        turn, criteria = await self.get_turn(person=person, interview_id=interview_id, number=number)
        await self._database.read(room.check_room, person)
        name = clean(name).strip()
        if kind == "human" and not name:
            raise Invalid("say who judges: another person's verdicts count, and are kept under their name")
        grader = "self" if kind == "self" else f"human:{name[:80]}"
        verdicts = tuple(_stated(one, form.get(one.id, ("", "")), turn.answer or "", grader) for one in criteria)
        return await self._put(person, interview_id, number, kind=kind, grader=grader, verdicts=verdicts)

    async def list_opinions(self, *, person: str, interview_id: str) -> dict[int, list[Opinion]]:
        """The opinions on each turn. Raises NoInterview."""
        interview = await self._interviews.get(person=person, interview_id=interview_id)
        turns = {turn.number: turn for turn in interview.turns}
        passed = await self._model.list_passed()
        found: dict[int, list[Opinion]] = {}
        for row in await self._database.read(sql.list_opinions, interview_id):
            if row["number"] in turns:
                criteria = self._interviews.criteria_of(turns[row["number"]])
                found.setdefault(row["number"], []).append(_opinion(row, criteria, passed))
        return found

    def ask_later(self, person: str, interview_id: str, number: int) -> None:
        """Ask the model beside the request; its failure is kept as an opinion without verdicts."""
        if self._model.grader is None:
            return
        task = asyncio.get_running_loop().create_task(self._ask(person, interview_id, number))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def stop(self) -> None:
        """Wait no longer for the model."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _ask(self, person: str, interview_id: str, number: int) -> None:
        grader = self._model.grader
        assert grader is not None
        turn, criteria = await self.get_turn(person=person, interview_id=interview_id, number=number)
        verdicts: tuple[Verdict, ...] = ()
        problem = ""
        try:
            if await anyio.to_thread.run_sync(self._model.affordable):
                verdicts = await anyio.to_thread.run_sync(
                    lambda: grader.grade(asks=turn.asks, criteria=criteria, answer=turn.answer or ""),
                    abandon_on_cancel=True,
                )
            else:
                problem = "today's budget is spent; rules judge alone"
        except Transient as error:
            problem = str(error)
        await self._put(
            person, interview_id, number, kind="llm", grader=grader.id, verdicts=verdicts, problem=problem
        )

    async def _put(
        self, person: str, interview_id: str, number: int, *, kind: str, grader: str, verdicts: Sequence[Verdict],
        problem: str = "",
    ) -> Opinion:  # fmt: skip
        row = {
            "interview_id": interview_id, "number": number, "grader": grader[:200], "person": person, "kind": kind,
            "verdicts": msgspec.to_builtins(tuple(verdicts)), "problem": problem,
            "at_ms": self._clock.wall_ns() // 1_000_000,
        }  # fmt: skip
        await self._database.write(sql.put_opinion, **row)
        _, criteria = await self.get_turn(person=person, interview_id=interview_id, number=number)
        return _opinion(row, criteria, await self._model.list_passed())


def _opinion(row: Mapping[str, Any], criteria: Sequence[Criterion], passed: frozenset[str]) -> Opinion:
    verdicts = msgspec.convert(row["verdicts"], tuple[Verdict, ...])
    return Opinion(
        grader=row["grader"], kind=row["kind"], counts=counts(row, passed), verdicts=verdicts, at_ms=row["at_ms"],
        problem=row["problem"], levels=dimension_levels(criteria, {one.criterion: one for one in verdicts}),
    )  # fmt: skip


def _stated(criterion: Criterion, said: tuple[str, str], answer: str, grader: str) -> Verdict:
    state, quote = said
    blank = Verdict(criterion=criterion.id, state="not_assessable", grader=grader, rubric=rubric_hash(criterion))
    if state == "met":
        place = locate(quote, answer)
        if place is None:
            raise Invalid(
                f"“{criterion.says}” is marked as met by {quote[:60]!r}; "
                "copy at least three words that are in the answer"
            )
        start, end = place
        return msgspec.structs.replace(blank, state="met", start=start, end=end, quote=answer[start:end])
    return msgspec.structs.replace(blank, state="unmet") if state == "unmet" else blank
