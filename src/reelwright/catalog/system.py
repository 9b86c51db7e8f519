"""How the catalogue is wired."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from reelwright.catalog.adapters.uploads import UploadFolder
from reelwright.catalog.contract import SourceArrived
from reelwright.catalog.service import CatalogService, UploadService
from reelwright.catalog.settings import CatalogSettings
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.principal import EVERYTHING, Principal
from reelwright.kernel.system import Health, Resources
from reelwright.kernel.telemetry import logger

MIGRATIONS = "reelwright.catalog"
UPLOADS_EVERY_S = 10.0
log = logger(__name__)
OPERATOR = Principal(kind="peer", role="admin", maturity_limit=EVERYTHING)
"""The service itself, looking at all titles."""


class CatalogSystem:
    """The catalogue in a process."""

    name = "catalog"

    def __init__(self, resources: Resources, *, source_arrived: SourceArrived) -> None:
        self.settings = resources.source.section("catalog", CatalogSettings)
        self.service = CatalogService(
            database=resources.database,
            objects=resources.objects,
            clock=resources.clock,
            source_arrived=source_arrived,
        )
        self.uploads = UploadService(
            database=resources.database,
            clock=resources.clock,
            folder=UploadFolder(resources.data / "uploads"),
            catalog=self.service,
            settings=self.settings,
        )
        self._looking: asyncio.Task[None] | None = None

    def routes(self) -> Sequence[Any]:
        """The routes of the catalogue."""
        from reelwright.catalog.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Look after uploads; the watched folder is the worker's."""
        self._looking = asyncio.create_task(self._look_after_uploads())

    async def _look_after_uploads(self) -> None:
        while True:
            try:
                await self.uploads.look_after()
            except ReelwrightError as error:
                log.warning("uploads wait", problem=str(error))
            await asyncio.sleep(UPLOADS_EVERY_S)

    async def stop(self) -> None:
        """Leave the uploads alone."""
        if self._looking:
            self._looking.cancel()

    async def health(self) -> Health:
        """Whether titles can be read."""
        await self.service.search("health", OPERATOR, limit=1)
        return Health(system=self.name, state="ok")
