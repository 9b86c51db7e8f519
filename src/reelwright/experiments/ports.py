"""What experiments need from outside."""

from __future__ import annotations

from typing import Protocol

from reelwright.experiments.contract import Experiment
from reelwright.experiments.core.daily import Exposed


class ViewingFacts(Protocol):
    """Who was exposed, and what they did on which day: the projections of events, or a lake."""

    async def read(self, experiment: Experiment) -> tuple[bool, Exposed]:
        """(whether they are simulated, the viewers with their days): simulated ones where there are no others."""
        ...
