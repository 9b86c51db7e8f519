"""Quantiles of a metric: intervals by order statistics, from values or from histograms that merge.

The rank of the q-quantile is binomial, so that no resampling is needed. A histogram's bins are so narrow that the
interval holds several of them; within a bin values count as evenly spread. Where a unit has several values, its rank
varies as units do, not as values (the delta method of the share below; Deng, Knoblich, Lu, KDD 2018).
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import special

from reelwright.experiments.core.analysis.effects import Arm, plain_arm
from reelwright.experiments.core.analysis.moments import Clustered, Floats
from reelwright.kernel.errors import Invalid

PARTS = 8
"""Bins that half an interval is to hold at least."""


class Histogram(msgspec.Struct, frozen=True):
    """Counts between edges; those of equal edges merge by addition."""

    edges: Floats
    counts: Floats

    def __add__(self, other: Histogram) -> Histogram:
        if not np.array_equal(self.edges, other.edges):
            raise Invalid("histograms merge when they have the same edges")
        return Histogram(self.edges, self.counts + other.counts)

    @property
    def n(self) -> float:
        """Values counted."""
        return float(self.counts.sum())

    def at(self, rank: npt.ArrayLike) -> Floats:
        """The value at a rank, by linear interpolation within its bin."""
        reached = np.concatenate([[0.0], np.cumsum(self.counts)])
        return np.interp(np.asarray(rank, dtype=np.float64), reached, self.edges)


def edges_for(sample: npt.ArrayLike, quantiles: npt.ArrayLike, *, units: float, alpha: float = 0.05) -> Floats:
    """Edges such that the interval of each quantile at `units` values holds 2 × PARTS bins, from a sample."""
    values = np.sort(np.asarray(sample, dtype=np.float64))
    wanted = np.asarray(quantiles, dtype=np.float64)
    share = special.ndtri(1 - alpha / 2) * np.sqrt(wanted * (1 - wanted) / units)
    ranks = np.unique(np.concatenate([[0.0, 1.0], np.linspace(0, 1, 257), *(
        np.clip(q + half * np.linspace(-3, 3, 6 * PARTS + 1), 0, 1) for q, half in zip(wanted, share, strict=True)
    )]))  # fmt: skip
    edges = np.unique(np.quantile(values, ranks))
    edges[0], edges[-1] = min(0.0, edges[0]), max(edges[-1] * 4, edges[-1] + 1)
    return np.asarray(edges)


def histogram(values: npt.ArrayLike, edges: Floats) -> Histogram:
    """Count values; those beyond the edges fall into the outer bins. Raises Invalid for NaN and infinity."""
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise Invalid(f"{int((~np.isfinite(found)).sum())} values are NaN or infinite")
    counts, _ = np.histogram(np.clip(found, edges[0], edges[-1]), edges)
    return Histogram(edges, counts.astype(np.float64))


def ranks(n: float, quantiles: npt.ArrayLike, *, alpha: float = 0.05) -> tuple[Floats, Floats, Floats]:
    """Ranks (from 1) of the quantile and of both ends of its interval."""
    q = np.asarray(quantiles, dtype=np.float64)
    half = special.ndtri(1 - alpha / 2) * np.sqrt(n * q * (1 - q))
    return n * q, np.clip(n * q - half, 1, n), np.clip(n * q + half + 1, 1, n)


def quantile_interval(
    values: Histogram | npt.ArrayLike, quantiles: npt.ArrayLike, *, alpha: float = 0.05
) -> tuple[Floats, Floats, Floats]:
    """(estimate, low, high) of each quantile. Raises Invalid without values."""
    if isinstance(values, Histogram):
        if not values.n:
            raise Invalid("a quantile needs at least one value")
        middle, low, high = ranks(values.n, quantiles, alpha=alpha)
        return values.at(middle), values.at(low - 0.5), values.at(high - 0.5)
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        raise Invalid("a quantile needs at least one value")
    _, low, high = ranks(len(ordered), quantiles, alpha=alpha)
    place = np.arange(1, len(ordered) + 1)
    return (
        np.quantile(ordered, np.asarray(quantiles)),
        np.interp(low, place, ordered),
        np.interp(high, place, ordered),
    )


def quantile_arm(found: Clustered, quantile: float) -> Arm:
    """The quantile as an arm, with the variance of a unit that its interval implies.

    NaN without values; the variance also while the ends of a 95 % interval are not both among the values.
    """
    shape = found.n.shape
    if not found.counts.shape[-1]:
        return plain_arm(np.full(shape, np.nan), np.full(shape, np.nan), found.n)
    below, joint, squares = (one.cumsum(axis=-1) for one in (found.counts, found.joint, found.squares))
    values = below[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = below / values[..., None]
        spread = (squares - 2 * share * joint + share**2 * joint[..., -1:]) / values[..., None] ** 2
        place, part = _place(below, quantile * values)
        after = _take(spread, place)
        before = np.where(place > 0, _take(spread, np.maximum(place - 1, 0)), 0.0)
        half = special.ndtri(0.975) * np.sqrt(before + part * (after - before)) + 0.5 / values
        middle, low, high = (
            _value(found, below, (quantile + move) * values) for move in (np.zeros(shape), -half, half)
        )
        inside = (quantile - half > 0) & (quantile + half < 1) & (values > 0)
        error = np.where(inside, (high - low) / (2 * special.ndtri(0.975)), np.nan)
    return plain_arm(np.where(values > 0, middle, np.nan), error**2 * found.n, found.n)


def _place(below: Floats, rank: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """The bin of a rank, and how far into its values the rank is."""
    place = np.minimum((below < rank[..., None]).sum(axis=-1), below.shape[-1] - 1)
    before = np.where(place > 0, _take(below, np.maximum(place - 1, 0)), 0.0)
    return place, np.asarray((rank - before) / (_take(below, place) - before))


def _value(found: Clustered, below: Floats, rank: Floats) -> Floats:
    place, part = _place(below, rank)
    return np.asarray(found.low[place] + part * (found.high - found.low)[place])


def _take(table: Floats, place: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(np.take_along_axis(table, place[..., None], axis=-1)[..., 0])
