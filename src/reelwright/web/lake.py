"""Studio's pages about data: is everything accounted for, and how good is what viewers get?"""

from __future__ import annotations

import asyncio
import datetime
import time
from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, get, post
from litestar.params import Parameter

from reelwright.accounts.service import AccountsService
from reelwright.catalog.service import CatalogService
from reelwright.events.contract import EventsClient
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.principal import principal_of, require
from reelwright.lake.contract import Freshness, LakeClient, Ledger, QualityReport, Refused
from reelwright.web.charts import lines
from reelwright.web.forms import go, read_form
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer


class DataPages(Controller):
    """For administrators."""

    include_in_schema = False
    path = "/studio"
    guards = (require("admin"),)

    @get("/data")
    async def data(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        events: EventsClient,
        lake: LakeClient,
        renderer: Renderer,
        replayed: Annotated[str, Parameter(pattern=r"^\d{1,6}-\d{1,6}$")] | None = None,
    ) -> Response[Any]:
        """Is every event accounted for?"""
        problem, ledger, refused = "", Ledger(entries=[], gaps=[]), list[Refused]()
        tables = list[Freshness]()
        try:
            tables = await asyncio.to_thread(lake.freshness)
            if lake.is_kept:
                ledger = await lake.reconcile(
                    await events.list_ledger(hours=24), await events.list_sent(hours=24), hours=24
                )
                refused = await lake.list_refused(limit=50)
        except ReelwrightError as error:
            problem = str(error)
        return renderer.page(
            request,
            "studio/data.html",
            profile=await profile_of(request, accounts),
            problem=problem,
            kept=lake.is_kept,
            tables=tables,
            ledger=ledger,
            refused=refused,
            replayed=replayed.split("-") if replayed else None,
            now_ms=int(time.time() * 1000),
        )

    @post("/data/replay")
    async def replay(
        self, request: Request[Any, Any, Any], accounts: AccountsService, events: EventsClient, lake: LakeClient
    ) -> Response[Any]:
        """Send refused events again."""
        await read_form(request, accounts)
        found = await lake.replay(events)
        return go(f"/studio/data?replayed={found.stored}-{found.failed}")

    @get("/quality")
    async def quality(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        lake: LakeClient,
        renderer: Renderer,
        days: Annotated[Literal["1", "7", "30"], Parameter()] = "7",
        by: Annotated[Literal["edge", "device", "title"], Parameter()] = "edge",
    ) -> Response[Any]:
        """How good is what viewers get?"""
        last = datetime.datetime.now(datetime.UTC).date()
        first = last - datetime.timedelta(days=int(days) - 1)
        problem, report = "", None
        if lake.is_kept:
            try:
                report = await lake.quality(first=first.isoformat(), last=last.isoformat(), by=by)
            except ReelwrightError as error:
                problem = str(error)
        names, popular = {}, []
        if report and report.total.sessions:
            popular = (await lake.chart("titles", first.isoformat(), last.isoformat())).rows[:10]
        if by == "title" or popular:
            every = await catalog.list_all(principal_of(request))
            names = {str(detail.title.id): detail.title.name for detail in every}
        return renderer.page(
            request,
            "studio/quality.html",
            profile=await profile_of(request, accounts),
            problem=problem,
            kept=lake.is_kept,
            report=report,
            names=names,
            popular=popular,
            charts=_charts(report) if report and report.days else None,
            days=days,
            by=by,
            first=first,
            last=last,
        )


def _charts(report: QualityReport) -> dict[str, Any]:
    labels = [day[5:] for day, _ in report.days]
    found = [quality for _, quality in report.days]
    return {
        "start": lines(
            "Start time a day",
            labels,
            [
                ("median", [one.start_p50_ms and one.start_p50_ms / 1000 for one in found]),
                ("95th percentile", [one.start_p95_ms and one.start_p95_ms / 1000 for one in found]),
            ],
            "s",
        ),
        "stalls": lines(
            "Share of time spent waiting, a day",
            labels,
            [("waiting", [None if one.stall_ratio is None else one.stall_ratio * 100 for one in found])],
            "%",
        ),
        "bitrate": lines(
            "Average bitrate a day",
            labels,
            [("bitrate", [one.bitrate_bps and one.bitrate_bps / 1e6 for one in found])],
            "Mbit/s",
        ),
    }


ROUTES = (DataPages,)
