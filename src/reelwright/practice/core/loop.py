"""How a stage is planned, what is asked next, and what an answer is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

from reelwright.practice.contract import (
    Challenge,
    Criterion,
    FeedbackLine,
    Question,
    Role,
    Stage,
    Track,
    Verdict,
)

STAGE_NAMES: dict[Stage, str] = {
    "recruiter": "Recruiter screen", "phone": "Technical phone screen", "coding": "Onsite: coding on a real problem",
    "design": "Onsite: system design", "deep_dive": "Onsite: deep dive", "behavioural": "Onsite: behavioural",
    "manager": "Onsite: engineering manager", "product": "Product manager", "designer": "Designer",
}  # fmt: skip
STAGE_MINUTES: dict[Stage, int] = {
    "recruiter": 45, "phone": 60, "coding": 60, "design": 60, "deep_dive": 60, "behavioural": 60, "manager": 60,
    "product": 60, "designer": 60,
}  # fmt: skip
MAX_CHALLENGES = 3
"""After one answer."""
FILLED = 0.8
"""Of a stage's minutes; a question that was seen is not repeated to fill the rest."""
JITTER = 0.05
"""How far chance may move a question in a plan."""


def draw(seed: str, *parts: str) -> int:
    """A number that follows from the seed: the same interview is planned the same way again."""
    return int.from_bytes(hashlib.sha256("\n".join((seed, *parts)).encode()).digest()[:8], "big")


def plan_stage(
    questions: Sequence[Question], *, stage: Stage, role: Role, track: Track, seen: Collection[str], seed: str
) -> tuple[str, ...]:
    """Ids of questions that fill the stage's minutes: those not yet seen first, of as many areas as there are.

    Among these, questions that other stages could hardly do without are left to them, so that later loops need not
    repeat any. One that was seen comes only where the stage would stay emptier than `FILLED`.
    """
    open_to = [one for one in questions if role in one.roles and track in one.tracks]
    wanted = _wanted([one for one in open_to if one.id not in seen], stage)
    fit = [one for one in open_to if stage in one.stages]
    fit.sort(key=lambda one: (one.id in seen, not one.always, wanted(one) + JITTER * draw(seed, one.id) / 2**64))
    chosen: list[Question] = []
    left = STAGE_MINUTES[stage]
    for repeat_area in (False, True):
        for one in fit:
            areas = {other.area for other in chosen}
            enough = one.id in seen and left <= (1 - FILLED) * STAGE_MINUTES[stage]
            if one not in chosen and one.minutes <= left and not enough and (repeat_area or one.area not in areas):
                chosen.append(one)
                left -= one.minutes
    return tuple(one.id for one in chosen)


def _wanted(fresh: Sequence[Question], stage: Stage) -> Callable[[Question], float]:
    """How much the other stages want a question: for each that could ask it, the share of its supply for one loop."""
    supply = {one: sum(question.minutes for question in fresh if one in question.stages) for one in STAGE_MINUTES}
    price = {one: minutes / max(supply[one], minutes / 2) for one, minutes in STAGE_MINUTES.items()}
    return lambda question: sum(price[one] for one in question.stages if one != stage)


def wording(question: Question, seed: str) -> str:
    """What is asked, with a variant of each parameter."""
    text = question.asks
    for name, values in question.parameters.items():
        text = text.replace("{" + name + "}", values[draw(seed, question.id, name) % len(values)])
    return text


def next_challenge(question: Question, verdicts: Mapping[str, Verdict], asked: Sequence[str]) -> Challenge | None:
    """The challenge to ask after an answer: the next level of the last one, else the first whose condition holds."""
    if len(asked) >= MAX_CHALLENGES:
        return None
    by_id = {challenge.id: challenge for challenge in question.challenges}
    if asked and asked[-1] in by_id:
        for name in by_id[asked[-1]].then:
            if name not in asked and name in by_id:
                return by_id[name]
    for challenge in question.challenges:
        if challenge.id in asked or challenge.when == "after" or challenge.criterion is None:
            continue
        verdict = verdicts.get(challenge.criterion)
        if verdict is not None and verdict.state == challenge.when:
            return challenge
    return None


def feedback(criteria: Sequence[Criterion], verdicts: Sequence[Verdict]) -> tuple[FeedbackLine, ...]:
    """What each criterion came to, met ones with their quote; the lowest unmet one carries the drill."""
    lines = []
    unmet = [c.level for c, v in zip(criteria, verdicts, strict=True) if v.state == "unmet"]
    lowest, drilled = min(unmet, default=0), False
    for criterion, verdict in zip(criteria, verdicts, strict=True):
        drill = ""
        if verdict.state == "unmet" and criterion.level == lowest and not drilled:
            drilled = True
            drill = f"Answer again in two minutes, aloud, and make this point in one sentence: {criterion.says}"
        lines.append(
            FeedbackLine(
                dimension=criterion.dimension, state=verdict.state, quote=verdict.quote, says=criterion.says,
                level=criterion.level, drill=drill, why=verdict.says if verdict.state == "not_assessable" else "",
            )
        )  # fmt: skip
    return tuple(lines)
