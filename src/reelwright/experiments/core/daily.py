"""Daily sufficient statistics of an experiment: what each day adds to counts, sums and sums of products.

A metric of a viewer is a sum over days, so that its square is not a sum of daily squares. What a day adds to the
square is: a viewer whose sum goes from x to x + y adds (x + y)² − x². Days of such additions merge by addition, and
up to any day they are exactly the moments of the viewers' sums up to that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.experiments.core.analysis.moments import Floats, Moments
from reelwright.experiments.core.metrics import COLUMNS, Metric

VARIABLES = 4
"""Numerator and denominator since the exposure, and the same two of the time before it."""
UPPER = np.triu_indices(VARIABLES)
SEGMENTS = ("new", "returning")
"""Viewers who watched nothing in the days before their exposure, and the others: known before an arm can matter."""
Ints = npt.NDArray[np.int64]


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


def daily_sums(exposed: Exposed, metrics: Sequence[Metric], *, cells: int) -> tuple[DailySums, ...]:
    """One entry a day with something new, in order of days. O(rows × metrics)."""
    viewer, day, after, before, joined = _grown(exposed)
    days, at = np.unique(day, return_inverse=True)
    past = _past(exposed)
    returning = (past[:, COLUMNS.index("watch_s")] > 0).astype(np.int64)
    arms = cells * len(SEGMENTS)
    place = at * arms + exposed.cell[viewer] * len(SEGMENTS) + returning[viewer]
    n = np.bincount(place, weights=joined, minlength=len(days) * arms)
    found: list[list[Sums]] = [[] for _ in days]
    for metric in metrics:
        was = _vector(before, past[viewer], metric) * (1 - joined)[:, None]
        now = _vector(after, past[viewer], metric)
        total = np.zeros((len(days) * arms, VARIABLES))
        np.add.at(total, place, now - was)
        products = np.zeros((len(days) * arms, len(UPPER[0])))
        np.add.at(products, place, now[:, UPPER[0]] * now[:, UPPER[1]] - was[:, UPPER[0]] * was[:, UPPER[1]])
        for flat in np.flatnonzero((n > 0) | total.any(axis=1) | products.any(axis=1)).tolist():
            row, arm = divmod(flat, arms)
            cell, segment = divmod(arm, len(SEGMENTS))
            sums = tuple(total[flat].tolist()), tuple(products[flat].tolist())
            found[row].append(Sums(cell, metric.key, float(n[flat]), *sums, SEGMENTS[segment]))
    return tuple(DailySums(int(one), tuple(sums)) for one, sums in zip(days, found, strict=True))


def merged(parts: Iterable[Sequence[DailySums]]) -> tuple[DailySums, ...]:
    """The days of all parts, whose viewers are different ones: sums add up."""
    days: dict[int, dict[tuple[int, str, str], Sums]] = {}
    for part in parts:
        for daily in part:
            known = days.setdefault(daily.day, {})
            for one in daily.sums:
                place = one.cell, one.metric, one.segment
                known[place] = _added(known[place], one) if place in known else one
    return tuple(DailySums(day, tuple(days[day].values())) for day in sorted(days))


def _added(one: Sums, other: Sums) -> Sums:
    total = tuple(a + b for a, b in zip(one.total, other.total, strict=True))
    products = tuple(a + b for a, b in zip(one.products, other.products, strict=True))
    return Sums(one.cell, one.metric, one.n + other.n, total, products, one.segment)


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


def _grown(exposed: Exposed) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """By viewer and day: whose, when, sums after and before that day, and whether they joined on it."""
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
    return viewer, day, after, after - values, joined


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
