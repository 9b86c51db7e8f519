"""The committee: where each dimension stands against the role's bar, and the decision that follows by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from reelwright.practice.contract import (
    Dimension,
    DimensionLevel,
    FeedbackLine,
    Interview,
    Loop,
    Packet,
    PacketRound,
    Quote,
    Role,
    Stage,
    Standing,
    Style,
)
from reelwright.practice.core import skill
from reelwright.practice.core.levels import level_reached

Cleared = Literal["clears", "below", "not_enough"]
MUST_HAVE: tuple[Dimension, ...] = ("correctness", "design", "judgment", "communication", "leadership")
RAISED: tuple[Dimension, ...] = ("scale", "design", "judgment", "impact", "leadership")
"""Where a higher role asks for more first."""
BASE_BAR: dict[Role, float] = {"senior": 3.0, "staff": 3.25, "senior_staff": 3.5}
RAISED_BAR: dict[Role, float] = {"senior": 3.0, "staff": 3.75, "senior_staff": 4.25}
SURE = 0.8
"""The probability at which a dimension clears."""
EVEN = 0.5
"""Below it, a dimension that is no must-have holds back its group."""
LEAST_VERDICTS = 4
MOST_QUOTES = 3


class Said(msgspec.Struct, frozen=True):
    """One criterion judged in a stage."""

    stage: Stage
    line: FeedbackLine


def bar_of(role: Role, dimension: Dimension) -> float:
    """The level that the role asks for in a dimension."""
    return (RAISED_BAR if dimension in RAISED else BASE_BAR)[role]


def decide(loop: Loop, style: Style, interviews: Sequence[Interview]) -> Packet:
    """The packet of a loop and what follows from it. Cost: linear in the verdicts."""
    said = [Said(one.stage, line) for one in interviews for turn in one.turns for line in turn.feedback]
    standings = tuple(
        _standing(loop.role, dimension, "technical" if dimension in style.technical else "culture", said)
        for dimension in (*style.technical, *style.culture)
    )
    technical, culture = (_cleared(standings, group) for group in ("technical", "culture"))
    required = [{"technical": technical, "culture": culture}[group] for group in style.must_clear]
    decision = _decision(loop, required)
    reason, decisive = _reason(loop, decision, standings)
    return Packet(
        loop=loop, decision=decision, says=style.decisions[decision], reason=reason, technical=technical,
        culture=culture, standings=standings, quotes=_quotes(decision, decisive, said),
        rounds=_rounds(loop, {one.stage: one for one in interviews}),
    )  # fmt: skip


def _standing(
    role: Role, dimension: Dimension, group: Literal["technical", "culture"], said: Sequence[Said]
) -> Standing:
    lines = [one.line for one in said if one.line.dimension == dimension]
    known = [(float(line.level), line.state == "met") for line in lines if line.state != "not_assessable"]
    belief = skill.updated(skill.Belief(), known, 0.0)
    low, high = belief.band
    bar = bar_of(role, dimension)
    p_bar = skill.p_at_least(belief, bar)
    must = dimension in MUST_HAVE
    enough = len(known) >= LEAST_VERDICTS and 2 * len(known) >= len(lines)
    state: Cleared = "below" if p_bar < (SURE if must else EVEN) else "clears"
    return Standing(
        dimension=dimension, group=group, must_have=must, bar=bar, mean=round(belief.mean, 2), low=round(low, 2),
        high=round(high, 2), verdicts=len(known), p_bar=round(p_bar, 3),
        not_assessable=round(1 - len(known) / len(lines), 3) if lines else 1.0,
        state=state if enough else "not_enough",
    )  # fmt: skip


def _cleared(standings: Sequence[Standing], group: str) -> Cleared:
    """Every must-have at the bar with 80 %, no other more likely below it; what is below decides first."""
    mine = [one for one in standings if one.group == group]
    if any(one.state == "below" for one in mine):
        return "below"
    return "not_enough" if any(one.state == "not_enough" and one.must_have for one in mine) else "clears"


def _decision(loop: Loop, required: Sequence[Cleared]) -> Literal["clear_yes", "no", "not_enough"]:
    if loop.open_rounds or ("not_enough" in required and "below" not in required):
        return "not_enough"
    return "no" if "below" in required else "clear_yes"


def _reason(loop: Loop, decision: str, standings: Sequence[Standing]) -> tuple[str, Standing | None]:
    """One sentence, and the dimension on which it rests."""
    role = loop.role.replace("_", " ")
    if loop.open_rounds:
        count = len(loop.open_rounds)
        return f"{count} of {len(loop.rounds)} rounds {'is' if count == 1 else 'are'} not finished.", None
    if decision == "not_enough":
        least = min((one for one in standings if one.state == "not_enough"), key=lambda one: one.verdicts)
        return (
            f"{_name(least.dimension)} is a must-have and rests on {least.verdicts} judged criteria, "
            f"of which at least {LEAST_VERDICTS} are needed.",
            least,
        )
    if decision == "no":
        weakest = min(
            (one for one in standings if one.state == "below"), key=lambda one: (not one.must_have, one.p_bar)
        )
        return (
            f"{_name(weakest.dimension)} is at the bar of a {role} ({weakest.bar:g} of 5) with a probability of "
            f"{say_chance(weakest.p_bar)}, and nothing else makes up for it.",
            weakest,
        )
    weakest = min((one for one in standings if one.must_have), key=lambda one: one.p_bar)
    return (
        f"Every must-have dimension is at the bar of a {role} with a probability of at least {say_chance(SURE)}, "
        f"the least sure being {_name(weakest.dimension).lower()} with {say_chance(weakest.p_bar)}.",
        weakest,
    )


def say_chance(p: float) -> str:
    """A probability in percent; what is believed is never certain."""
    return "under 1 %" if p < 0.01 else "over 99 %" if p > 0.99 else f"{p * 100:.0f} %"


def _quotes(decision: str, decisive: Standing | None, said: Sequence[Said]) -> tuple[Quote, ...]:
    """For a yes the highest that was shown; else the lowest of the decisive dimension that was not, then its best."""
    if decision == "clear_yes":
        return _best(said)
    if decisive is None:
        return ()
    mine = [one for one in said if one.line.dimension == decisive.dimension]
    missing = sorted((one for one in mine if one.line.state == "unmet"), key=lambda one: one.line.level)
    return (*(_quote(one) for one in missing[: MOST_QUOTES - 1]), *_best(mine)[:1])


def _best(said: Sequence[Said]) -> tuple[Quote, ...]:
    met = sorted((one for one in said if one.line.state == "met"), key=lambda one: -one.line.level)
    return tuple(_quote(one) for one in met[:MOST_QUOTES])


def _quote(one: Said) -> Quote:
    line = one.line
    return Quote(
        dimension=line.dimension, stage=one.stage, level=line.level, met=line.state == "met", says=line.says,
        quote=line.quote,
    )  # fmt: skip


def _rounds(loop: Loop, interviews: Mapping[Stage, Interview]) -> tuple[PacketRound, ...]:
    return tuple(
        PacketRound(
            stage=one.stage, state=one.state, interview_id=one.interview_id,
            levels=_levels(_said(interviews.get(one.stage))), quotes=_best(_said(interviews.get(one.stage))),
        )
        for one in loop.rounds
    )  # fmt: skip


def _said(interview: Interview | None) -> list[Said]:
    turns = interview.turns if interview else ()
    return [Said(interview.stage, line) for turn in turns for line in turn.feedback] if interview else []


def _levels(said: Sequence[Said]) -> dict[Dimension, DimensionLevel]:
    """Of all answers of a round together."""
    found: dict[Dimension, DimensionLevel] = {}
    for dimension in dict.fromkeys(one.line.dimension for one in said):
        lines = [one.line for one in said if one.line.dimension == dimension]
        known = [(line.level, line.state == "met") for line in lines if line.state != "not_assessable"]
        unknown = [line.level for line in lines if line.state == "not_assessable"]
        found[dimension] = DimensionLevel(
            level=level_reached(known, unknown), not_assessable=len(unknown) / len(lines)
        )
    return found


def _name(dimension: Dimension) -> str:
    return DIMENSION_NAMES[dimension]


DIMENSION_NAMES: dict[Dimension, str] = {
    "correctness": "Correctness", "scale": "Complexity and scale", "design": "Design and trade-offs",
    "domain": "Domain depth", "reliability": "Reliability and operations", "judgment": "Judgment",
    "impact": "Impact", "communication": "Communication", "leadership": "Leadership (courage and candor)",
}  # fmt: skip
