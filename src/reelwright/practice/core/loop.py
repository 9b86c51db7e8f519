"""How a stage is planned, what is asked next, and what an answer is told."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

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

STAGE_MINUTES: dict[Stage, int] = {
    "recruiter": 45, "phone": 60, "coding": 60, "design": 60, "deep_dive": 60, "behavioural": 60, "manager": 60,
    "product": 60, "designer": 60,
}  # fmt: skip
MAX_CHALLENGES = 3
"""After one answer."""


def draw(seed: str, *parts: str) -> int:
    """A number that follows from the seed: the same interview is planned the same way again."""
    return int.from_bytes(hashlib.sha256("\n".join((seed, *parts)).encode()).digest()[:8], "big")


def plan_stage(
    questions: Sequence[Question], *, stage: Stage, role: Role, track: Track, seen: Collection[str], seed: str
) -> tuple[str, ...]:
    """Ids of questions that fill the stage's minutes: those not yet seen first, of as many areas as there are."""
    fit = [one for one in questions if stage in one.stages and role in one.roles and track in one.tracks]
    fit.sort(key=lambda one: (one.id in seen, not one.always, draw(seed, one.id)))
    chosen: list[Question] = []
    left = STAGE_MINUTES[stage]
    for repeat_area in (False, True):
        for one in fit:
            areas = {other.area for other in chosen}
            if one not in chosen and one.minutes <= left and (repeat_area or one.area not in areas):
                chosen.append(one)
                left -= one.minutes
    return tuple(one.id for one in chosen)


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
                level=criterion.level, drill=drill,
            )
        )  # fmt: skip
    return tuple(lines)
