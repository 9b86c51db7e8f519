"""Guardrails: a metric that is surely worse than control stops its experiment, at any look."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reelwright.experiments.contract import Guardrail
from reelwright.experiments.core.analysis.effects import Effect, anytime


def breached(found: Effect, guardrail: Guardrail, *, rho: float, alpha: float = 0.05) -> npt.NDArray[np.bool_]:
    """Whether the relative effect is beyond the margin, to its worse side, of an interval that holds at all looks.

    Only one side stops, so that the interval is that of 2 alpha: a harmless experiment is stopped with a chance of at
    most alpha. An arm without units, or a metric that never varied, breaches nothing.
    """
    bounds = anytime(found, rho=rho, alpha=2 * alpha)  # only one side stops
    if guardrail.worse == "up":
        return np.asarray(bounds.low > guardrail.margin)
    return np.asarray(bounds.high < -guardrail.margin)
