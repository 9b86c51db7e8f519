"""What is measured of a viewer's day, and the metrics that experiments are judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from reelwright.events.contract import Fact
from reelwright.kernel.ids import ProfileId

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
WASHOUT_MS = 300_000
START_MS_MOST, STALL_MS_MOST = 600_000.0, 3_600_000.0
"""Longer ones are a clock that jumped, or a laptop that was shut."""
STORED = ("watch_s", "views", "plays", "starts", "start_ms", "stalls", "stall_ms", "errors", "thumbs_up")
COLUMNS = (*STORED, "active", "credited", "won")
"""Of one viewer on one day (UTC); they add up. `starts` counts the plays that told their `start_ms`; `credited` the
titles played from an interleaved page, and `won` those among them that the second cell had picked."""
Day = dict[str, float]
Starts = dict[int, int]
"""Start times in whole milliseconds, and how many plays took each."""
GRAIN = 1024.0
"""Seconds and milliseconds are counted in whole 1024ths: such sums are exact in whatever order and batches they come,
so that two sources of the same events agree to the bit."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of a column over viewers, or the ratio of two; all days since the first exposure count together.

    With a `quantile`, that quantile instead: of viewers' sums of the column, or, of start times (`bottom` is
    `starts`), of every single one.
    """

    key: str
    says: str
    top: str
    bottom: str = ""
    scale: float = 1.0
    unit: str = ""
    better: Literal["up", "down"] = "up"
    cap: float | None = None
    """A viewer's sum of the column counts at most as this much (winsorised, declared beforehand)."""
    quantile: float | None = None
    """Between 0 and 1."""

    @property
    def of_starts(self) -> bool:
        """Whether it is a quantile of single start times, of which a viewer has any number."""
        return self.quantile is not None and self.bottom == "starts"


METRICS: Mapping[str, Metric] = {
    one.key: one
    for one in (
        Metric(key="watch_hours", says="hours watched a viewer", top="watch_s", scale=1 / 3600, unit="h", cap=2e6),
        Metric(key="views", says="views a viewer", top="views"),
        Metric(key="active_days", says="days with watching a viewer", top="active"),
        Metric(key="thumbs_up", says="thumbs up a viewer", top="thumbs_up"),
        Metric(
            key="start_ms", says="time from play to first frame", top="start_ms", bottom="starts", unit="ms",
            better="down",
        ),
        Metric(
            key="stalls_per_hour", says="stalls an hour watched", top="stalls", bottom="watch_s", scale=3600,
            better="down",
        ),
        Metric(
            key="stall_share", says="time stalled, of time watched", top="stall_ms", bottom="watch_s", scale=0.1,
            unit="%", better="down",
        ),
        Metric(
            key="start_p95_ms", says="start time, 95th percentile", top="start_ms", bottom="starts", unit="ms",
            better="down", quantile=0.95,
        ),
        Metric(
            key="watch_p50_hours", says="hours watched by the median viewer", top="watch_s", scale=1 / 3600, unit="h",
            quantile=0.5,
        ),
        Metric(key="errors_per_play", says="errors a play", top="errors", bottom="plays", better="down"),
    )
}  # fmt: skip

PREFERENCE = Metric(key="preference", says="plays of its picks", top="won", bottom="credited", scale=100, unit="%")
"""What an interleaving experiment is judged by."""
EVERY: Mapping[str, Metric] = {**METRICS, PREFERENCE.key: PREFERENCE}


NO_BASELINE = (
    "No data yet: sizes rest on how viewers of the last week differ, which the worker takes down once a day, as soon "
    "as 50 of them have watched."
)
"""What is said where a size is asked for too early."""


def row_of(day: Day, credited: tuple[float, float] = (0.0, 0.0)) -> list[float]:
    """A day as a row of `COLUMNS`, with how many titles were credited, and how many to the second cell."""
    return [*(day.get(name, 0.0) for name in STORED), float(day.get("watch_s", 0.0) > 0), *credited]


def days_of(facts: Iterable[Fact]) -> dict[tuple[ProfileId, int], Day]:
    """What events add to each viewer's days; `active` is left to whoever knows the whole day."""
    found: dict[tuple[ProfileId, int], Day] = {}
    for fact in facts:
        added = _added(fact)
        if added:
            day = found.setdefault((fact.profile_id, fact.event.at_ms // DAY_MS), {})
            for name, value in added.items():
                day[name] = day.get(name, 0.0) + value
    return found


def hours_of(facts: Iterable[Fact]) -> dict[tuple[int, bool], Day]:
    """What events add to each hour since the epoch, of real and of simulated viewers.

    An hour's first minutes are left out: what began under the cell before still plays then.
    """
    found: dict[tuple[int, bool], Day] = {}
    for fact in facts:
        added = _added(fact) if fact.event.at_ms % HOUR_MS >= WASHOUT_MS else {}
        if added:
            hour = found.setdefault((fact.event.at_ms // HOUR_MS, fact.synthetic), {})
            for name, value in added.items():
                hour[name] = hour.get(name, 0.0) + value
    return found


def starts_of(facts: Iterable[Fact]) -> dict[tuple[ProfileId, int], Starts]:
    """The start times of each viewer's days."""
    found: dict[tuple[ProfileId, int], Starts] = {}
    for fact in facts:
        start_ms = _start_ms(fact)
        if start_ms is not None:
            starts = found.setdefault((fact.profile_id, fact.event.at_ms // DAY_MS), {})
            starts[start_ms] = starts.get(start_ms, 0) + 1
    return found


def hour_starts_of(facts: Iterable[Fact]) -> dict[tuple[int, bool], Starts]:
    """The start times of each hour, of real and of simulated viewers; without the hour's first minutes."""
    found: dict[tuple[int, bool], Starts] = {}
    for fact in facts:
        start_ms = _start_ms(fact) if fact.event.at_ms % HOUR_MS >= WASHOUT_MS else None
        if start_ms is not None:
            starts = found.setdefault((fact.event.at_ms // HOUR_MS, fact.synthetic), {})
            starts[start_ms] = starts.get(start_ms, 0) + 1
    return found


def _start_ms(fact: Fact) -> int | None:
    if fact.event.type != "play":
        return None
    start_ms = _bounded(fact.event.data.get("start_ms"), START_MS_MOST)
    return None if start_ms is None else round(start_ms)


def _added(fact: Fact) -> Day:
    event = fact.event
    if event.type in ("heartbeat", "stop"):
        return {"watch_s": _grained(fact.watched_s), "views": float(fact.viewed)}
    if event.type == "play":
        start_ms = _bounded(event.data.get("start_ms"), START_MS_MOST)
        started = {} if start_ms is None else {"starts": 1.0, "start_ms": start_ms}
        return {"plays": 1.0, **started}
    if event.type == "stall":
        return {"stalls": 1.0, "stall_ms": _bounded(event.data.get("ms"), STALL_MS_MOST) or 0.0}
    if event.type == "error":
        return {"errors": 1.0}
    if event.type == "thumb" and event.data.get("value") == 1:
        return {"thumbs_up": 1.0}
    return {}


def _bounded(value: Any, most: float) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
        return _grained(float(value))
    return None


def _grained(value: float) -> float:
    return round(value * GRAIN) / GRAIN
