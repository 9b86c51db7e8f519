"""What experiments need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reelwright.experiments.contract import Experiment
from reelwright.experiments.core.daily import DailySums
from reelwright.experiments.core.metrics import Metric


class ViewingFacts(Protocol):
    """Who was exposed, and what they did on which day: the projections of events, or a lake."""

    async def daily(self, experiment: Experiment, metrics: Sequence[Metric]) -> tuple[bool, Sequence[DailySums]]:
        """(whether the viewers are simulated, what each day adds): simulated ones where there are no others."""
        ...
