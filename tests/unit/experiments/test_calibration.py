"""A/A tests of ourselves pass where the tests are right, and say so where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reelwright.experiments.core import calibration
from reelwright.experiments.core.calibration import VIEWERS_LEAST, calibrate
from reelwright.experiments.core.daily import Exposed
from reelwright.experiments.core.metrics import COLUMNS, METRICS
from reelwright.experiments.core.scorecard import relative_effect


def viewers(count: int) -> Exposed:
    """Two days each, one before: heavy-tailed hours, and stalls."""
    draw = np.random.default_rng(2)
    values = np.zeros((count * 2, len(COLUMNS)))
    values[:, COLUMNS.index("watch_s")] = np.repeat(draw.lognormal(7, 1, count), 2) * draw.lognormal(
        0, 0.4, count * 2
    )
    values[:, COLUMNS.index("stalls")] = draw.poisson(2, count * 2)
    return Exposed(
        cell=np.zeros(count, dtype=np.int64),
        since=np.ones(count, dtype=np.int64),
        viewer=np.repeat(np.arange(count), 2),
        day=np.tile(np.array([0, 1]), count),
        values=values,
    )


WANTED = (METRICS["watch_hours"], METRICS["stalls_per_hour"], METRICS["thumbs_up"])


def test_right_tests_are_calibrated() -> None:
    """Means with their past, and ratios; nothing is said of what never varies, or of few."""
    found = calibrate(viewers(1000), WANTED, seed=1, at_ms=5)
    assert [one.metric for one in found] == ["watch_hours", "stalls_per_hour"]
    assert all(0.02 < one.called < 0.09 and not one.is_off for one in found)
    assert calibrate(viewers(VIEWERS_LEAST - 1), WANTED, seed=1, at_ms=5) == ()


def test_errors_that_are_too_small_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a mistake in the variance: intervals of two thirds of the width."""
    honest: Callable[..., Any] = relative_effect

    def wrong(*given: Any) -> Any:
        found, adjusted = honest(*given)
        return type(found)(found.estimate, found.error / 1.5, found.df, found.n), adjusted

    monkeypatch.setattr(calibration, "relative_effect", wrong)
    assert all(one.is_off for one in calibrate(viewers(1000), WANTED, seed=1, at_ms=5))
