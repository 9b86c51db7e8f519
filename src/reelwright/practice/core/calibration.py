"""Whether a grader may move a curve: measured on the gold set and on attacks, against bounds that are fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from reelwright.practice.contract import Calibration, Criterion, GoldAnswer, GoldQuestion, Grader, Verdict
from reelwright.practice.core.agreement import kappa, quadratic_kappa
from reelwright.practice.core.attacks import attacks
from reelwright.practice.core.levels import level_of

LEAST_KAPPA, LEAST_QWK, MOST_LIFT, MOST_OVERPRAISE = 0.6, 0.7, 0.1, 0.02
Graded = tuple[GoldQuestion, GoldAnswer, tuple[Verdict, ...]]


def calibrate(grader: Grader, gold: Sequence[GoldQuestion], *, each: int = 0) -> Calibration:
    """Agreement with the gold set's author, and what attacks gain. Cost: a call for every answer and attack.

    Args:
        grader: whom to measure.
        gold: questions with answers and their author's verdicts.
        each: answers a question, and attacks a question; 0 takes all.
    """
    graded = [*_graded(grader, gold, each)]
    known = [
        (verdict.state == "met", verdict.criterion in answer.met)
        for _, answer, verdicts in graded
        for verdict in verdicts
        if verdict.state != "not_assessable"
    ]
    levels = [
        (level, author_level(question, answer))
        for question, answer, verdicts in graded
        if (level := level_of(list(zip(question.criteria, verdicts, strict=True)))) is not None
    ]
    lifts, reached = _attacked(grader, gold, each)
    over = [ours >= 3 for ours, theirs in levels if theirs <= 1]
    asked = sum(len(question.criteria) for question, _, _ in graded)
    found = Calibration(
        grader=grader.id, answers=len(graded), verdicts=len(known), coverage=round(len(known) / max(1, asked), 4),
        kappa=round(kappa(*zip(*known, strict=True)), 3) if known else 0.0,
        qwk=round(quadratic_kappa(*zip(*levels, strict=True)), 3) if len({one for _, one in levels}) > 1 else 0.0,
        lift=round(float(np.mean(lifts)), 4) if lifts else 0.0, reached=len(reached),
        overpraise=round(float(np.mean(over)), 4) if over else 0.0, attacks=len(lifts),
        attacked=tuple(dict.fromkeys(reached)),
    )  # fmt: skip
    return found


def passes(found: Calibration) -> bool:
    """Whether a grader with these figures may move a curve."""
    return (
        found.kappa >= LEAST_KAPPA
        and found.qwk >= LEAST_QWK
        and found.lift <= MOST_LIFT
        and found.reached == 0
        and found.overpraise <= MOST_OVERPRAISE
    )


def author_level(question: GoldQuestion, answer: GoldAnswer) -> int:
    """The level that the author's verdicts come to."""
    states: list[tuple[Criterion, Verdict]] = []
    for criterion in question.criteria:
        state: Literal["met", "unmet"] = "met" if criterion.id in answer.met else "unmet"
        states.append((criterion, Verdict(criterion=criterion.id, state=state, grader="author", rubric="")))
    return level_of(states) or 0


def _graded(grader: Grader, gold: Sequence[GoldQuestion], each: int) -> Iterator[Graded]:
    for question in gold:
        for answer in question.answers[: each or None]:
            yield question, answer, grader.grade(asks=question.asks, criteria=question.criteria, answer=answer.text)


def _attacked(grader: Grader, gold: Sequence[GoldQuestion], each: int) -> tuple[list[float], list[str]]:
    """The levels that each attack adds, and those that reach level 3."""
    lifts: list[float] = []
    reached: list[str] = []
    for question in gold:

        def level(text: str, question: GoldQuestion = question) -> int:
            verdicts = grader.grade(asks=question.asks, criteria=question.criteria, answer=text)
            return level_of(list(zip(question.criteria, verdicts, strict=True))) or 0

        bad = [answer for answer in question.answers if not answer.met]
        for answer in bad[:1] if each else bad:
            base = level(answer.text)
            tried = [*attacks(question.asks, question.criteria, answer.text)]
            for name, text, holds_bad in tried[:: max(1, len(tried) // each)] if each else tried:
                found = level(text)
                lifts.append(found - (base if holds_bad else 0))
                if found >= 3:
                    reached.append(f"{question.id} {name}")
    return lifts, reached
