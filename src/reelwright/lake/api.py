"""Routes of the lake: what the product's own charts show, and questions."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, get, post
from litestar.params import Parameter
from msgspec import Meta

from reelwright.events.contract import EventsClient
from reelwright.kernel.principal import require
from reelwright.lake.contract import Answer, Freshness, LakeClient, Ledger, QualityReport, Refused, Replayed


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

    @get("/ledger", summary="Reconcile events")
    async def reconcile(self, lake: LakeClient, events: EventsClient) -> Ledger:
        """Reconcile what was received, acknowledged, refused and stored in the last two days; a gap is an alarm."""
        return await lake.reconcile(await events.list_ledger())

    @get("/quality", summary="Report quality of experience")
    async def quality(
        self,
        lake: LakeClient,
        first: Annotated[date, Parameter(description="First day (UTC).")],
        last: Annotated[date, Parameter(description="Last day (UTC).")],
        by: Annotated[Literal["edge", "device", "title"], Parameter(description="What to group by.")] = "edge",
    ) -> QualityReport:
        """Report start time, stalls, bitrate and failures of real viewers, in all, a day and by a dimension."""
        return await lake.quality(first=first.isoformat(), last=last.isoformat(), by=by)

    @get("/failed", summary="List refused events")
    async def list_refused(
        self,
        lake: LakeClient,
        limit: Annotated[int, Parameter(ge=1, le=1000, description="Events at most.")] = 200,
    ) -> list[Refused]:
        """List refused events that are not stored by now, newest first, each with the reason."""
        return await lake.list_refused(limit=limit)

    @post("/failed/replay", summary="Send refused events again", status_code=200)
    async def replay(self, lake: LakeClient, events: EventsClient) -> Replayed:
        """Send refused events again, as they came; what is stored already stays one event."""
        return await lake.replay(events)


ROUTES: tuple[Any, ...] = (AnalyticsRoutes,)
