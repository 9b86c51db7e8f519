"""Daily histograms of what quantiles are taken of: what each day adds to the bins of each arm.

Bins are as narrow as the interval of the quantile asks for (`analysis.quantiles.edges_for`), so that their edges are
chosen from all values, coarsened to 12 bits: such a `Spread` adds up over viewers wherever it is made, and has the
same edges on every engine. Counts are whole numbers, exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.experiments.core.analysis.moments import Floats
from reelwright.experiments.core.metrics import GRAIN

Ints = npt.NDArray[np.int64]
BITS = 12
ZERO_BELOW = 1 / GRAIN
"""Less is nothing: values are counted in such grains."""
EVEN = 1024
"""Bins with as many of the values of all days each."""
ROWS = 2048
"""Viewers' days whose bins are in memory at once."""


class Bins(msgspec.Struct, frozen=True):
    """What one day adds to the bins of one arm, those that change: columns of `analysis.moments.Clustered`."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[float, ...]
    joint: tuple[float, ...]
    squares: tuple[float, ...]


class Spread(msgspec.Struct, frozen=True):
    """Coarsened values, ascending, and how many of each."""

    values: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


def spread_of(values: Floats, counts: Ints) -> Spread:
    """Of values and how many there are of each."""
    mantissa, exponent = np.frexp(values)
    coarse, place = np.unique(np.ldexp(np.round(mantissa * 2**BITS) / 2**BITS, exponent), return_inverse=True)
    total = np.zeros(len(coarse), dtype=np.int64)
    np.add.at(total, place, counts)
    return Spread(tuple(coarse.tolist()), tuple(total.tolist()))


class Spreads(msgspec.Struct, frozen=True):
    """What the edges of one quantile's bins are chosen from."""

    last: Spread
    """All values up to the last day."""
    along: Spread = Spread()
    """Of values that grow from day to day, what they were on each."""


def merged_spreads(parts: Iterable[Spreads]) -> Spreads:
    """Of all parts together."""
    found = list(parts)
    return Spreads(_merged([one.last for one in found]), _merged([one.along for one in found]))


def _merged(parts: Sequence[Spread]) -> Spread:
    return spread_of(
        np.array([one for part in parts for one in part.values], dtype=np.float64),
        np.array([one for part in parts for one in part.counts], dtype=np.int64),
    )


def edges_of(spreads: Spreads, quantile: float) -> Floats:
    """Edges for the quantile's interval at as many values as there are on the last day; even ones for days before.

    Zeros are in a bin of their own.
    """
    from reelwright.experiments.core.analysis.quantiles import edges_for  # SciPy: only a process that measures

    if not spreads.last.values:
        return np.array([0.0, ZERO_BELOW])
    sample = np.repeat(np.array(spreads.last.values), np.array(spreads.last.counts))
    most = max(sample[-1] * (1 + 2.0 ** (1 - BITS)), 2 * ZERO_BELOW)
    inner = edges_for(sample, [quantile], units=len(sample))
    if spreads.along.values:
        grown = np.repeat(np.array(spreads.along.values), np.array(spreads.along.counts))
        inner = np.concatenate([inner, np.quantile(grown, np.linspace(0, 1, EVEN + 1))])
    values = np.union1d(spreads.last.values, spreads.along.values)
    return _tight(np.unique(np.concatenate([[0.0, ZERO_BELOW, most], inner[inner < most]])), values)


def _tight(edges: Floats, values: Floats) -> Floats:
    """With edges around the values of bins that are mostly empty: values count as evenly spread within a bin."""
    first, after = np.searchsorted(values, edges[:-1]), np.searchsorted(values, edges[1:])
    low = values[np.minimum(first, len(values) - 1)] * (1 - 2.0**-BITS)
    high = values[np.maximum(after - 1, 0)] * (1 + 2.0**-BITS)
    empty = (first < after) & (high - low < np.diff(edges) / 2)
    more = np.concatenate([low[empty & (low > edges[:-1])], high[empty & (high < edges[1:])]])
    return np.unique(np.concatenate([edges, more]))


def bin_of(values: Floats, edges: Floats) -> Ints:
    """The bin of each value; one above the last edge is in the last bin."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def sparse(edges: Floats, table: Floats) -> Bins | None:
    """The bins of a table (3, bins) that are not all zero."""
    at = np.flatnonzero(table.any(axis=0))
    if not len(at):
        return None
    columns = (edges[at], edges[at + 1], *table[:, at])
    return Bins(*(tuple(one.tolist()) for one in columns))


def added_bins(one: Bins | None, other: Bins | None) -> Bins | None:
    """Of both together; their bins are of the same edges."""
    if one is None or other is None:
        return one or other
    found: dict[tuple[float, float], Floats] = {}
    for part in (one, other):
        for low, high, *figures in zip(part.low, part.high, part.counts, part.joint, part.squares, strict=True):
            found[low, high] = found.get((low, high), np.zeros(3)) + figures
    kept = sorted((place, figures) for place, figures in found.items() if figures.any())
    if not kept:
        return None
    columns = zip(*((*place, *figures.tolist()) for place, figures in kept), strict=True)
    return Bins(*columns)


def values_added(after: Ints, before: Ints, joined: Floats, place: Ints, shape: tuple[int, int]) -> Floats:
    """(3, places, bins) of one value a viewer, which moves from bin to bin; whoever joins comes from nowhere."""
    counts = np.zeros(shape)
    np.add.at(counts, (place, after), 1.0)
    moved = joined == 0
    np.add.at(counts, (place[moved], before[moved]), -1.0)
    return np.stack([counts] * 3)


def starts_added(viewer: Ints, day: Ints, bins: Ints, plays: Floats, place: Ints, shape: tuple[int, int]) -> Floats:
    """(3, places, bins) of any number of values a viewer and day. O(viewers' days × bins), `ROWS` at a time."""
    found = np.zeros((3, *shape))
    order = np.lexsort((day, viewer))
    viewer, day, bins, place = (one[order] for one in (viewer, day, bins, place))
    plays = plays[order]
    people = np.flatnonzero(np.diff(viewer, prepend=-1))
    start = 0
    while start < len(viewer):
        later = people[people >= start + ROWS]
        end = int(later[0]) if len(later) else len(viewer)
        part = slice(start, end)
        _add(found, viewer[part], day[part], bins[part], plays[part], place[part])
        start = end
    return found


def _add(found: Floats, viewer: Ints, day: Ints, bins: Ints, plays: Floats, place: Ints) -> None:
    begins = (np.diff(viewer, prepend=-1) != 0) | (np.diff(day, prepend=-1) != 0)
    first, row = np.flatnonzero(begins), np.cumsum(begins) - 1
    added = np.zeros((len(first), found.shape[2]))
    np.add.at(added, (row, bins), plays)
    running = added.cumsum(axis=0)
    fresh = np.diff(viewer[first], prepend=-1) != 0
    since = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
    after = running - (running - added)[since]
    now, was = _squared(after), _squared(after - added)
    for table, late, early in zip(found, now, was, strict=True):
        np.add.at(table, place[first], late - early)


def _squared(held: Floats) -> tuple[Floats, Floats, Floats]:
    """What each bin adds to the sums of c, of c·m and of c², of each row's values."""
    return held, held * held.sum(axis=1, keepdims=True), held * (2 * held.cumsum(axis=1) - held)
