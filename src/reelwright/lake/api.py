"""Routes of the lake: what the product's own charts show, and questions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from msgspec import Meta

from reelwright.kernel.principal import require
from reelwright.lake.contract import Answer, Freshness, LakeClient


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over the lake's tables."""

    sql: Annotated[str, Meta(min_length=1, max_length=20_000)]


class AnalyticsRoutes(Controller):
    """For administrators: what viewers did is nobody else's business."""

    path = "/api/v1/analytics"
    tags = ("analytics",)
    guards = (require("admin"),)

    @get("/tables", summary="List the lake's tables", sync_to_thread=True)
    def list_tables(self, lake: LakeClient) -> list[Freshness]:
        """List the lake's tables with their size and last commit."""
        return lake.freshness()

    @post("/sql", summary="Ask the lake", status_code=200)
    async def ask(self, data: Asked, lake: LakeClient) -> Answer:
        """Answer one SELECT over tables and hot tail, within bounds of time, memory and rows."""
        return await lake.ask(data.sql)


ROUTES: tuple[Any, ...] = (AnalyticsRoutes,)
