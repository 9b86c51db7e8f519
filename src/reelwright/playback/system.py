"""How playback is wired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.accounts.contract import AccountsClient
from reelwright.catalog.contract import CatalogClient
from reelwright.cdn.contract import SteeringClient
from reelwright.events.contract import EventsClient
from reelwright.experiments.contract import ExperimentsClient
from reelwright.kernel.system import Health, Resources
from reelwright.media.contract import MediaClient
from reelwright.playback.service import PlaybackService
from reelwright.playback.settings import PlaybackSettings

MIGRATIONS = "reelwright.playback"


class PlaybackSystem:
    """Playback in a process."""

    name = "playback"

    def __init__(
        self,
        resources: Resources,
        *,
        accounts: AccountsClient,
        catalog: CatalogClient,
        media: MediaClient,
        events: EventsClient,
        experiments: ExperimentsClient,
        steering: SteeringClient,
    ) -> None:
        self.service = PlaybackService(
            database=resources.database,
            clock=resources.clock,
            keys=resources.keys,
            settings=resources.source.section("playback", PlaybackSettings),
            media_urls=resources.media_urls,
            accounts=accounts,
            catalog=catalog,
            media=media,
            events=events,
            experiments=experiments,
            steering=steering,
            public_url=resources.public_url,
        )

    def routes(self) -> Sequence[Any]:
        """The routes of playback."""
        from reelwright.playback.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        """Well whenever the database is."""
        return Health(system=self.name, state="ok")
