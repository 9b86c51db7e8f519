"""How many viewers a test needs before it begins, by how everybody's metrics varied until yesterday.

The test is the scorecard's own: with its past where viewers have one, and read as the scorecard will be, at any time
or at planned looks. Viewers are taken to do in the test what they did in that week.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from reelwright.experiments.contract import Cell, Experiment
from reelwright.experiments.core.analysis import checks, effects, looks
from reelwright.experiments.core.daily import Exposed, Statistics, daily_sums
from reelwright.experiments.core.metrics import Metric
from reelwright.experiments.core.scorecard import ALPHA, FIRST_LOOK, level_of, measured, relative_effect, table_of
from reelwright.kernel.errors import Invalid

POWER = 0.8
EFFECT_LEAST, EFFECT_MOST = 0.0001, 10.0


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of all viewers in the week up to a day."""

    metric: str
    day: int
    """The last one, days since the epoch."""
    viewers: int
    level: float
    """As the scorecard shows it."""
    deviation: float
    """Of a viewer, as a share of the level; what the week before explains is taken out."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Viewers that each arm needs to find a change of one metric."""

    metric: str
    cells: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """All arms together."""
        return sum(viewers for _, viewers in self.cells)


def baselines(exposed: Exposed, metrics: Sequence[Metric], *, day: int) -> tuple[Baseline, ...]:
    """One entry a metric that varies; none with too few viewers. All of them are in cell 0."""
    if len(exposed.cell) < FIRST_LOOK:
        return ()
    days = daily_sums(exposed, metrics, cells=1)
    statistics = Statistics(experiment="", at_ms=0, synthetic=False, days=days)
    found = []
    for metric in metrics:
        table = table_of(statistics, metric, cells=1)
        effect, _ = relative_effect(metric, table, 0)  # against itself: the error of two arms that are alike
        level, error = level_of(metric, table, 0), float(effect.error[-1])
        if level is not None and math.isfinite(error) and error > 0:
            deviation = error * math.sqrt(len(exposed.cell) / 2)
            found.append(
                Baseline(metric=metric.key, day=day, viewers=len(exposed.cell), level=level, deviation=deviation)
            )
    return tuple(found)


def size_of(cells: Sequence[Cell], baseline: Baseline, effect: float, *, planned_looks: Sequence[float] = ()) -> Size:
    """For a relative change of `effect` (0.02 is 2 %), found with 80 % power in any arm. Raises Invalid."""
    if not EFFECT_LEAST <= effect <= EFFECT_MOST:
        raise Invalid(f"a change to find is from {EFFECT_LEAST:.2%} to {EFFECT_MOST:.0%}, got {effect:.4%}")
    control, *others = (cell.weight for cell in cells)
    if not others or control <= 0 or min(others) <= 0:
        raise Invalid("a size needs two arms that both get viewers")
    alpha = ALPHA / len(others)
    ratio = min(others) / control
    plain = float(checks.sample_size(effect, baseline.deviation**2, alpha=alpha, power=POWER, ratio=ratio))
    units = plain * _longer(planned_looks, alpha=alpha) / control
    return Size(
        metric=baseline.metric, cells=tuple((cell.key, math.ceil(round(units * cell.weight, 6))) for cell in cells)
    )


def sizes_of(experiment: Experiment, known: Mapping[str, Baseline], effect: float) -> list[Size]:
    """By metric of a split, the one that decides first; those of which nothing is known are left out."""
    found = [known[one.key] for one in measured(experiment) if one.key in known]
    return [size_of(experiment.cells, one, effect, planned_looks=experiment.looks) for one in found]


def _longer(planned_looks: Sequence[float], *, alpha: float) -> float:
    """How many times the units of a test that is read once."""
    one = np.ones(1)
    fixed = float(effects.interval(effects.Effect(one, one, one, one), alpha=alpha, z=True).high[0]) - 1
    if planned_looks:
        width = float(looks.bounds(planned_looks, alpha=alpha)[-1])
    else:
        found = effects.anytime(effects.Effect(one, one, one, one), rho=effects.best_rho(1, alpha=alpha), alpha=alpha)
        width = float(found.high[0]) - 1
    reach = float(checks.detectable(1.0, alpha=alpha, power=POWER))
    return ((reach - fixed + width) / reach) ** 2
