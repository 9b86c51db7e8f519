"""Daily sufficient statistics of an experiment: what each day adds to counts, sums and sums of products.

A metric of a viewer is a sum over days, so that its square is not a sum of daily squares. What a day adds to the
square is: a viewer whose sum goes from x to x + y adds (x + y)² − x². Days of such additions merge by addition, and
up to any day they are exactly the moments of the viewers' sums up to that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.experiments.core.analysis.moments import Clustered, Floats, Moments
from reelwright.experiments.core.histograms import (
    Bins,
    Ints,
    Spreads,
    added_bins,
    bin_of,
    edges_of,
    sparse,
    spread_of,
    starts_added,
    values_added,
)
from reelwright.experiments.core.metrics import COLUMNS, Metric

VARIABLES = 4
"""Numerator and denominator since the exposure, and the same two of the time before it."""
UPPER = np.triu_indices(VARIABLES)
SEGMENTS = ("new", "returning")
"""Viewers who watched nothing in the days before their exposure, and the others: known before an arm can matter."""


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


class Exposed(msgspec.Struct, frozen=True):
    """The viewers of an experiment and their days, as columns."""

    cell: Ints
    """(viewers,) place of the cell in the experiment."""
    since: Ints
    """(viewers,) day of the first exposure."""
    viewer: Ints
    """(rows,) whose day it is."""
    day: Ints
    values: Floats
    """(rows, columns) as `metrics.COLUMNS` names them."""
    start_viewer: Ints = msgspec.field(default_factory=_none)
    """(starts,) whose start time it is; a time that a viewer had several times on a day is there once."""
    start_day: Ints = msgspec.field(default_factory=_none)
    start_ms: Ints = msgspec.field(default_factory=_none)
    start_plays: Ints = msgspec.field(default_factory=_none)
    """How many of the viewer's plays took it."""


class Sums(msgspec.Struct, frozen=True):
    """What one day adds to one metric in one cell, of one segment of the viewers."""

    cell: int
    metric: str
    n: float
    total: tuple[float, ...]
    """Sums of the four variables."""
    products: tuple[float, ...]
    """Sums of their products: the upper triangle, row by row."""
    segment: str = ""
    bins: Bins | None = None
    """Of a quantile, in place of sums and products."""


class DailySums(msgspec.Struct, frozen=True):
    """All of one day, days since the epoch."""

    day: int
    sums: tuple[Sums, ...]


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The daily statistics of an experiment, and of whom."""

    experiment: str
    at_ms: int
    synthetic: bool
    """Whether the viewers are simulated ones."""
    days: tuple[DailySums, ...]


def exposed_of(
    viewers: Sequence[tuple[str, int, int]],
    days: Sequence[tuple[str, int, Sequence[float]]],
    starts: Sequence[tuple[str, int, int, int]] = (),
) -> Exposed:
    """Columns of (viewer, cell, first day), of (viewer, day, values as `COLUMNS` names them) and of (viewer, day,
    start time, plays), each in order."""
    number = {viewer: at for at, (viewer, *_) in enumerate(viewers)}
    values = np.array([row for *_, row in days], dtype=np.float64)
    return Exposed(
        cell=np.array([cell for _, cell, _ in viewers], dtype=np.int64),
        since=np.array([day for *_, day in viewers], dtype=np.int64),
        viewer=np.array([number[viewer] for viewer, *_ in days], dtype=np.int64),
        day=np.array([day for _, day, _ in days], dtype=np.int64),
        values=values.reshape(len(days), len(COLUMNS)),
        start_viewer=np.array([number[viewer] for viewer, *_ in starts], dtype=np.int64),
        start_day=np.array([day for _, day, *_ in starts], dtype=np.int64),
        start_ms=np.array([start_ms for *_, start_ms, _ in starts], dtype=np.int64),
        start_plays=np.array([plays for *_, plays in starts], dtype=np.int64),
    )


def spreads_of(exposed: Exposed, metrics: Sequence[Metric]) -> dict[str, Spreads]:
    """What the edges of each quantile's bins are chosen from."""
    found = {}
    for metric in metrics:
        if metric.of_starts:
            late = _late_starts(exposed)
            found[metric.key] = Spreads(
                spread_of(exposed.start_ms[late].astype(np.float64), exposed.start_plays[late])
            )
        elif metric.quantile is not None:
            last, grown = totals(exposed, metric)[:, 0], _grown(exposed)
            along = _vector(grown.after, grown.past[grown.viewer], metric)[:, 0]
            found[metric.key] = Spreads(*(spread_of(one, np.ones(len(one), dtype=np.int64)) for one in (last, along)))
    return found


def daily_sums(
    exposed: Exposed, metrics: Sequence[Metric], *, cells: int, spreads: Mapping[str, Spreads] | None = None
) -> tuple[DailySums, ...]:
    """One entry a day with something new, in order of days. O(rows × metrics), and of quantiles × bins.

    `spreads` are those of all viewers, where these are a part of them.
    """
    grown = _grown(exposed)
    late = _late_starts(exposed)
    days = np.unique(np.concatenate([grown.day, exposed.start_day[late]]))
    arms = cells * len(SEGMENTS)
    returning = (grown.past[:, COLUMNS.index("watch_s")] > 0).astype(np.int64)
    arm = exposed.cell * len(SEGMENTS) + returning
    place = np.searchsorted(days, grown.day) * arms + arm[grown.viewer]
    n = np.bincount(place, weights=grown.joined, minlength=len(days) * arms).astype(np.float64)
    spreads = spreads_of(exposed, metrics) if spreads is None else spreads
    found: list[list[Sums]] = [[] for _ in days]
    for metric in metrics:
        if metric.quantile is None:
            kept = _moments_added(grown, metric, place, n)
        else:
            edges = edges_of(spreads[metric.key], metric.quantile)
            shape = len(n), len(edges) - 1
            if metric.of_starts:
                starts = np.searchsorted(days, exposed.start_day) * arms + arm[exposed.start_viewer]
                table = _starts_added(exposed, late, starts, edges, shape)
            else:
                table = _values_added(grown, metric, place, edges, shape)
            kept = [(at, (), (), sparse(edges, table[:, at])) for at in range(len(n))]
            kept = [one for one in kept if one[3] is not None or n[one[0]] > 0]
        for at, total, products, bins in kept:
            row, which = divmod(at, arms)
            cell, segment = divmod(which, len(SEGMENTS))
            found[row].append(Sums(cell, metric.key, float(n[at]), total, products, SEGMENTS[segment], bins))
    return tuple(DailySums(int(one), tuple(sums)) for one, sums in zip(days, found, strict=True))


def _moments_added(grown: _Grown, metric: Metric, place: Ints, n: Floats) -> list[_Added]:
    was = _vector(grown.before, grown.past[grown.viewer], metric) * (1 - grown.joined)[:, None]
    now = _vector(grown.after, grown.past[grown.viewer], metric)
    total = np.zeros((len(n), VARIABLES))
    np.add.at(total, place, now - was)
    products = np.zeros((len(n), len(UPPER[0])))
    np.add.at(products, place, now[:, UPPER[0]] * now[:, UPPER[1]] - was[:, UPPER[0]] * was[:, UPPER[1]])
    kept = np.flatnonzero((n > 0) | total.any(axis=1) | products.any(axis=1)).tolist()
    return [(at, tuple(total[at].tolist()), tuple(products[at].tolist()), None) for at in kept]


def _values_added(grown: _Grown, metric: Metric, place: Ints, edges: Floats, shape: tuple[int, int]) -> Floats:
    past = grown.past[grown.viewer]
    now, was = (bin_of(_vector(sums, past, metric)[:, 0], edges) for sums in (grown.after, grown.before))
    return values_added(now, was, grown.joined, place, shape)


def _starts_added(
    exposed: Exposed, late: npt.NDArray[np.bool_], place: Ints, edges: Floats, shape: tuple[int, int]
) -> Floats:
    bins = bin_of(exposed.start_ms[late].astype(np.float64), edges)
    plays = exposed.start_plays[late].astype(np.float64)
    return starts_added(exposed.start_viewer[late], exposed.start_day[late], bins, plays, place[late], shape)


def merged(parts: Iterable[Sequence[DailySums]]) -> tuple[DailySums, ...]:
    """The days of all parts, whose viewers are different ones: sums add up."""
    days: dict[int, dict[tuple[int, str, str], Sums]] = {}
    for part in parts:
        for daily in part:
            known = days.setdefault(daily.day, {})
            for one in daily.sums:
                place = one.cell, one.metric, one.segment
                known[place] = _added(known[place], one) if place in known else one
    return tuple(
        DailySums(day, tuple(one for one in days[day].values() if one.n or one.total or one.bins))
        for day in sorted(days)
    )


def _added(one: Sums, other: Sums) -> Sums:
    total = tuple(a + b for a, b in zip(one.total, other.total, strict=True))
    products = tuple(a + b for a, b in zip(one.products, other.products, strict=True))
    bins = added_bins(one.bins, other.bins)
    return Sums(one.cell, one.metric, one.n + other.n, total, products, one.segment, bins)


def moments_by_day(statistics: Statistics, metric: str, *, cells: int, segment: str | None = None) -> Moments:
    """Moments up to each day, of shape (days, cells) and four variables; of one segment, or of all."""
    count = len(statistics.days)
    n, total = np.zeros((count, cells)), np.zeros((count, cells, VARIABLES))
    cross = np.zeros((count, cells, VARIABLES, VARIABLES))
    for row, daily in enumerate(statistics.days):
        for one in daily.sums:
            if one.metric == metric and one.cell < cells and segment in (None, one.segment):
                n[row, one.cell] += one.n
                total[row, one.cell] += one.total
                square = np.zeros((VARIABLES, VARIABLES))
                square[UPPER] = square.T[UPPER] = one.products
                cross[row, one.cell] += square
    return Moments(n.cumsum(axis=0), total.cumsum(axis=0), cross.cumsum(axis=0))


def bins_by_day(statistics: Statistics, metric: str, *, cells: int, segment: str | None = None) -> Clustered:
    """Histograms up to each day, of shape (days, cells, bins); of one segment, or of all."""
    kept = [
        (row, one)
        for row, daily in enumerate(statistics.days)
        for one in daily.sums
        if one.metric == metric and one.cell < cells and segment in (None, one.segment)
    ]
    ends = sorted({end for _, one in kept if one.bins for end in zip(one.bins.low, one.bins.high, strict=True)})
    place = {end: at for at, end in enumerate(ends)}
    n = np.zeros((len(statistics.days), cells))
    tables = np.zeros((3, *n.shape, len(ends)))
    for row, one in kept:
        n[row, one.cell] += one.n
        if one.bins:
            at = [place[end] for end in zip(one.bins.low, one.bins.high, strict=True)]
            tables[:, row, one.cell, at] += (one.bins.counts, one.bins.joint, one.bins.squares)
    low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
    return Clustered(low, high, n.cumsum(axis=0), *tables.cumsum(axis=1))


def _late_starts(exposed: Exposed) -> npt.NDArray[np.bool_]:
    return np.asarray(exposed.start_day >= exposed.since[exposed.start_viewer])


class _Grown(msgspec.Struct, frozen=True):
    """By viewer and day: whose, when, sums after and before that day, and whether they joined on it."""

    viewer: Ints
    day: Ints
    after: Floats
    before: Floats
    joined: Floats
    past: Floats
    """By viewer: sums of the days before the exposure."""


_Added = tuple[int, tuple[float, ...], tuple[float, ...], Bins | None]
"""Where: day, cell and segment; what is added there."""


def _grown(exposed: Exposed) -> _Grown:
    count = len(exposed.cell)
    later = exposed.day >= exposed.since[exposed.viewer]
    viewer = np.concatenate([np.arange(count), exposed.viewer[later]])
    day = np.concatenate([exposed.since, exposed.day[later]])
    values = np.concatenate([np.zeros((count, len(COLUMNS))), exposed.values[later]])
    joined = np.concatenate([np.ones(count), np.zeros(int(later.sum()))])
    order = np.lexsort((-joined, day, viewer))
    viewer, day, values, joined = viewer[order], day[order], values[order], joined[order]
    running = values.cumsum(axis=0)
    first = np.flatnonzero(joined)
    start = (running[first] - values[first])[viewer] if count else running
    after = running - start
    return _Grown(viewer, day, after, after - values, joined, _past(exposed))


def _past(exposed: Exposed) -> Floats:
    """(viewers, columns) sums of the days before the exposure."""
    past = np.zeros((len(exposed.cell), len(COLUMNS)))
    earlier = exposed.day < exposed.since[exposed.viewer]
    np.add.at(past, exposed.viewer[earlier], exposed.values[earlier])
    return past


def totals(exposed: Exposed, metric: Metric) -> Floats:
    """(viewers, 4): each viewer's sums since the exposure, and of the time before it."""
    after = np.zeros((len(exposed.cell), len(COLUMNS)))
    later = exposed.day >= exposed.since[exposed.viewer]
    np.add.at(after, exposed.viewer[later], exposed.values[later])
    return _vector(after, _past(exposed), metric)


def _vector(sums: Floats, past: Floats, metric: Metric) -> Floats:
    """(rows, 4): numerator, denominator, and both of the past; a mean's denominator is one a viewer."""
    columns = []
    for table in (sums, past):
        top = table[:, COLUMNS.index(metric.top)]
        columns.append(top if metric.cap is None else np.minimum(top, metric.cap))
        columns.append(table[:, COLUMNS.index(metric.bottom)] if metric.bottom else np.ones(len(table)))
    return np.stack(columns, axis=1)
