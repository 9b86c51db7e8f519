"""Effects between a control and a treatment, of any number of tests at once: means, ratios, CUPED, intervals.

Ratios by the delta method (Deng et al., KDD 2018); CUPED with one pooled coefficient (Deng et al., WSDM 2013);
Welch's degrees of freedom; anytime-valid intervals by the normal mixture (Robbins 1970; Waudby-Smith et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import special, stats

from reelwright.experiments.core.analysis.moments import Floats, Moments


class Arm(msgspec.Struct, frozen=True):
    """One arm of many tests: mean, the variance of a unit, units.

    `level` is the mean before any adjustment, with its variance, and its covariance with the adjusted one, of a unit.
    """

    mean: Floats
    variance: Floats
    n: Floats
    level: Floats
    level_variance: Floats
    level_covariance: Floats


def plain_arm(mean: Floats, variance: Floats, n: Floats) -> Arm:
    """An arm that nothing was adjusted in."""
    return Arm(mean, variance, n, mean, variance, variance)


class Effect(msgspec.Struct, frozen=True):
    """The difference treatment − control, or its share of control, with its standard error."""

    estimate: Floats
    error: Floats
    df: Floats
    n: Floats


class Interval(msgspec.Struct, frozen=True):
    """An interval and its p-value."""

    low: Floats
    high: Floats
    p: Floats


def mean_arm(moments: Moments) -> Arm:
    """The first variable."""
    return plain_arm(moments.mean[..., 0], moments.covariance[..., 0, 0], moments.n)


def proportion_arm(n: npt.ArrayLike, successes: npt.ArrayLike) -> Arm:
    """Counts of successes, with the variance p(1 − p)."""
    count = np.asarray(n, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.asarray(successes, dtype=np.float64) / count
    return plain_arm(share, share * (1 - share), count)


def ratio_arm(moments: Moments) -> Arm:
    """The first variable over the second."""
    gradient = _ratio_gradient(moments, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = moments.mean[..., 0] / moments.mean[..., 1]
    return plain_arm(ratio, _quadratic(gradient, moments.covariance[..., :2, :2], gradient), moments.n)


def cuped_arms(control: Moments, treatment: Moments, *, ratio: bool = False) -> tuple[Arm, Arm]:
    """Both arms less what their time before the experiment explains.

    Variables: metric and its past; for a ratio numerator, denominator, and their past in the same order.
    """
    parts = [_linear(one, ratio=ratio) for one in (control, treatment)]
    past, covariance = parts[0][2] + parts[1][2], parts[0][3] + parts[1][3]
    with np.errstate(invalid="ignore", divide="ignore"):
        theta = np.where(past > 0, covariance / past, 0.0)
    arms = []
    for moments, (mean, variance, before, shared) in zip((control, treatment), parts, strict=True):
        level, was = mean
        adjusted = variance + theta**2 * before - 2 * theta * shared
        arms.append(Arm(level - theta * was, adjusted, moments.n, level, variance, variance - theta * shared))
    return arms[0], arms[1]


def effect(control: Arm, treatment: Arm, *, relative: bool = False, cautious: bool = False) -> Effect:
    """The effect of every test. An arm without units gives NaN, never an error.

    A `cautious` relative error is at least that of no effect. The delta method's vanishes as treatment nears 0, so
    that of rare events a few fewer would be sure to be a decrease.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = control.variance / control.n, treatment.variance / treatment.n
        difference = treatment.mean - control.mean
        df = (a + b) ** 2 / (a**2 / (control.n - 1) + b**2 / (treatment.n - 1))
        total = control.n + treatment.n
        if not relative:
            return Effect(difference, np.sqrt(a + b), df, total)
        level = control.level
        spread = difference**2 * control.level_variance / level**2 + 2 * difference * control.level_covariance / level
        spread = np.maximum(spread, 0.0) if cautious else spread
        return Effect(difference / level, np.sqrt(a + b + spread / control.n) / np.abs(level), df, total)


def interval(
    found: Effect,
    *,
    alpha: float = 0.05,
    side: Literal["both", "less", "greater"] = "both",
    null: float = 0.0,
    z: bool = False,
) -> Interval:
    """Student's interval of a fixed sample, or the normal one; one-sided ones are open on one side."""
    with np.errstate(invalid="ignore", divide="ignore"):
        score = (found.estimate - null) / found.error

    def upper(x: Floats) -> Floats:
        return np.asarray(special.ndtr(-x) if z else special.stdtr(found.df, -x))

    level = alpha / 2 if side == "both" else alpha
    critical = special.ndtri(1 - level) if z else special.stdtrit(found.df, 1 - level)
    width = critical * found.error
    infinite = np.full_like(found.estimate, np.inf)
    low = found.estimate - width if side != "less" else -infinite
    high = found.estimate + width if side != "greater" else infinite
    p = 2 * upper(np.abs(score)) if side == "both" else upper(score if side == "greater" else -score)
    return Interval(low, high, p)


def lead(share: Arm) -> Effect:
    """How far a share is ahead of the rest, −1 to 1, of every test; 0 is even."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return Effect(2 * share.mean - 1, 2 * np.sqrt(share.variance / share.n), share.n - 1, share.n)


def best_rho(units: float, *, alpha: float = 0.05) -> float:
    """The mixture that makes the anytime-valid interval narrowest at this number of units."""
    a = -2 * np.log(alpha)
    return float(np.sqrt((a + np.log(a + 1)) / units))


def anytime(found: Effect, *, rho: float, alpha: float = 0.05, null: float = 0.0) -> Interval:
    """An interval that holds at every look at once, however many there are (two-sided normal mixture)."""
    grown = found.n * rho**2
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scale = (grown + 1) / grown
        width = found.error * np.sqrt(2 * scale * (0.5 * np.log1p(grown) - np.log(alpha)))
        score = ((found.estimate - null) / found.error) ** 2
        p = np.minimum(1.0, np.exp(0.5 * np.log1p(grown) - score / (2 * scale)))
    return Interval(found.estimate - width, found.estimate + width, p)


def bayesian(
    found: Effect, *, prior_mean: float = 0.0, prior_variance: float = np.inf, alpha: float = 0.05
) -> tuple[Interval, Floats, Floats]:
    """Normal prior and likelihood: (credible interval with P(effect ≤ 0), chance to win, expected loss)."""
    weight = 0.0 if np.isinf(prior_variance) else 1 / prior_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = weight + 1 / found.error**2
        mean = (weight * prior_mean + found.estimate / found.error**2) / precision
        deviation = 1 / np.sqrt(precision)
        score = mean / deviation
    width = special.ndtri(1 - alpha / 2) * deviation
    density = np.exp(-(score**2) / 2) / np.sqrt(2 * np.pi)
    loss = deviation * density - mean * special.ndtr(-score)
    return Interval(mean - width, mean + width, special.ndtr(-score)), special.ndtr(score), loss


def post_stratified(
    strata: Sequence[tuple[Moments, Moments]], *, ratio: bool = False, relative: bool = False, cautious: bool = False
) -> Effect:
    """The effect on a mean, or on a ratio, with strata weighted by their share of all units.

    Of a ratio, numerator and denominator are weighted, and their quotient is taken last: strata count by what they
    bring. The error is of these weighted means (Miratrix, Sekhon, Yu 2013) and of the shares, which another sample
    would have otherwise (multinomial), by the delta method. Moments are of the metric, for a ratio then of its
    denominator. `cautious` as in `effect`.
    """
    size = 2 if ratio else 1
    units = np.stack([control.n + treatment.n for control, treatment in strata], axis=-1)
    total = units.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = units / total[..., None]
        means = np.stack(
            [np.concatenate([arm.mean[..., :size] for arm in pair], axis=-1) for pair in strata], axis=-2
        )
        mean = np.einsum("...k,...ki->...i", shares, means)
        spread = np.einsum("...k,...ki,...kj->...ij", shares, means, means) - mean[..., :, None] * mean[..., None, :]
        covariance = spread / total[..., None, None]
        for place, pair in enumerate(strata):
            for at, arm in enumerate(pair):
                part = slice(at * size, (at + 1) * size)
                inner = arm.covariance[..., :size, :size] / arm.n[..., None, None]
                covariance[..., part, part] += shares[..., place, None, None] ** 2 * inner
        control, treatment = (_level_of(mean[..., at * size : (at + 1) * size]) for at in (0, 1))
        share = treatment[0] / control[0]
        share = np.maximum(share, 1.0) if cautious else share
        by_control = -share / control[0] if relative else -np.ones_like(total)
        by_treatment = 1 / control[0] if relative else np.ones_like(total)
        sides = (by_control, control), (by_treatment, treatment)
        gradient = np.concatenate([by[..., None] * inner for by, (_, inner) in sides], axis=-1)
        estimate = treatment[0] / control[0] - 1 if relative else treatment[0] - control[0]
        error = np.sqrt(_quadratic(gradient, covariance, gradient))
    return Effect(np.asarray(estimate), np.asarray(error), np.asarray(total - 2 * len(strata)), np.asarray(total))


def _level_of(mean: Floats) -> tuple[Floats, Floats]:
    """A mean, or the ratio of two, and its gradient."""
    if mean.shape[-1] == 1:
        return mean[..., 0], np.ones_like(mean)
    top, bottom = mean[..., 0], mean[..., 1]
    return top / bottom, np.stack([1 / bottom, -top / bottom**2], axis=-1)


def heterogeneous(parts: list[Effect]) -> Floats:
    """Cochran's Q: the p-value that the effect is the same in every segment."""
    estimates, errors = np.stack([one.estimate for one in parts]), np.stack([one.error for one in parts])
    weights = 1 / errors**2
    pooled = (weights * estimates).sum(axis=0) / weights.sum(axis=0)
    return np.asarray(stats.chi2.sf((weights * (estimates - pooled) ** 2).sum(axis=0), len(parts) - 1))


def _ratio_gradient(moments: Moments, at: int) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        top, bottom = moments.mean[..., at], moments.mean[..., at + 1]
        return np.stack([1 / bottom, -top / bottom**2], axis=-1)


def _quadratic(left: Floats, matrix: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...ij,...j->...", left, matrix, right))


def _linear(moments: Moments, *, ratio: bool) -> tuple[tuple[Floats, Floats], Floats, Floats, Floats]:
    """((mean, past mean), variance, past variance, covariance) of a unit, linearised for a ratio."""
    covariance = moments.covariance
    if not ratio:
        mean = moments.mean
        return (mean[..., 0], mean[..., 1]), covariance[..., 0, 0], covariance[..., 1, 1], covariance[..., 0, 1]
    now, past = _ratio_gradient(moments, 0), _ratio_gradient(moments, 2)
    with np.errstate(invalid="ignore", divide="ignore"):  # a day on which nobody had done anything yet
        ratios = moments.mean[..., 0] / moments.mean[..., 1], moments.mean[..., 2] / moments.mean[..., 3]
    return (
        ratios,
        _quadratic(now, covariance[..., :2, :2], now),
        _quadratic(past, covariance[..., 2:, 2:], past),
        _quadratic(now, covariance[..., :2, 2:], past),
    )
