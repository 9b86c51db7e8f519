"""Routes about the running service itself, for administrators: processes, their deaths, the health of each part."""

from __future__ import annotations

from typing import Any

from litestar import Controller, get
from litestar.response import Stream

from reelwright.kernel.live import live
from reelwright.kernel.operations import Operations
from reelwright.kernel.principal import require
from reelwright.playback.service import PlaybackService
from reelwright.web.contract import Report
from reelwright.web.service import report_of


class OperationsRoutes(Controller):
    """`/api/v1/operations`."""

    path = "/api/v1/operations"
    tags = ("service",)
    guards = (require("admin"),)

    @get("/", summary="Tell how the service is")
    async def get_report(self, operations: Operations, playback: PlaybackService) -> Report:
        """Tell which processes run, which have died, why, what was done, who was watching, and how each part is."""
        return await report_of(operations, playback)

    @get("/stream", summary="Follow how the service is", media_type="text/event-stream")
    async def stream_report(self, operations: Operations, playback: PlaybackService) -> Stream:
        """Follow the same report live as Server-Sent Events; one message for each change."""

        async def look() -> Any:
            return await report_of(operations, playback)

        return live(look, every_s=1)


ROUTES = (OperationsRoutes,)
