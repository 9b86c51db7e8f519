"""Studio: the pages of those who run the service. Each answers one question, at its top and with a figure."""

from __future__ import annotations

import time
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.params import Parameter

from reelwright.accounts.service import AccountsService
from reelwright.catalog.contract import TitleDetail
from reelwright.catalog.core.naming import VIDEO_SUFFIXES
from reelwright.catalog.service import CatalogService, TitleChange
from reelwright.events.contract import EventsClient
from reelwright.kernel.errors import Conflict, Invalid, Terminal
from reelwright.kernel.ids import AssetId, TitleId, UserId
from reelwright.kernel.operations import Operations
from reelwright.kernel.principal import principal_of, require
from reelwright.kernel.system import Resources
from reelwright.kernel.units import whole_number
from reelwright.lake.contract import LakeClient
from reelwright.limits.adapters.history import History
from reelwright.limits.core.grammar import parse_limits
from reelwright.limits.core.shedding import Gate
from reelwright.limits.service import Limits
from reelwright.media.contract import ENDED
from reelwright.media.service import MediaService
from reelwright.playback.service import PlaybackService
from reelwright.web.charts import stacked
from reelwright.web.forms import go, read_form
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer
from reelwright.web.service import report_of, seen_of

MINUTES_SHOWN = 60
REPLAY_PERIODS = {
    "hour": ("the last hour", 1, 0),
    "today": ("the last 24 hours", 24, 0),
    "yesterday": ("yesterday (24 to 48 hours ago)", 24, 24),
}
"""By name, what it is called, how many hours it has and how many hours ago it ended."""
TITLES_SHOWN = 500
"""In one table; a browser takes seconds to lay out thousands of rows."""
ACTIVE_MS = 60_000
"""A player that was heard of within this time is playing now."""


class StudioPages(Controller):
    """For editors."""

    include_in_schema = False
    path = "/studio"
    guards = (require("editor"),)

    @get("/")
    async def overview(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        media: MediaService,
        playback: PlaybackService,
        events: EventsClient,
        operations: Operations,
        lake: LakeClient,
        renderer: Renderer,
    ) -> Response[Any]:
        """How is the service today?"""
        lake.expect_questions()
        now_ms = int(time.time() * 1000)
        every = await catalog.list_all(principal_of(request))
        jobs, stages = await media.list_progress(), await media.count_stages()
        wanted = {playable.id for detail in every for playable in detail.playables}
        views = await events.count_views(since_ms=now_ms - 86_400_000, until_ms=now_ms)
        return renderer.page(
            request,
            "studio/overview.html",
            profile=await profile_of(request, accounts),
            titles=every,
            ready=sum(_is_watchable(detail) for detail in every),
            jobs=jobs,
            running=[job for job in jobs if job.stage not in ENDED],
            unfinished=_unfinished(stages),
            failed=[job for job in jobs if job.stage == "failed" and job.playable_id in wanted],
            watching=await playback.count_active(since_ms=now_ms - ACTIVE_MS, until_ms=now_ms),
            views=sum(views.values()),
            report=await report_of(operations, playback, incidents=5),
        )

    @get("/titles")
    async def titles(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
        q: Annotated[str, Parameter(max_length=200)] = "",
    ) -> Response[Any]:
        """Which titles are there, and what is wrong with them?"""
        every = await catalog.list_all(principal_of(request))
        wanted = q.casefold().strip()
        shown = [detail for detail in every if wanted in detail.title.name.casefold()]
        return renderer.page(
            request,
            "studio/titles.html",
            profile=await profile_of(request, accounts),
            titles=shown[:TITLES_SHOWN],
            found=len(shown),
            total=len(every),
            unrated=sum(detail.title.maturity is None for detail in every),
            q=q,
        )

    @get("/titles/{title_id:str}")
    async def title(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
    ) -> Response[Any]:
        """What do viewers read about it?"""
        detail = await catalog.get_title(TitleId(title_id), principal_of(request))
        context: dict[str, Any] = {"detail": detail, "problem": "", "done": request.query_params.get("saved", "")}
        profile = await profile_of(request, accounts)
        return renderer.page(request, "studio/title.html", profile=profile, **context)

    @post("/titles/{title_id:str}")
    async def change_title(
        self,
        request: Request[Any, Any, Any],
        title_id: str,
        accounts: AccountsService,
        catalog: CatalogService,
        renderer: Renderer,
    ) -> Response[Any]:
        """Save it, or remove it."""
        form, caller = await read_form(request, accounts), principal_of(request)
        if form.get("do") == "delete":
            await catalog.delete_title(TitleId(title_id), caller)
            return go("/studio/titles")
        try:
            await catalog.change_title(TitleId(title_id), caller, _change(form), _number(form, "revision") or 0)
        except Terminal as error:
            detail = await catalog.get_title(TitleId(title_id), caller)
            profile = await profile_of(request, accounts)
            context: dict[str, Any] = {"detail": detail, "problem": str(error), "done": ""}
            return renderer.page(request, "studio/title.html", status=error.status, profile=profile, **context)
        return go(f"/studio/titles/{title_id}?saved=yes")

    @get("/upload")
    async def upload(
        self, request: Request[Any, Any, Any], accounts: AccountsService, resources: Resources, renderer: Renderer
    ) -> Response[Any]:
        """Add a film."""
        profile = await profile_of(request, accounts)
        return renderer.page(
            request,
            "studio/upload.html",
            profile=profile,
            library=resources.settings.library,
            suffixes=VIDEO_SUFFIXES,
        )

    @get("/jobs")
    async def jobs(
        self, request: Request[Any, Any, Any], accounts: AccountsService, media: MediaService, renderer: Renderer
    ) -> Response[Any]:
        """What is being encoded, and when will it be done?"""
        jobs, stages = await media.list_progress(), await media.count_stages()
        return renderer.page(
            request,
            "studio/jobs.html",
            profile=await profile_of(request, accounts),
            jobs=jobs,
            running=[job for job in jobs if job.stage not in ENDED],
            unfinished=_unfinished(stages),
            failed=stages.get("failed", 0),
        )

    @post("/jobs/{asset_id:str}")
    async def change_job(
        self, request: Request[Any, Any, Any], asset_id: str, accounts: AccountsService, media: MediaService
    ) -> Response[Any]:
        """Cancel an encode, or try again."""
        form = await read_form(request, accounts)
        await (media.cancel(AssetId(asset_id)) if form.get("do") == "cancel" else media.retry(AssetId(asset_id)))
        return go("/studio/jobs")


class AdminPages(Controller):
    """For administrators."""

    include_in_schema = False
    path = "/studio"
    guards = (require("admin"),)

    @get("/health")
    async def health(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        operations: Operations,
        playback: PlaybackService,
        events: EventsClient,
        renderer: Renderer,
    ) -> Response[Any]:
        """Is everything well; and if not, what happened, who was affected, what to do?"""
        return renderer.page(
            request,
            "studio/health.html",
            profile=await profile_of(request, accounts),
            report=await report_of(operations, playback),
            ledger=await events.list_ledger(hours=24),
            now_ms=int(time.time() * 1000),
        )

    @get("/limits")
    async def limits(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        limits: Limits,
        limits_history: History | None,
        limits_gate: Gate | None,
        operations: Operations,
        renderer: Renderer,
    ) -> Response[Any]:
        """Who is turned away, by what, and which rule in shadow mode would do so?"""
        minutes = await limits_history.minutes(MINUTES_SHOWN) if limits_history else []
        health = next(one for one in await operations.health() if one.system == "limits")
        return renderer.page(
            request,
            "studio/limits.html",
            profile=await profile_of(request, accounts),
            recorded=limits_history is not None,
            seen=seen_of(minutes),
            gate=limits_gate,
            store=limits.report().store,
            health=health,
        )

    @get("/limits/replay")
    async def replay(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        limits: Limits,
        limits_history: History | None,
        renderer: Renderer,
        limit: Annotated[str, Parameter(max_length=200)] = "api",
        rule: Annotated[str, Parameter(max_length=1000)] = "",
        when: Annotated[str, Parameter(max_length=20)] = "yesterday",
    ) -> Response[Any]:
        """What would this rule have done yesterday?"""
        replayed, problem, status = None, "", 200
        _, hours, ago_hours = REPLAY_PERIODS.get(when, REPLAY_PERIODS["yesterday"])
        try:
            if rule and limits_history is None:
                raise Conflict("no traffic is recorded: set limits.history_hours")
            if rule and limits_history is not None:
                tried = parse_limits(rule, "rule")
                replayed = await limits_history.replay(tried, limit, hours=hours, ago_hours=ago_hours)
        except Terminal as error:
            problem, status = str(error), error.status
        return renderer.page(
            request,
            "studio/replay.html",
            status=status,
            profile=await profile_of(request, accounts),
            problem=problem,
            names=sorted({limit, *limits.names()}),
            periods=[(name, text) for name, (text, *_) in REPLAY_PERIODS.items()],
            form={"limit": limit, "rule": rule, "when": when},
            replayed=replayed,
            bars=stacked(
                [[("allowed", one.admitted), ("denied", one.denied)] for one in (replayed.slices if replayed else ())]
            ),
        )

    @get("/people")
    async def people(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Who may sign in?"""
        return await self._people(request, accounts, renderer)

    @post("/people")
    async def change_people(
        self, request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer
    ) -> Response[Any]:
        """Add a person, change a role, shut somebody out."""
        form = await read_form(request, accounts)
        role: Any = form.get("role", "viewer")
        try:
            if role not in ("viewer", "editor", "admin"):
                raise Invalid(f"a role is viewer, editor or admin, got {role[:20]!r}")
            if form.get("do") == "add":
                await accounts.create_user(name=form.get("name", ""), password=form.get("password", ""), role=role)
            elif form.get("do") == "role":
                await accounts.change_user(UserId(form.get("user_id", "")), role=role)
            else:
                disabled = form.get("do") == "disable"
                await accounts.change_user(UserId(form.get("user_id", "")), disabled=disabled)
        except Terminal as error:
            return await self._people(request, accounts, renderer, status=error.status, problem=str(error))
        return go("/studio/people")

    async def _people(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        renderer: Renderer,
        *,
        status: int = 200,
        problem: str = "",
    ) -> Response[Any]:
        users = await accounts.list_users()
        profile = await profile_of(request, accounts)
        return renderer.page(
            request, "studio/people.html", status=status, profile=profile, users=users, problem=problem
        )


def _is_watchable(detail: TitleDetail) -> bool:
    return any(playable.state in ("watchable", "ready") for playable in detail.playables)


def _unfinished(stages: dict[str, int]) -> int:
    return sum(count for stage, count in stages.items() if stage not in ENDED)


def _number(form: dict[str, str], name: str) -> int | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    number = whole_number(text, 999_999_999)
    if number is None:
        raise Invalid(f"{name} is a number, got {text[:30]!r}")
    return number


def _change(form: dict[str, str]) -> TitleChange:
    return TitleChange(
        name=form.get("name", ""),
        year=_number(form, "year"),
        summary=form.get("summary", ""),
        maturity=_number(form, "maturity"),
        genres=tuple(genre.strip() for genre in form.get("genres", "").split(",") if genre.strip()),
    )


@get("/api", include_in_schema=False, guards=[require("viewer")])
async def api_page(request: Request[Any, Any, Any], accounts: AccountsService, renderer: Renderer) -> Response[Any]:
    """What programs can do here: the OpenAPI document, readable."""
    document = request.app.openapi_schema.to_schema()
    groups: dict[str, list[dict[str, str]]] = {}
    for path, methods in sorted(document["paths"].items()):
        for method, operation in methods.items():
            says = (operation.get("description") or operation.get("summary") or "").strip().split("\n")[0]
            row = {"method": method.upper(), "path": path, "says": says}
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(row)
    return renderer.page(
        request,
        "studio/api.html",
        profile=await profile_of(request, accounts),
        groups=sorted(groups.items()),
        count=sum(len(rows) for rows in groups.values()),
    )


ROUTES = (StudioPages, AdminPages, api_page)
