"""How experiments are wired."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from reelwright.events.contract import EventsClient
from reelwright.experiments.service import ExperimentsService
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.system import Health, Resources
from reelwright.kernel.telemetry import logger

MIGRATIONS = "reelwright.experiments"
log = logger(__name__)


class ExperimentsSystem:
    """Experiments in a process."""

    name = "experiments"

    def __init__(self, resources: Resources, *, events: EventsClient) -> None:
        self._settings = resources.source.section("experiments", ExperimentsSettings)
        self.service = ExperimentsService(
            database=resources.database, clock=resources.clock, events=events, settings=self._settings
        )
        self._looking: asyncio.Task[None] | None = None
        self._problem = ""

    def routes(self) -> Sequence[Any]:
        """The routes of experiments."""
        from reelwright.experiments.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Compile what is in force, and follow it."""
        await self.service.look()
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._settings.look_s)
            try:
                await self.service.look()
                self._problem = ""
            except ReelwrightError as error:
                self._problem = str(error)
                log.warning("experiments_stay", problem=self._problem)

    async def stop(self) -> None:
        """Follow no more."""
        if self._looking:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def health(self) -> Health:
        """Degraded while the stored configuration cannot be followed; the one before it stays in force."""
        if self._problem:
            return Health(
                system=self.name,
                state="degraded",
                says=f"the configuration is not followed: {self._problem}",
                do="bring the database back; what was in force stays in force",
            )
        return Health(system=self.name, state="ok")
