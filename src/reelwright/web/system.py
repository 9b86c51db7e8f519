"""How the pages are wired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from litestar import Request, Response, Router
from litestar.di import Provide

from reelwright.kernel.system import Health, Resources
from reelwright.web.assets import Assets
from reelwright.web.errors import page_of
from reelwright.web.render import Renderer

LAN_BANNER = (
    "This service is reached without TLS: others on this network can read what you send. "
    "Downloads and installing as an app need TLS."
)


class WebSystem:
    """Pages in a process."""

    name = "web"

    def __init__(
        self, resources: Resources, *, practice: bool = False, registered: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self.assets = Assets()
        self.renderer = Renderer(
            self.assets,
            media_urls=resources.media_urls,
            banner=LAN_BANNER if resources.settings.lan_without_tls else "",
            practice=practice,
            registered=registered,
        )

    def routes(self) -> Sequence[Any]:
        """The pages, and the API about the running service."""
        from reelwright.web import api, cdn, experiments, lake, pages, practice, studio

        return [
            Router(
                path="/",
                route_handlers=[
                    *pages.ROUTES,
                    *studio.ROUTES,
                    *lake.ROUTES,
                    *cdn.ROUTES,
                    *experiments.ROUTES,
                    *practice.ROUTES,
                    *api.ROUTES,
                ],
                dependencies={
                    "renderer": Provide(lambda: self.renderer, sync_to_thread=False),
                    "assets": Provide(lambda: self.assets, sync_to_thread=False),
                },
            )
        ]

    def handle_page_error(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """The page for an error outside the API."""
        return page_of(self.renderer, request, error)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        """Down where the scripts were not built: pages would be without style and player."""
        self.assets.manifest()
        return Health(system=self.name, state="ok")
