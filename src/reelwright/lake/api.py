"""Routes of the lake: what the product's own charts show, and questions."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import Meta

from reelwright.events.contract import EventsClient
from reelwright.kernel.ids import ProfileId
from reelwright.kernel.live import live
from reelwright.kernel.principal import require
from reelwright.lake.contract import (
    Answer,
    Chart,
    Erasure,
    Freshness,
    LakeClient,
    Ledger,
    QualityReport,
    Refused,
    Replayed,
)
from reelwright.lake.service import checked_id

Form = Literal["csv", "parquet"]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over the lake's tables."""

    sql: Annotated[str, Meta(min_length=1, max_length=20_000)]


class AskedAsFile(Asked, frozen=True, forbid_unknown_fields=True):
    """One SELECT, and as what its answer is wanted."""

    format: Form = "csv"


def _file(answer: Answer, name: str, form: Form) -> Response[bytes]:
    headers = {"X-Truncated": "true"} if answer.truncated else {}
    return _download(answer.body, f"{name}.{form}", "application/octet-stream", headers)


def _download(body: bytes, name: str, kind: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    fields = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store", **(headers or {})}
    return Response(body, media_type=kind, headers=fields)


class AnalyticsRoutes(Controller):
    """For administrators: what viewers did is nobody else's business."""

    path = "/api/v1/analytics"
    tags = ("analytics",)
    guards = (require("admin"),)

    @get("/tables", summary="List the lake's tables", sync_to_thread=True)
    def list_tables(self, lake: LakeClient) -> list[Freshness]:
        """List the lake's tables with their size and last commit."""
        return lake.freshness()

    @get("/stream", summary="Follow the tables live", media_type="text/event-stream")
    async def stream_tables(self, lake: LakeClient) -> Stream:
        """Follow the list of tables as Server-Sent Events; one message for each commit."""

        async def look() -> list[Freshness]:
            return await asyncio.to_thread(lake.freshness)

        return live(look, every_s=2)

    @post("/sql", summary="Ask the lake", status_code=200)
    async def ask(self, data: Asked, lake: LakeClient) -> Answer:
        """Answer one SELECT over tables and hot tail, within bounds of time, memory and rows."""
        return await lake.ask(data.sql)

    @post("/export", summary="Export an answer", status_code=200, media_type="application/octet-stream")
    async def export(self, data: AskedAsFile, lake: LakeClient) -> Response[bytes]:
        """Answer one SELECT as a CSV or Parquet file, of many more rows than the JSON has."""
        return _file(await lake.export(data.sql, data.format), "answer", data.format)

    @get("/charts/{chart:str}", summary="Ask what a chart shows")
    async def chart(
        self,
        lake: LakeClient,
        chart: Annotated[Chart, Parameter(description="Which chart.")],
        first: Annotated[date, Parameter(description="First day (UTC).")],
        last: Annotated[date, Parameter(description="Last day (UTC).")],
    ) -> Answer:
        """Answer the rows behind one of Studio's charts: real viewers, from day to day."""
        return await lake.chart(chart, first.isoformat(), last.isoformat())

    @get("/charts/{chart:str}/file", summary="Export a chart", media_type="application/octet-stream")
    async def chart_file(
        self,
        lake: LakeClient,
        chart: Annotated[Chart, Parameter(description="Which chart.")],
        first: Annotated[date, Parameter(description="First day (UTC).")],
        last: Annotated[date, Parameter(description="Last day (UTC).")],
        format: Annotated[Form, Parameter(description="Kind of file.")] = "csv",
    ) -> Response[bytes]:
        """Answer the rows behind one of Studio's charts as a CSV or Parquet file."""
        return _file(
            await lake.export_chart(chart, first.isoformat(), last.isoformat(), format),
            f"{chart}-{first}-{last}",
            format,
        )

    @get("/profiles/{profile_id:str}/export", summary="Export a profile", media_type="application/zip")
    async def export_profile(
        self,
        lake: LakeClient,
        profile_id: str,
        format: Annotated[Literal["json", "parquet"], Parameter(description="Kind of files.")] = "json",
    ) -> Response[bytes]:
        """Answer a ZIP of everything that events tell of a profile, a file a table; nothing of it is kept here."""
        body = await lake.export_profile(ProfileId(profile_id), format)
        return _download(body, f"profile-{profile_id}.zip", "application/zip")

    @post("/profiles/{profile_id:str}/erase", summary="Erase a profile's events", status_code=202)
    async def erase_profile(self, lake: LakeClient, profile_id: str) -> Erasure:
        """Have a profile taken out of tables, logs, refused events and projections.

        A worker does it, also after a crash; it is done when nothing holds the profile any more.
        """
        return await lake.erase(ProfileId(checked_id(profile_id)))

    @get("/erasures", summary="List erasures")
    async def list_erasures(self, lake: LakeClient) -> list[Erasure]:
        """List the erasures that were asked for, the latest first, with what still holds the profile."""
        return await lake.list_erasures()

    @get("/ledger", summary="Reconcile events")
    async def reconcile(self, lake: LakeClient, events: EventsClient) -> Ledger:
        """Reconcile what was sent, received, acknowledged, refused and stored in two days; a gap is an alarm."""
        return await lake.reconcile(await events.list_ledger(), await events.list_sent())

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
