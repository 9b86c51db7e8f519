"""Levels 0 to 5 from met and unmet criteria, by rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from reelwright.practice.contract import Criterion, Dimension, DimensionLevel, Verdict

WORDS = ("not shown", "needs work", "developing", "solid", "strong", "clear yes")
SHARE = 2 / 3
"""Of the criteria up to a level, this part must be met to reach it."""


def level_of(judged: Iterable[tuple[Criterion, Verdict]]) -> int | None:
    """The highest level L of which at least two thirds of the criteria up to L are met; 0 when none is.

    Criteria that were not assessable are left out of the two thirds; yet a level also needs more than half of all its
    criteria met, so that what nobody could judge lifts no one. None when none was assessable.
    """
    known: list[tuple[int, bool]] = []
    unknown: list[int] = []
    for criterion, verdict in judged:
        if verdict.state == "not_assessable":
            unknown.append(criterion.level)
        else:
            known.append((criterion.level, verdict.state == "met"))
    return level_reached(known, unknown)


def level_reached(known: Sequence[tuple[int, bool]], unknown: Sequence[int] = ()) -> int | None:
    """The level of criteria given as (level, met), beside the levels of those not assessable; None without any."""
    if not known:
        return None
    reached = 0
    for level in sorted({level for level, _ in known}):
        upto = [met for at, met in known if at <= level]
        enough = sum(upto) >= math.ceil(SHARE * len(upto) - 1e-9)
        all_of_them = len(upto) + sum(at <= level for at in unknown)
        if enough and 2 * sum(upto) > all_of_them and any(met for at, met in known if at == level):
            reached = level
    return reached


def dimension_levels(
    criteria: Sequence[Criterion], verdicts: Mapping[str, Verdict]
) -> dict[Dimension, DimensionLevel]:
    """The level of each dimension that the criteria touch, with the share that could not be judged."""
    found: dict[Dimension, DimensionLevel] = {}
    for dimension in dict.fromkeys(criterion.dimension for criterion in criteria):
        judged = [
            (criterion, verdicts[criterion.id])
            for criterion in criteria
            if criterion.dimension == dimension and criterion.id in verdicts
        ]
        if judged:
            unknown = sum(verdict.state == "not_assessable" for _, verdict in judged)
            found[dimension] = DimensionLevel(level=level_of(judged), not_assessable=unknown / len(judged))
    return found
