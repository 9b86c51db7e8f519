"""Other designs: what interleaving finds, switchback, difference in differences, synthetic control."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from reelwright.experiments.core.analysis.effects import Effect
from reelwright.experiments.core.analysis.moments import Floats
from reelwright.kernel.errors import Invalid


def preference(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, float]:
    """(share of viewers whose plays favour the second, ties aside; p-value that it is a half), by exact sign test."""
    a, b = np.asarray(first), np.asarray(second)
    wins, losses = int((b > a).sum()), int((a > b).sum())
    if wins + losses == 0:
        return 0.5, 1.0
    return wins / (wins + losses), float(stats.binomtest(wins, wins + losses).pvalue)


def switchback(values: npt.ArrayLike, treated: npt.ArrayLike, *, washout: int = 0) -> Effect:
    """Effect of treating whole periods: one value a period; the first `washout` after each change are left out.

    Periods are the units of randomisation, so that they are what the error is counted by.
    """
    y, on = np.asarray(values, dtype=np.float64), np.asarray(treated, dtype=np.bool_)
    keep = np.ones(len(y), dtype=np.bool_)
    for change in np.flatnonzero(np.diff(on.astype(np.int8))) + 1:
        keep[change : change + washout] = False
    a, b = y[keep & ~on], y[keep & on]
    if min(len(a), len(b)) < 2:
        raise Invalid(
            f"a switchback needs two periods of each kind, got {len(a)} without and {len(b)} with treatment"
        )
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return Effect(*(np.asarray(one) for one in (b.mean() - a.mean(), np.sqrt(va + vb), df, float(len(a) + len(b)))))


def difference_in_differences(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> Effect:
    """Change of the treated units less that of the others: (control, treated) before and after, one value a unit."""
    changes = [np.asarray(late) - np.asarray(early) for early, late in zip(before, after, strict=True)]
    if min(len(one) for one in changes) < 2:
        raise Invalid("difference in differences needs two units on each side")
    va, vb = (one.var(ddof=1) / len(one) for one in changes)
    df = (va + vb) ** 2 / (va**2 / (len(changes[0]) - 1) + vb**2 / (len(changes[1]) - 1))
    n = float(sum(len(one) for one in changes))
    return Effect(*(np.asarray(x) for x in (changes[1].mean() - changes[0].mean(), np.sqrt(va + vb), df, n)))


class Synthetic(msgspec.Struct, frozen=True):
    """A weighted mix of untreated units that followed the treated one before the change."""

    weights: Floats
    gap: Floats
    """Treated less synthetic in each period after the change."""
    p: float
    """Rank of the treated unit among placebos, by the ratio of errors after and before (Abadie 2010)."""


def synthetic_control(treated: Floats, donors: Floats, start: int) -> Synthetic:
    """Donors of shape (units, periods); the change comes at period `start`. Weights are ≥ 0 and add up to 1."""
    if start < 2 or start >= len(treated) or len(donors) < 2:
        raise Invalid("synthetic control needs two periods before the change, one after it, and two donors")
    weights, ratio = _fitted(treated, donors, start)
    ratios = [_fitted(donors[at], np.delete(donors, at, axis=0), start)[1] for at in range(len(donors))]
    p = (1 + sum(other >= ratio for other in ratios)) / (1 + len(ratios))
    return Synthetic(weights, (treated - weights @ donors)[start:], p)


def _fitted(treated: Floats, donors: Floats, start: int) -> tuple[Floats, float]:
    """Least squares on the simplex: the sum is one more, heavy row."""
    scale = 1e3 * max(float(np.abs(donors[:, :start]).max()), 1e-12)
    matrix = np.vstack([donors[:, :start].T, np.full(len(donors), scale)])
    weights, _ = optimize.nnls(matrix, np.append(treated[:start], scale))
    weights = weights / weights.sum()
    gap = treated - weights @ donors
    before = float(np.sqrt((gap[:start] ** 2).mean()))
    return np.asarray(weights), float(np.sqrt((gap[start:] ** 2).mean())) / max(before, 1e-12)


def viewers_for(share: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Viewers with a preference that a sign test needs to find this share of wins."""
    reach = special.ndtri(1 - alpha / 2) * 0.5 + special.ndtri(power) * np.sqrt(share * (1 - share))
    return float((reach / (share - 0.5)) ** 2)
