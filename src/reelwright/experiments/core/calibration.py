"""A/A tests of real viewers, with the tests that scorecards make: does the platform call what is no difference?

Viewers are split at random many times over, and nothing is different between the halves. Of such tests 5 % are
called, and their p-values are uniform; where they are not, no scorecard of that metric is to be believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from reelwright.experiments.core.analysis import checks, effects
from reelwright.experiments.core.analysis.moments import Moments
from reelwright.experiments.core.daily import Exposed, totals
from reelwright.experiments.core.metrics import Metric
from reelwright.experiments.core.scorecard import ALPHA, relative_effect

DRAWS = 400
VIEWERS_LEAST = 200
"""Fewer say nothing of a test for large numbers."""
OFF = 0.001
"""Less likely p-values than this are no chance."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How the A/A tests of one metric came out."""

    metric: str
    at_ms: int
    viewers: int
    draws: int
    called: float
    """The share of tests with p below 5 %."""
    p: float
    """Kolmogorov and Smirnov's, that the p-values are uniform."""

    @property
    def is_off(self) -> bool:
        """Whether the platform's tests of this metric cannot be believed: too many are called."""
        return self.p < OFF and self.called > ALPHA


def calibrate(exposed: Exposed, metrics: Sequence[Metric], *, seed: int, at_ms: int) -> tuple[Calibration, ...]:
    """One entry a metric that varies; none with too few viewers. O(draws × viewers × metrics)."""
    viewers = len(exposed.cell)
    if viewers < VIEWERS_LEAST:
        return ()
    treated = np.random.default_rng(seed).random((DRAWS, viewers)) < 0.5
    arms = [side.astype(np.float64) for side in (~treated, treated)]
    found = []
    for metric in metrics:
        rows = totals(exposed, metric)
        squares = (rows[:, :, None] * rows[:, None, :]).reshape(viewers, -1)
        table = Moments(
            np.stack([arm.sum(axis=1) for arm in arms], axis=1),
            np.stack([arm @ rows for arm in arms], axis=1),
            np.stack([(arm @ squares).reshape(DRAWS, 4, 4) for arm in arms], axis=1),
        )
        effect, _ = relative_effect(metric, table, 1)
        p = effects.interval(effect).p
        if np.isfinite(p).all():
            called = float((p < ALPHA).mean())
            uniform = checks.calibrated(p)
            found.append(
                Calibration(metric=metric.key, at_ms=at_ms, viewers=viewers, draws=DRAWS, called=called, p=uniform)
            )
    return tuple(found)
