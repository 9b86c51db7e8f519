"""A test of the size that was planned finds what it was planned for, about four times of five."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from reelwright.experiments.contract import Cell, Experiment
from reelwright.experiments.core.daily import Exposed, Statistics, daily_sums, exposed_of
from reelwright.experiments.core.metrics import DAY_MS, METRICS, row_of
from reelwright.experiments.core.scorecard import FIRST_LOOK, score
from reelwright.experiments.core.sizes import Baseline, baselines, size_of, sizes_of
from reelwright.kernel.errors import Invalid

CELLS = (Cell(key="a", weight=0.5), Cell(key="b", weight=0.5))
HOURS = Baseline(metric="watch_hours", day=9, viewers=1000, level=2.0, deviation=0.5)


def watching(seed: int, count: int, *, lift: float = 1.0, arms: int = 1, past: bool = False) -> Exposed:
    """Viewers of one day, by turns in the arms; with a past, the day before says half of what they do."""
    chance = np.random.default_rng(seed)
    habit = chance.lognormal(7, 0.5, count)
    seconds = habit * chance.lognormal(0, 0.2, count) * np.where(np.arange(count) % 2 * (arms > 1), lift, 1.0)
    days = [
        (str(at), 5, row_of({"watch_s": seconds[at], "starts": 1.0, "start_ms": habit[at]})) for at in range(count)
    ]
    before = [(str(at), 4, row_of({"watch_s": habit[at]})) for at in range(count)] if past else []
    starts = [(str(at), 5, round(one), 1) for at, one in enumerate(habit)]
    return exposed_of([(str(at), at % arms, 5) for at in range(count)], sorted(before + days), starts)


@pytest.mark.parametrize(("looks", "past"), [((1.0,), False), ((0.5, 1.0), True), ((), False)])
def test_a_planned_test_finds_what_it_was_planned_for(looks: tuple[float, ...], past: bool) -> None:
    """150 tests with a lift of 10 %, each of the size that the week before asks for: 80 %, ± 4 deviations."""
    (known,) = baselines(watching(0, 4000, past=past), [METRICS["watch_hours"]], day=5)
    test = Experiment(key="t", layer="l", cells=CELLS, metrics=("watch_hours",), looks=looks)
    (size,) = sizes_of(test, {"watch_hours": known}, 0.1)
    test = replace(test, planned_units=size.total)
    found = 0
    for seed in range(1, 151):
        sums = daily_sums(watching(seed, size.total, lift=1.1, arms=2, past=past), [METRICS["watch_hours"]], cells=2)
        card = score(test, Statistics(experiment="t", at_ms=6 * DAY_MS, synthetic=False, days=sums))
        found += card.decided == "better"
    assert 0.67 < found / 150 < 0.93, (size, found)


def test_sizes_are_those_of_the_formula() -> None:
    """Read once: 2 (z + z)² s² / d² an arm; more for several looks, most for any time; a past saves."""
    once, often, ever = (
        size_of(CELLS, HOURS, 0.02, planned_looks=looks).total for looks in ((1.0,), (0.25, 0.5, 0.75, 1.0), ())
    )
    assert once == 2 * 9812 and once < often < 1.06 * once and 1.85 * once < ever < 2 * once
    uneven = size_of((Cell(key="a", weight=0.9), Cell(key="b", weight=0.1)), HOURS, 0.02, planned_looks=(1.0,))
    (_, many), (_, few) = uneven.cells
    assert many == pytest.approx(9 * few, rel=0.001) and uneven.total > 2 * once
    three = tuple(Cell(key=one, weight=1 / 3) for one in "abc")
    assert size_of(three, HOURS, 0.02, planned_looks=(1.0,)).total > 1.5 * once
    plain, past = (
        baselines(watching(1, 2000, past=past), [METRICS["watch_hours"]], day=5)[0] for past in (False, True)
    )
    assert past.deviation < 0.6 * plain.deviation and past.level == plain.level


def test_every_kind_of_metric_has_a_baseline_and_what_never_varied_has_none() -> None:
    """Means, ratios and quantiles; of too few viewers nothing is told."""
    found = baselines(watching(2, 500), tuple(METRICS.values()), day=5)
    assert {one.metric for one in found} == {"watch_hours", "start_ms", "start_p95_ms", "watch_p50_hours"}
    assert all(one.deviation > 0 and one.level > 0 and one.viewers == 500 for one in found)
    assert baselines(watching(2, FIRST_LOOK - 1), tuple(METRICS.values()), day=5) == ()


@pytest.mark.parametrize("effect", [0.0, -0.02, float("nan"), 11.0])
def test_a_change_that_cannot_be_planned_for_is_refused(effect: float) -> None:
    """With the range there is."""
    with pytest.raises(Invalid, match="a change to find is from"):
        size_of(CELLS, HOURS, effect)


def test_one_arm_has_no_size() -> None:
    """Nor has an arm that nobody comes to."""
    for cells in (CELLS[:1], (Cell(key="a", weight=1.0), Cell(key="b", weight=0.0))):
        with pytest.raises(Invalid, match="two arms"):
            size_of(cells, HOURS, 0.02)
