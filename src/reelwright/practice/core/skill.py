"""Skill per dimension as a random walk, updated by each verdict: a one-dimensional item-response model.

A verdict on a criterion of level L is met with probability 1 / (1 + exp(-A (skill - L + 0.5))). The posterior is kept
Gaussian; each update is one Newton step on the log posterior (Laplace), as in Fahrmeir's filter for dynamic models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

A = 1.6
"""Slope of the item-response curve."""
PRIOR_MEAN = 2.0
PRIOR_VARIANCE = 1.5**2
WALK = 0.02
"""Variance that a day adds: skill moves about 0.8 levels in a month."""
BAND_80 = 1.2816
"""Standard deviations of a Gaussian's central 80 %."""


class Belief(msgspec.Struct, frozen=True):
    """A Gaussian belief on the scale of levels, and the one it began with after its first day."""

    mean: float = PRIOR_MEAN
    variance: float = PRIOR_VARIANCE
    at_day: float = 0.0

    @property
    def band(self) -> tuple[float, float]:
        """The central 80 %."""
        half = BAND_80 * math.sqrt(self.variance)
        return self.mean - half, self.mean + half


def p_met(skill: float, level: float) -> float:
    """The probability that a criterion of this level is met."""
    return 1 / (1 + math.exp(-A * (skill - level + 0.5)))


def waited(belief: Belief, day: float) -> Belief:
    """The belief at a later day; a clock that went back changes nothing."""
    days = max(0.0, day - belief.at_day)
    return Belief(belief.mean, belief.variance + WALK * days, max(day, belief.at_day))


def updated(belief: Belief, verdicts: Iterable[tuple[float, bool]], day: float) -> Belief:
    """The belief after the verdicts (level, met) of one day; Newton's method to the mode, curvature there."""
    prior = waited(belief, day)
    seen = list(verdicts)
    mean, precision = prior.mean, 1 / prior.variance
    for _ in range(20):
        slope = (prior.mean - mean) / prior.variance
        precision = 1 / prior.variance
        for level, met in seen:
            p = p_met(mean, level)
            slope += A * (met - p)
            precision += A * A * p * (1 - p)
        step = slope / precision
        mean += max(-1.0, min(1.0, step))
        if abs(step) < 1e-6:
            break
    return Belief(mean, 1 / precision, prior.at_day)


def p_improved(first: Belief, now: Belief) -> float:
    """The probability that skill now exceeds skill then, the beliefs taken as independent (which is careful)."""
    return 0.5 * math.erfc((first.mean - now.mean) / math.sqrt(2 * (first.variance + now.variance)))


def p_at_least(belief: Belief, bar: float) -> float:
    """The probability that the skill is at the bar or above."""
    return 0.5 * math.erfc((bar - belief.mean) / math.sqrt(2 * belief.variance))
