"""Routes of the control plane: reports of edges, and what people and programs ask and order."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import Parameter

from reelwright.cdn.contract import EdgeName, EdgeOrders, EdgeReport, EdgeView, PurgeOrder, PurgeResult, UnfitOrder
from reelwright.cdn.control import ControlPlane
from reelwright.kernel.live import live
from reelwright.kernel.principal import principal_of, require, require_peer

_URL = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
Name = Annotated[str, Parameter(max_length=48, description="Name of the edge.")]


def require_operator(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A Litestar guard: an administrator, or a process that holds the key ring, as our command line does."""
    if principal_of(connection).kind != "peer":
        require("admin")(connection, handler)


class DrainChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`PUT /api/v1/cdn/edges/{name}/drain`."""

    drained: bool


class Misses(msgspec.Struct, frozen=True, kw_only=True):
    """Answered requests of an edge by class: hit, content, health, steering or policy."""

    edge: str
    kind: str
    requests: int
    bytes: int


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Where an edge stands for a viewer, and why."""

    edge: str
    score: float
    says: str
    refused: bool


class ReportRoutes(Controller):
    """For edges."""

    path = "/api/v1/cdn"
    tags = ("cdn",)

    @post("/edges/{name:str}/report", summary="Report as an edge", status_code=200, guards=[require_peer])
    async def report(self, name: Name, data: EdgeReport, cdn: ControlPlane) -> EdgeOrders:
        """Register or report as an edge; the answer holds purges, keys and plans to fill. For our own processes."""
        check_url(data.url)
        return await cdn.report(checked_name(name), data)


class CdnRoutes(Controller):
    """For administrators and our own processes."""

    path = "/api/v1/cdn"
    tags = ("cdn",)
    guards = (require_operator,)

    @get("/edges", summary="List edges")
    async def list_edges(self, cdn: ControlPlane) -> list[EdgeView]:
        """List the registered edges with state, load, counts since their start, and how far fills are."""
        return await cdn.list_edges()

    @put("/edges/{name:str}/drain", summary="Drain an edge", status_code=204)
    async def drain(self, request: Request[Any, Any, Any], name: Name, data: DrainChange, cdn: ControlPlane) -> None:
        """Send no more viewers to an edge, or send them again; who is there moves at the next steering document."""
        await cdn.drain(checked_name(name), on=data.drained, by=by(request))

    @delete("/edges/{name:str}", summary="Forget an edge", status_code=204)
    async def forget(self, request: Request[Any, Any, Any], name: Name, cdn: ControlPlane) -> None:
        """Take an edge off the list; one that still runs registers again with its next report."""
        await cdn.forget(checked_name(name), by=by(request))

    @post("/purges", summary="Purge at every edge", status_code=200)
    async def purge(self, request: Request[Any, Any, Any], data: PurgeOrder, cdn: ControlPlane) -> PurgeResult:
        """Purge by path, prefix or tag at every edge, hard or soft; edges that are away do it when they are back."""
        return await cdn.purge(data, by=by(request))

    @get("/misses", summary="Count misses by class")
    async def list_misses(
        self,
        cdn: ControlPlane,
        hours: Annotated[int, Parameter(ge=1, le=168, description="Hours to look back.")] = 24,
    ) -> list[Misses]:
        """Count requests and bytes by edge and class: decisions of steering joined with what edges served."""
        return [Misses(**row) for row in await cdn.misses(hours=hours)]

    @get("/steering", summary="Explain steering")
    async def explain(
        self,
        cdn: ControlPlane,
        region: Annotated[str, Parameter(max_length=40, description="Region of the viewer.")] = "*",
        bps: Annotated[float, Parameter(gt=0, le=1e12, description="What the session would take.")] = 5e6,
        folder: Annotated[str, Parameter(max_length=120, description="`assets/ID`, to weigh who holds it.")] = "",
    ) -> list[Reason]:
        """Explain where a viewer would be sent now, and why each edge stands where it does."""
        found = await cdn.explain(region, bps=bps, folder=folder)
        return [
            Reason(edge=one.edge.name, score=one.score, says=one.says, refused=bool(one.refused)) for one in found
        ]

    @get("/stream", summary="Follow the edges")
    async def stream(self, cdn: ControlPlane) -> Response[Any]:
        """Follow the edges as Server-Sent Events."""
        return live(cdn.list_edges, every_s=2.0)


def checked_name(name: str) -> str:
    """The name, if it is one. Raises UnfitOrder."""
    try:
        return msgspec.convert(name, EdgeName)
    except msgspec.ValidationError:
        raise UnfitOrder("an edge's name has up to 48 of A-Z a-z 0-9 . _ and -, a letter or digit first") from None


def check_url(url: str) -> None:
    """Raise UnfitOrder unless browsers, policies of pages and our own client can all make use of an edge's URL."""
    try:
        fits = _URL.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:
        fits = False
    if not fits:
        raise UnfitOrder(f"an edge's URL is as https://edge-1.example:8001, in ASCII, got {url!r}; see cdn.advertise")


def by(request: Request[Any, Any, Any]) -> str:
    """Who orders, for the audit."""
    caller = principal_of(request)
    return f"user {caller.user_id}" if caller.user_id else caller.kind


ROUTES = (ReportRoutes, CdnRoutes)
