"""Interviews: start a stage, answer, pause and go on, see progress, take everything away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import anyio.to_thread
import msgspec
import sqlalchemy as sa

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.kernel.ids import new_id
from reelwright.practice.adapters import lab_runs, notes, opinions, room, sql
from reelwright.practice.contract import (
    Criterion,
    Dimension,
    Grader,
    Interview,
    NoInterview,
    Question,
    Role,
    Said,
    Skill,
    SkillPoint,
    Stage,
    Track,
    Turn,
    TurnMoved,
    Verdict,
)
from reelwright.practice.core import loop, skill
from reelwright.practice.core.cards import Missed
from reelwright.practice.core.counting import counts
from reelwright.practice.core.followup import usable
from reelwright.practice.core.levels import dimension_levels
from reelwright.practice.core.past_work import Line, LineQuestion, questions_about, with_lines
from reelwright.practice.labs.labs import LABS

DAY_MS = 86_400_000
MAX_ANSWER_CHARS = 1_000_000
Judgement = tuple[Dimension, int, bool]
"""Dimension, level, whether it was met."""
Answered = Callable[[str, str, int], None]
"""Hears person, interview and number of each answer that was saved."""


ReadLines = Callable[[str], Awaitable[Sequence[Line]]]
"""Lines of a person's past work that may be asked about."""


class Converse(Protocol):
    """Puts a challenge in words that take up the answer."""

    def __call__(self, *, asked: str, answer: str, challenge: str) -> AsyncGenerator[str]:
        """What may be shown of them so far, again with each piece; it ends where no more come."""
        ...


async def _said(asks: str) -> AsyncIterator[Said]:
    yield Said(asks=asks)


TOLD = ("number", "question_id", "challenge_id", "kind", "asks", "answer", "draft")


class PracticeService:
    """Interviews of the people of this installation."""

    def __init__(
        self, *, database: Database, clock: Clock, questions: Sequence[Question], grader: Grader,
        converse: Converse | None = None, read_lines: ReadLines | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._questions: Mapping[str, Question] = {question.id: question for question in questions}
        self._grader = grader
        self._converse = converse
        self._read_lines = read_lines
        self._answered: list[Answered] = []

    def tell_answers(self, hears: Answered) -> None:
        """Tell of every answer once it is saved."""
        self._answered.append(hears)

    async def start(
        self, *, person: str, stage: Stage, role: Role, track: Track, loop_id: str = "", sample: bool = False
    ) -> Interview:
        """Begin a stage: questions that this person has not seen come first. The first one is asked at once.

        A round of a loop that has begun already is gone on with. Raises Conflict where practice is full.
        """
        await self._database.read(room.check_new_interview, person)
        await self._database.read(room.check_room, person)
        answered = await self._database.read(sql.list_answered, person)
        interview_id = new_id(self._clock)
        plan = loop.plan_stage(
            tuple(self._questions.values()), stage=stage, role=role, track=track,
            seen={turn["question_id"] for turn in answered}, seed=interview_id,
        )  # fmt: skip
        about = await self._about(person, stage, interview_id)
        plan = with_lines(plan, about, self._questions, stage)
        if not plan:
            raise Invalid(f"there is no question for stage {stage}, role {role} and track {track}")
        now = self._now_ms()
        begun = await self._database.write(
            sql.put_interview,
            turn=_quoting(self._turn(interview_id, 0, self._questions[plan[0]]), about),
            id=interview_id, person=person, stage=stage, role=role, track=track, plan=list(plan), state="running",
            elapsed_ms=0, running_since_ms=now, created_ms=now, loop_id=loop_id, sample=sample,
        )  # fmt: skip
        return await self.get(person=person, interview_id=begun)

    async def get(self, *, person: str, interview_id: str) -> Interview:
        """The interview as it stands. Raises NoInterview."""
        row = await self._row(person, interview_id)
        turns = await self._database.read(sql.list_turns, interview_id)
        return self._interview(row, [self._told(turn) for turn in turns])

    async def list_interviews(self, *, person: str) -> list[Interview]:
        """The person's interviews, newest first, without their turns."""
        rows = await self._database.read(sql.list_interviews, person)
        return [self._interview(row, []) for row in rows]

    async def answer(self, *, person: str, interview_id: str, turn: int, text: str) -> Interview:
        """Save and judge the answer to the turn that waits, and ask what comes next.

        Raises TurnMoved where that turn is not the one that waits: another device was first, and nothing is lost;
        Conflict where practice is full.
        """
        text = clean(text)
        row = await self._row(person, interview_id)
        await self._database.read(room.check_room, person)
        turns = await self._database.read(sql.list_turns, interview_id)
        waiting = turns[-1]
        if row["state"] == "finished" or waiting["answer"] is not None or waiting["number"] != turn:
            raise TurnMoved(f"turn {turn} has been answered; reload the interview, now at turn {waiting['number']}")
        verdicts = await anyio.to_thread.run_sync(self._grade, waiting, text)
        following = self._following(row, turns, {verdict.criterion: verdict for verdict in verdicts})
        if following and not following["challenge_id"]:
            following = _quoting(following, await self._about(person, row["stage"], interview_id))
        saved = await self._database.write(
            sql.answer_turn, interview_id=interview_id, number=turn, following=following,
            values={
                "answer": text, "draft": "", "verdicts": msgspec.to_builtins(verdicts), "answered_ms": self._now_ms(),
            },
            state=self._clocked(row, "running" if following else "finished"),
        )  # fmt: skip
        if not saved:
            raise TurnMoved(f"turn {turn} was answered on another device meanwhile; reload the interview")
        for hears in self._answered:
            hears(person, interview_id, turn)
        return await self.get(person=person, interview_id=interview_id)

    async def say(self, *, person: str, interview_id: str, turn: int) -> AsyncIterator[Said]:
        """The waiting challenge in words that take up the answer before it, as they come; last what is asked.

        The scripted challenge waits meanwhile and stays where the words fail, are not usable, or come too late. Of
        several devices that ask, one hears the words come; the others hear what is asked. Raises NoInterview,
        TurnMoved.
        """
        row = await self._row(person, interview_id)
        turns = await self._database.read(sql.list_turns, row["id"])
        if not 0 < turn < len(turns) or turns[turn]["answer"] is not None:
            raise TurnMoved(f"turn {turn} does not wait for an answer; reload the interview")
        if self._converse is None:
            return _said(turns[turn]["asks"])
        mine = await self._database.write(sql.claim_words, interview_id, turn)
        return (
            self._saying(interview_id, turns[turn - 1], turns[turn], self._converse)
            if mine
            else _said(turns[turn]["asks"])
        )

    async def _saying(
        self, interview_id: str, before: Mapping[str, Any], waiting: Mapping[str, Any], converse: Converse
    ) -> AsyncIterator[Said]:
        shown = ""
        words = converse(asked=before["asks"], answer=before["answer"], challenge=waiting["asks"])
        async with aclosing(words):
            async for now in words:
                if len(now) > len(shown):
                    yield Said(more=now[len(shown) :])
                    shown = now
        asks = usable(shown, answer=before["answer"])
        if not asks or not await self._database.write(sql.put_words, interview_id, waiting["number"], asks):
            asks = waiting["asks"]
        yield Said(asks=asks)

    async def list_missed(self, *, person: str) -> list[Missed]:
        """Criteria that the latest answer to their question did not meet; the demo's only where there is no other."""
        answered = await self._database.read(_read_counted, person)
        own = [one for one in answered if not one["sample"]]
        latest: dict[tuple[str, str, str], tuple[Mapping[str, Any], str]] = {}
        for turn in own or answered:
            for one in turn["counted"]:
                latest[turn["question_id"], turn["challenge_id"], one["criterion"]] = (turn, one["state"])
        missed = [
            self._missed(turn, criterion) for (_, _, criterion), (turn, state) in latest.items() if state == "unmet"
        ]
        return [one for one in missed if one is not None]

    def judge_criterion(self, missed: Missed, text: str) -> Verdict | None:
        """Whether a sentence meets one criterion; None where it has left the bank."""
        criteria = self._criteria({"question_id": missed.question_id, "challenge_id": missed.challenge_id})
        one = [criterion for criterion in criteria if criterion.id == missed.criterion]
        return self._grader.grade(asks=missed.asks, criteria=one, answer=clean(text))[0] if one else None

    def criteria_of(self, turn: Turn) -> tuple[Criterion, ...]:
        """What an answer to this turn is judged by; nothing where its question has left the bank."""
        return self._criteria({"question_id": turn.question_id, "challenge_id": turn.challenge_id})

    async def put_timer(self, *, person: str, interview_id: str, running: bool) -> Interview:
        """Pause, or go on. Raises Conflict when the interview is finished."""
        row = await self._row(person, interview_id)
        if row["state"] == "finished":
            raise Conflict("the interview is finished; its timer stands")
        await self._database.write(
            sql.put_state, interview_id, **self._clocked(row, "running" if running else "paused")
        )
        return await self.get(person=person, interview_id=interview_id)

    async def put_draft(self, *, person: str, interview_id: str, turn: int, text: str) -> None:
        """Keep what was typed so far.

        Raises TurnMoved where the turn has its answer, Conflict where practice is full.
        """
        await self._row(person, interview_id)
        await self._database.read(room.check_room, person)
        kept = clean(text)
        if not await self._database.write(sql.put_draft, interview_id, turn, kept):
            raise TurnMoved(f"turn {turn} has been answered; reload the interview")

    async def list_skills(self, *, person: str) -> list[Skill]:
        """What is believed of each dimension that was judged."""
        beliefs, counts = await self._beliefs(person)
        return [self._skill(dimension, known, counts[dimension]) for dimension, known in beliefs.items()]

    async def list_history(self, *, person: str) -> dict[Dimension, list[SkillPoint]]:
        """What was believed of each dimension, after every answer that judged it."""
        beliefs, _ = await self._beliefs(person)
        return {dimension: [_told_belief(one) for one in known] for dimension, known in beliefs.items()}

    async def _beliefs(self, person: str) -> tuple[dict[Dimension, list[skill.Belief]], dict[Dimension, int]]:
        """After each answer and each graded lab; the demo's answers count only until there is one of one's own."""
        beliefs: dict[Dimension, list[skill.Belief]] = {}
        counts: dict[Dimension, int] = {}
        for at_ms, judged in await self._judgements(person):
            day = at_ms / DAY_MS
            for dimension in dict.fromkeys(one for one, _, _ in judged):
                seen = [(float(level), met) for one, level, met in judged if one == dimension]
                known = beliefs.setdefault(dimension, [])
                last = known[-1] if known else skill.Belief(at_day=day)
                known.append(skill.updated(last, seen, day))
                counts[dimension] = counts.get(dimension, 0) + len(seen)
        return beliefs, counts

    async def _judgements(self, person: str) -> list[tuple[int, list[Judgement]]]:
        """What was judged, in order of time."""
        answered = await self._database.read(_read_counted, person)
        own = [one for one in answered if not one["sample"]]
        runs = await self._database.read(lab_runs.list_graded, person)
        found = [(turn["answered_ms"], self._judged(turn)) for turn in (own if own or runs else answered)]
        found += [(row["created_ms"], _measured(row)) for row in runs]
        designs = await self._database.read(notes.list_notes, person, "design")
        found += [(row["changed_ms"], [*map(tuple, row["body"].get("judged", ()))]) for row in designs]
        return sorted(found, key=lambda one: one[0])

    def _judged(self, turn: Mapping[str, Any]) -> list[Judgement]:
        criteria = {criterion.id: criterion for criterion in self._criteria(turn)}
        return [
            (criteria[one["criterion"]].dimension, criteria[one["criterion"]].level, one["state"] == "met")
            for one in turn["counted"]
            if one["criterion"] in criteria and one["state"] != "not_assessable"
        ]

    async def export(self, *, person: str) -> list[Interview]:
        """Everything that is kept of the person."""
        rows = await self._database.read(sql.list_interviews, person, 1_000_000)
        return [await self.get(person=person, interview_id=row["id"]) for row in rows]

    async def _about(self, person: str, stage: Stage, interview_id: str) -> list[LineQuestion]:
        """What this interview asks about the person's own lines; those of earlier interviews come last."""
        lines = await self._read_lines(person) if self._read_lines else []
        if not lines:
            return []
        before = await self._database.read(sql.list_answered, person)
        asked = [turn["asks"] for turn in before if turn["interview_id"] != interview_id]
        return questions_about(lines, stage, seed=interview_id, asked=asked)

    def _missed(self, turn: Mapping[str, Any], criterion: str) -> Missed | None:
        found = next((one for one in self._criteria(turn) if one.id == criterion), None)
        if found is None:
            return None
        return Missed(
            question_id=turn["question_id"], challenge_id=turn["challenge_id"], criterion=criterion,
            asks=turn["asks"], says=found.says, dimension=found.dimension, level=found.level,
            at_ms=turn["answered_ms"], sample=turn["sample"],
        )  # fmt: skip

    # --- parts ---------------------------------------------------------------------------------------------------

    def _grade(self, turn: Mapping[str, Any], text: str) -> tuple[Verdict, ...]:
        return self._grader.grade(asks=turn["asks"], criteria=self._criteria(turn), answer=text)

    def _criteria(self, turn: Mapping[str, Any]) -> tuple[Criterion, ...]:
        """What the turn is judged by; nothing where the question has left the bank."""
        question = self._questions.get(turn["question_id"])
        if question is None:
            return ()
        if not turn["challenge_id"]:
            return question.criteria
        found = (one.criteria for one in question.challenges if one.id == turn["challenge_id"])
        return next(found, ())

    def _following(
        self, row: Mapping[str, Any], turns: Sequence[Mapping[str, Any]], verdicts: Mapping[str, Verdict]
    ) -> dict[str, Any] | None:
        last = turns[-1]
        question = self._questions.get(last["question_id"])
        number = last["number"] + 1
        if question is not None:
            mine = [turn for turn in turns if turn["question_id"] == question.id]
            known = {v["criterion"]: msgspec.convert(v, Verdict) for turn in mine for v in turn["verdicts"]}
            asked = [turn["challenge_id"] for turn in mine if turn["challenge_id"]]
            challenge = loop.next_challenge(question, {**known, **verdicts}, asked)
            if challenge is not None:
                return {
                    **self._turn(row["id"], number, question), "challenge_id": challenge.id, "kind": challenge.kind,
                    "asks": challenge.asks,
                }  # fmt: skip
        position = row["plan"].index(last["question_id"]) + 1
        for name in row["plan"][position:]:
            if name in self._questions:
                return self._turn(row["id"], number, self._questions[name])
        return None

    def _turn(self, interview_id: str, number: int, question: Question) -> dict[str, Any]:
        return {
            "interview_id": interview_id, "number": number, "question_id": question.id, "challenge_id": "",
            "kind": "question", "asks": loop.wording(question, interview_id), "answer": None, "verdicts": [],
            "answered_ms": 0, "draft": "",
        }  # fmt: skip

    def _told(self, turn: Mapping[str, Any]) -> Turn:
        known = {key: turn[key] for key in TOLD}
        if turn["answer"] is None:
            return Turn(**known, to_word=bool(self._converse and turn["challenge_id"] and not turn["worded"]))
        verdicts = msgspec.convert(turn["verdicts"], tuple[Verdict, ...])
        by_id = {verdict.criterion: verdict for verdict in verdicts}
        criteria = [criterion for criterion in self._criteria(turn) if criterion.id in by_id]
        question = self._questions.get(turn["question_id"])
        model = question.model_answer if question and not turn["challenge_id"] else ""
        return Turn(
            **known, verdicts=verdicts, levels=dimension_levels(criteria, by_id), model_answer=model,
            feedback=loop.feedback(criteria, [by_id[criterion.id] for criterion in criteria]),
        )  # fmt: skip

    def _skill(self, dimension: Any, known: Sequence[skill.Belief], count: int) -> Skill:
        now = skill.waited(known[-1], self._now_ms() / DAY_MS)
        low, high = now.band
        return Skill(
            dimension=dimension, mean=round(now.mean, 2), low=round(low, 2), high=round(high, 2), verdicts=count,
            improved=round(skill.p_improved(known[0], now), 3) if len(known) > 1 else 0.0,
        )  # fmt: skip

    def _clocked(self, row: Mapping[str, Any], state: str) -> dict[str, Any]:
        return {"state": state, "elapsed_ms": self._elapsed_ms(row), "running_since_ms": self._now_ms()}

    def _elapsed_ms(self, row: Mapping[str, Any]) -> int:
        """What the timer shows: whoever took longer over one turn than a whole stage has left without a pause."""
        passed = max(0, self._now_ms() - row["running_since_ms"]) if row["state"] == "running" else 0
        away = passed > loop.STAGE_MINUTES[row["stage"]] * 60_000
        return int(row["elapsed_ms"]) + (0 if away else passed)

    def _interview(self, row: Mapping[str, Any], turns: Sequence[Turn]) -> Interview:
        return Interview(
            id=row["id"], stage=row["stage"], role=row["role"], track=row["track"], state=row["state"],
            minutes=loop.STAGE_MINUTES[row["stage"]], elapsed_s=self._elapsed_ms(row) // 1000,
            created_ms=row["created_ms"], turns=tuple(turns), loop_id=row["loop_id"], sample=row["sample"],
        )  # fmt: skip

    async def _row(self, person: str, interview_id: str) -> dict[str, Any]:
        row = await self._database.read(sql.get_interview, interview_id, person)
        if row is None:
            raise NoInterview(f"no interview {interview_id[:40]!r} of yours; list them at /practice")
        return row

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def _quoting(turn: dict[str, Any], about: Sequence[LineQuestion]) -> dict[str, Any]:
    """The turn in the words of the question that quotes a line, where there is one for it."""
    found = next((one for one in about if one.question_id == turn["question_id"]), None)
    return {**turn, "asks": found.asks} if found else turn


def clean(text: str) -> str:
    """An answer as it can be stored. Raises Invalid where it is too long."""
    if len(text) > MAX_ANSWER_CHARS:
        raise Invalid(f"the answer has {len(text)} characters, more than {MAX_ANSWER_CHARS}; shorten it")
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _told_belief(belief: skill.Belief) -> SkillPoint:
    low, high = belief.band
    return SkillPoint(
        at_ms=round(belief.at_day * DAY_MS), mean=round(belief.mean, 2), low=round(low, 2), high=round(high, 2)
    )


def _measured(row: Mapping[str, Any]) -> list[Judgement]:
    """What a lab on hidden seeds shows; nothing where it could not be judged."""
    lab, valid = LABS.get(row["lab"]), row["result"]["valid"]
    if lab is None or valid == "unknown":
        return []
    return [(dimension, level, valid == "true") for dimension, level in lab.shows]


def _read_counted(connection: sa.Connection, person: str) -> list[dict[str, Any]]:
    """Answered turns with the verdicts that count: a person's, else a calibrated model's, else the rules'."""
    passed = frozenset(one for one, found in opinions.list_calibrations(connection).items() if found["passed"])
    given: dict[tuple[str, int], dict[str, Any]] = {}
    for row in opinions.list_all(connection, person):
        key = row["interview_id"], row["number"]
        if counts(row, passed) and (key not in given or given[key]["kind"] != "human" or row["kind"] == "human"):
            given[key] = row
    return [
        {**turn, "counted": given.get((turn["interview_id"], turn["number"]), turn)["verdicts"]}
        for turn in sql.list_answered(connection, person)
    ]
