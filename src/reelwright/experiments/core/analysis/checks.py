"""What stands around an effect: sample ratios, many tests at once, sample sizes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from reelwright.experiments.core.analysis.moments import Floats
from reelwright.kernel.errors import Invalid


def sample_ratio(users: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """p-value that users came by the weights: shapes (…, k) and (k,); cells of weight 0 don't take part.

    Segments are rows: one call tests them all.
    """
    counts, shares = np.asarray(users, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if counts.shape[-1] != len(shares) or not (shares >= 0).all() or not shares.sum() > 0:
        raise Invalid(f"users of {counts.shape[-1]} cells need as many weights, none below 0, got {shares.tolist()}")
    counts, shares = counts[..., shares > 0], shares[shares > 0]
    expected = counts.sum(axis=-1, keepdims=True) * shares / shares.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(expected > 0, (counts - expected) ** 2 / expected, 0).sum(axis=-1)
    return np.asarray(stats.chi2.sf(score, max(len(shares) - 1, 1)))


def adjusted(p: npt.ArrayLike, method: Literal["bonferroni", "holm", "hochberg", "bh"]) -> Floats:
    """p-values corrected for being many: family-wise, or for false discovery (`bh`, Benjamini–Hochberg)."""
    values = np.asarray(p, dtype=np.float64)
    count = len(values)
    if not count or np.isnan(values).any():
        raise Invalid("p-values to correct are at least one, and none of them NaN")
    if method == "bonferroni":
        return np.minimum(values * count, 1.0)
    order = np.argsort(values)
    ranked, rank = values[order], np.arange(1, count + 1)
    if method == "holm":
        grown = np.maximum.accumulate(ranked * (count - rank + 1))
    else:
        factor = count / rank if method == "bh" else (count - rank + 1).astype(np.float64)
        grown = np.minimum.accumulate((ranked * factor)[::-1])[::-1]
    result = np.empty(count)
    result[order] = np.minimum(grown, 1.0)
    return result


def sample_size(
    effect: npt.ArrayLike, variance: npt.ArrayLike, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> Floats:
    """Units of control that find an absolute effect; treatment has `ratio` times as many."""
    reach = special.ndtri(1 - alpha / 2) + special.ndtri(power)
    spread = np.asarray(variance, dtype=np.float64) * (1 + 1 / ratio)
    return np.asarray(spread * (reach / np.asarray(effect, dtype=np.float64)) ** 2)


def power_of(effect: npt.ArrayLike, error: npt.ArrayLike, *, alpha: float = 0.05) -> Floats:
    """The chance that a two-sided test finds an effect of this size, given its standard error now."""
    score = np.abs(np.asarray(effect, dtype=np.float64)) / np.asarray(error, dtype=np.float64)
    critical = special.ndtri(1 - alpha / 2)
    return np.asarray(special.ndtr(score - critical) + special.ndtr(-score - critical))


def detectable(error: npt.ArrayLike, *, alpha: float = 0.05, power: float = 0.8) -> Floats:
    """The smallest effect that is found with this power."""
    return np.asarray((special.ndtri(1 - alpha / 2) + special.ndtri(power)) * np.asarray(error, dtype=np.float64))


def calibrated(p: npt.ArrayLike) -> float:
    """Kolmogorov–Smirnov p that p-values of A/A tests are uniform; a small one says that the platform is not."""
    return float(stats.kstest(np.asarray(p), "uniform").pvalue)
