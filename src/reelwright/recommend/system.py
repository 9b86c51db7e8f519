"""How recommendations are wired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.catalog.contract import CatalogClient
from reelwright.events.contract import EventsClient
from reelwright.experiments.contract import ExperimentsClient
from reelwright.kernel.system import Health, Resources
from reelwright.recommend.service import RecommendService


class RecommendSystem:
    """Recommendations in a process."""

    name = "recommend"

    def __init__(
        self, resources: Resources, *, catalog: CatalogClient, events: EventsClient, experiments: ExperimentsClient
    ) -> None:
        self.service = RecommendService(
            catalog=catalog, events=events, experiments=experiments, clock=resources.clock
        )

    def routes(self) -> Sequence[Any]:
        """The routes of recommendations."""
        from reelwright.recommend.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        """Well whenever catalogue and events are."""
        return Health(system=self.name, state="ok")
