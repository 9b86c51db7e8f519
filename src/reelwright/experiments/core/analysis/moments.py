"""Sufficient statistics: sums that merge by addition, so that a scorecard never reads a row again.

A `Moments` holds, for any number of tests at once, the count, the sums and the sums of products of k variables of a
unit: the metric, for a ratio its denominator, and the same of the time before the experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.kernel.errors import Invalid

Floats = npt.NDArray[np.float64]


class Moments(msgspec.Struct, frozen=True):
    """Count (…), sums (…, k) and sums of products (…, k, k)."""

    n: Floats
    total: Floats
    cross: Floats

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.cross + other.cross)

    @property
    def mean(self) -> Floats:
        """Means (…, k); NaN without units."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.total / self.n[..., None])

    @property
    def covariance(self) -> Floats:
        """Unbiased covariances (…, k, k); NaN with fewer than two units."""
        with np.errstate(invalid="ignore", divide="ignore"):
            outer = self.total[..., :, None] * self.total[..., None, :] / self.n[..., None, None]
            return np.asarray((self.cross - outer) / (self.n - 1)[..., None, None])


class Clustered(msgspec.Struct, frozen=True):
    """Histograms of units that have any number of values each, of any number of tests at once (…, bins).

    With c the values of a unit up to a bin's upper end and m all of its values, `joint` and `squares` are what each
    bin adds to the sums of c·m and of c². All of it adds up, over units, days and segments.
    """

    low: Floats
    """(bins,) where each begins, ascending; none overlap."""
    high: Floats
    n: Floats
    """Units, with values or without."""
    counts: Floats
    joint: Floats
    squares: Floats


def moments_of(values: npt.ArrayLike, *, winsor: tuple[float, float] | None = None) -> Moments:
    """Moments of rows of k variables, shape (n, k) or (n,); `winsor` clips the metric, declared beforehand.

    Raises Invalid where a value is not finite: such a unit would silently decide everything.
    """
    rows = np.asarray(values, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    bad = int((~np.isfinite(rows)).any(axis=1).sum())
    if bad:
        raise Invalid(
            f"{bad} of {len(rows)} units have a metric that is NaN or infinite; clean or exclude them first"
        )
    if winsor is not None:
        rows = np.concatenate([np.clip(rows[:, :1], *winsor), rows[:, 1:]], axis=1)
    return Moments(np.array(float(len(rows))), rows.sum(axis=0), rows.T @ rows)


def from_sums(n: npt.ArrayLike, total: Sequence[npt.ArrayLike], products: dict[tuple[int, int], Any]) -> Moments:
    """Moments from columns of a table: sums by variable, sums of products by pair; pairs left out are 0."""
    count = np.asarray(n, dtype=np.float64)
    sums = np.stack([np.broadcast_to(np.asarray(one, dtype=np.float64), count.shape) for one in total], axis=-1)
    cross = np.zeros((*count.shape, len(total), len(total)))
    for (row, column), value in products.items():
        cross[..., row, column] = cross[..., column, row] = value
    return Moments(count, sums, cross)


def merged(parts: Sequence[Moments]) -> Moments:
    """All parts, as if they had been one; days and segments merge alike."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
