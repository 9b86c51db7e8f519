"""How events are wired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reelwright.events.adapters.bus import source_name
from reelwright.events.client import CollectorClient
from reelwright.events.ports import Projector
from reelwright.events.service import EventsService
from reelwright.events.settings import EventsSettings
from reelwright.kernel.system import Health, Resources

MIGRATIONS = "reelwright.events"


class EventsSystem:
    """Event collection in a process, or the way to the collector where that runs apart."""

    name = "events"

    def __init__(self, resources: Resources, *, role: str = "web", projectors: Sequence[Projector] = ()) -> None:
        self._role = role
        collectors = resources.peers.get("collector", ()) if role != "collector" else ()
        self.service: EventsService | CollectorClient
        if collectors:
            self.service = CollectorClient(
                url=collectors[0], database=resources.database, clock=resources.clock, keys=resources.keys
            )
        else:
            settings = resources.source.section("events", EventsSettings)
            self.service = EventsService(
                database=resources.database,
                clock=resources.clock,
                settings=settings,
                folder=resources.data / "events",
                source=source_name(settings, f"{role}-{resources.instance}"),
                projectors=projectors,
            )

    def routes(self) -> Sequence[Any]:
        """The routes of events; a collector has no catalogue, and takes events only."""
        from reelwright.events.api import ROUTES, VIEWER_ROUTES

        return ROUTES if self._role == "collector" else (*ROUTES, *VIEWER_ROUTES)

    def direct(self) -> Mapping[tuple[str, str], Any]:
        """Routes that are served before the framework's, behind the same middleware: batches of few events."""
        from reelwright.events.api import direct_routes

        return direct_routes(self.service)

    async def start(self) -> None:
        """Open the log, project what a former run left."""
        await self.service.start()

    async def stop(self) -> None:
        """Project the rest, close the log."""
        await self.service.stop()

    async def health(self) -> Health:
        """Degraded while events cannot be stored, or are stored but not projected."""
        if self.service.refused:
            return Health(
                system=self.name,
                state="degraded",
                says=f"events cannot be stored: {self.service.refused}",
                do="bring back what it names; players keep their events and send them again",
            )
        if self.service.problem:
            return Health(
                system=self.name,
                state="degraded",
                says=f"events are stored but not yet counted: {self.service.problem}",
                do="bring the database back; nothing is lost meanwhile",
            )
        return Health(system=self.name, state="ok")
