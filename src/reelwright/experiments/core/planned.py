"""Planned looks: when each is taken, and intervals that hold at all of them together (group-sequential).

A look is taken at the end of the first whole day on which so many units have come: what a day still adds would be a
look of its own. It spends alpha by the units there are then (Lan, DeMets 1983; O'Brien–Fleming's shape).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from reelwright.experiments.contract import Experiment
from reelwright.experiments.core.analysis import looks
from reelwright.experiments.core.analysis.effects import Effect
from reelwright.experiments.core.analysis.moments import Floats


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A planned look of an experiment."""

    units: int
    """How many units, all arms together, it waits for."""
    day: int | None = None
    """When it was taken; days since the epoch."""


class Plan(msgspec.Struct, frozen=True):
    """The looks of an experiment, and which rows of its days they read."""

    looks: tuple[Look, ...]
    rows: tuple[int, ...]
    """One for all looks that a day reached together."""
    times: tuple[float, ...]
    """Shares of the planned units there were."""

    @property
    def ended(self) -> bool:
        """Whether the last look has been taken."""
        return self.looks[-1].day is not None


def plan_of(experiment: Experiment, days: Sequence[int], units: Floats, *, today: int) -> Plan:
    """Of the days before today, with the units that had come up to each."""
    found, rows = [], []
    for share in experiment.looks:
        needed = math.ceil(share * experiment.planned_units)
        row = int(np.searchsorted(units, needed))
        taken = row < len(days) and days[row] < today
        found.append(Look(units=needed, day=int(days[row]) if taken else None))
        if taken and row not in rows:
            rows.append(row)
    times = tuple(min(float(units[row]) / experiment.planned_units, 1.0) for row in rows)
    return Plan(tuple(found), tuple(rows), times)


class Reading(msgspec.Struct, frozen=True):
    """What a plan's looks say of an effect: ends of the interval at each, and the look that counts."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    at: int | None
    """The first look at which it was sure, else the last with a figure; of the plan's rows."""
    p: float | None
    """Once it was sure or the last look has been taken: by the look at which it ended, then by how far it was."""


def read(plan: Plan, found: Effect, *, alpha: float) -> Reading:
    """An effect, up to each day, at the looks that have been taken."""
    if not plan.rows:
        return Reading((), (), None, None)
    rows = list(plan.rows)
    critical = looks.bounds(plan.times, alpha=alpha)
    estimate, error = found.estimate[rows], found.error[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high, score = estimate - critical * error, estimate + critical * error, np.abs(estimate / error)
    known = np.flatnonzero(np.isfinite(low))
    sure = np.flatnonzero(score > critical)
    at = int(sure[0]) if len(sure) else int(known[-1]) if len(known) else None
    p = None
    if at is not None and (len(sure) or (plan.ended and at == len(rows) - 1)):
        p = looks.stagewise_p(plan.times[: at + 1], float(score[at]), alpha=alpha)
    return Reading(tuple(low.tolist()), tuple(high.tolist()), at, p)
