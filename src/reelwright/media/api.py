"""Routes of media: the encodes, live, and what can be done with one."""

from __future__ import annotations

from typing import Any

from litestar import Controller, get, post
from litestar.response import Stream

from reelwright.kernel.ids import AssetId
from reelwright.kernel.live import live
from reelwright.kernel.principal import require
from reelwright.media.contract import Progress
from reelwright.media.service import MediaService


class MediaJobs(Controller):
    """`/api/v1/media/jobs`: encodes, for editors."""

    path = "/api/v1/media/jobs"
    tags = ("media",)
    guards = (require("editor"),)

    @get("/", summary="List encodes, those at work first")
    async def list_jobs(self, media: MediaService) -> list[Progress]:
        """List encodes with stage, percent, speed and remaining time: those at work, waiting, ended."""
        return await media.list_progress()

    @get("/stream", summary="Follow encodes live", media_type="text/event-stream")
    async def stream_jobs(self, media: MediaService) -> Stream:
        """Follow the list of encodes as Server-Sent Events; one message for each change."""

        async def look() -> Any:
            return await media.list_progress()

        return live(look, every_s=0.7)

    @post("/{asset_id:str}/cancel", summary="Cancel an encode", status_code=200)
    async def cancel_job(self, media: MediaService, asset_id: str) -> Progress:
        """Stop an encode before its next chunk; what was published stays playable."""
        return await media.cancel(AssetId(asset_id))

    @post("/{asset_id:str}/retry", summary="Retry an encode", status_code=200)
    async def retry_job(self, media: MediaService, asset_id: str) -> Progress:
        """Go on with an encode that failed or was cancelled; one that waits comes next."""
        return await media.retry(AssetId(asset_id))
