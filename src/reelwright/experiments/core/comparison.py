"""What cannot be randomised: an edge, title or device that changed on a day, beside those that did not. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from reelwright.experiments.core.analysis.designs import difference_in_differences, synthetic_control
from reelwright.experiments.core.analysis.effects import interval
from reelwright.kernel.errors import Invalid

Design = Literal["differences", "synthetic"]


class Measure(msgspec.Struct, frozen=True):
    """The ratio of two sums of the table `playback_sessions`, in SQL: of sessions that tell of it."""

    says: str
    top: str
    bottom: str


MEASURES: Mapping[str, Measure] = {
    "stall_share": Measure("share of time stalled", "sum(stalled_s)", "sum(watched_s + stalled_s)"),
    "stalls_per_hour": Measure("stalls an hour watched", "sum(stalls) * 3600", "sum(watched_s)"),
    "start_ms": Measure("milliseconds to the first frame", "sum(start_ms)", "count(start_ms)"),
    "errors_per_session": Measure("errors a session", "sum(errors)", "count(*)"),
    "bitrate_bps": Measure(
        "bits a second", "sum(bitrate_bps * watched_s)", "sum(watched_s) FILTER (bitrate_bps IS NOT NULL)"
    ),
    "watch_hours": Measure("hours watched a day", "sum(watched_s)", "3600"),
}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the change did to those that it reached, from its day on."""

    design: Design
    measure: str
    effect: float
    low: float | None
    high: float | None
    """Of differences in differences, a 95 % interval."""
    p: float
    """Of a synthetic control, the rank among placebos: never below 1 / units."""
    beside: dict[str, float]
    """Whom it was compared with, with their weights."""
    left_out: tuple[str, ...]
    """Units without a figure on each of the days."""


def compare(
    figures: Mapping[str, Mapping[str, float]], *, measure: str, treated: Sequence[str], since: str, design: Design
) -> Comparison:
    """Figures by unit and day (ISO), of which `treated` changed on `since`. Raises Invalid with what is missing."""
    days = sorted({day for series in figures.values() for day in series})
    whole = {
        unit: np.array([series[day] for day in days])
        for unit, series in figures.items()
        if all(math.isfinite(series.get(day, math.nan)) for day in days)
    }
    lost = [unit for unit in treated if unit not in whole]
    if lost:
        raise Invalid(f"{', '.join(one[:60] for one in lost)} has no figure on each of {len(days)} days")
    start = sum(day < since for day in days)
    if not 0 < start < len(days):
        raise Invalid(f"the change comes after the first of the days and not after the last, got {since} of {days}")
    others = sorted(unit for unit in whole if unit not in treated)
    found = _differences if design == "differences" else _synthetic
    effect, low, high, p, weights = found([whole[one] for one in treated], [whole[one] for one in others], start)
    return Comparison(
        design=design,
        measure=measure,
        effect=effect,
        low=low,
        high=high,
        p=p,
        beside={unit: round(weight, 6) for unit, weight in zip(others, weights, strict=True)},
        left_out=tuple(sorted(set(figures) - set(whole))),
    )


Series = Sequence[np.ndarray]
Found = tuple[float, float | None, float | None, float, list[float]]


def _differences(treated: Series, others: Series, start: int) -> Found:
    sides = [np.array([[one[:start].mean(), one[start:].mean()] for one in side]) for side in (others, treated)]
    if min(map(len, sides)) < 2:
        raise Invalid("difference in differences needs two units that changed, and two that did not")
    found = difference_in_differences((sides[0][:, 0], sides[1][:, 0]), (sides[0][:, 1], sides[1][:, 1]))
    bounds = interval(found)
    weights = [1 / len(others)] * len(others)
    return float(found.estimate), float(bounds.low), float(bounds.high), float(bounds.p), weights


def _synthetic(treated: Series, others: Series, start: int) -> Found:
    if len(treated) != 1:
        raise Invalid(f"a synthetic control is made for one unit, got {len(treated)}")
    found = synthetic_control(treated[0], np.array(others).reshape(len(others), -1), start)
    return float(found.gap.mean()), None, None, found.p, found.weights.tolist()
