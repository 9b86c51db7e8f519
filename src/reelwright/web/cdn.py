"""Studio's page about the CDN: where are the edges, how are they, and what is to be done?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import Parameter

from reelwright.accounts.service import AccountsService
from reelwright.cdn.api import by, checked_name
from reelwright.cdn.contract import EdgeView, PurgeOrder
from reelwright.cdn.control import ControlPlane, checked_purge, describe
from reelwright.kernel.errors import Invalid, Terminal
from reelwright.kernel.principal import require
from reelwright.web.forms import go, read_form
from reelwright.web.pages.profiles import profile_of
from reelwright.web.render import Renderer

MISSES = {
    "content": "The film did not lie at the nearest edge.",
    "health": "The nearest edge was ill or full, or failed the viewer.",
    "steering": "Another edge was cheaper for all viewers together.",
    "policy": "The nearest edge was drained or does not serve the region.",
}


class Region(msgspec.Struct, frozen=True):
    """A region of the map, with the edges that serve it."""

    name: str
    edges: list[EdgeView]

    @property
    def load(self) -> float:
        """Share of its capacity in use."""
        capacity = sum(edge.capacity_bps for edge in self.edges)
        return sum(edge.load_bps for edge in self.edges) / capacity if capacity else 0.0


def regions_of(edges: Sequence[EdgeView]) -> list[Region]:
    """The map: regions by name, `*` (everywhere) last."""
    names = sorted({region for edge in edges for region in edge.regions}, key=lambda name: (name == "*", name))
    return [Region(name, [edge for edge in edges if name in edge.regions]) for name in names]


class CdnPages(Controller):
    """For administrators."""

    include_in_schema = False
    path = "/studio/cdn"
    guards = (require("admin"),)

    @get("/")
    async def edges(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        cdn: ControlPlane,
        renderer: Renderer,
        drain: Annotated[str, Parameter(max_length=48)] = "",
        forget: Annotated[str, Parameter(max_length=48)] = "",
        done: Annotated[str, Parameter(max_length=200)] = "",
    ) -> Response[Any]:
        """Where are the edges, and how are they?"""
        asked = ("drain", drain) if drain else ("forget", forget) if forget else ("", "")
        return await self._page(request, accounts, cdn, renderer, asked=asked, done=done)

    @get("/purge")
    async def confirm(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        cdn: ControlPlane,
        renderer: Renderer,
        what: Annotated[str, Parameter(max_length=10)] = "",
        value: Annotated[str, Parameter(max_length=1024)] = "",
        soft: Annotated[str, Parameter(max_length=3)] = "",
    ) -> Response[Any]:
        """Say what a purge will do, before it does."""
        try:
            order = order_of({"what": what, "value": value, "soft": soft})
        except Terminal as error:
            return await self._page(request, accounts, cdn, renderer, problem=str(error), status=error.status)
        return await self._page(request, accounts, cdn, renderer, order=order, asked=("purge", describe(order)))

    @post("/")
    async def change(
        self, request: Request[Any, Any, Any], accounts: AccountsService, cdn: ControlPlane, renderer: Renderer
    ) -> Response[Any]:
        """Do what was confirmed."""
        form = await read_form(request, accounts)
        try:
            return go(f"/studio/cdn?done={await _do(cdn, form, by(request))}")
        except Terminal as error:
            return await self._page(request, accounts, cdn, renderer, problem=str(error), status=error.status)

    async def _page(
        self,
        request: Request[Any, Any, Any],
        accounts: AccountsService,
        cdn: ControlPlane,
        renderer: Renderer,
        *,
        problem: str = "",
        status: int = 200,
        asked: tuple[str, str] = ("", ""),
        order: PurgeOrder | None = None,
        done: str = "",
    ) -> Response[Any]:
        known = await cdn.list_edges()
        edges = [edge for edge in known if edge.kind == "edge"]
        kinds: Counter[str] = Counter()
        for row in await cdn.misses():
            kinds[row["kind"]] += row["requests"]
        totals = {name: sum(getattr(edge, name) for edge in edges) for name in _SUMMED}
        return renderer.page(
            request,
            "studio/cdn.html",
            status=status,
            profile=await profile_of(request, accounts),
            edges=edges,
            gateways=[edge for edge in known if edge.kind == "gateway"],
            regions=regions_of(edges),
            well=sum(edge.state == "ok" for edge in edges),
            totals=totals,
            kinds=kinds,
            classes=MISSES,
            audit=await cdn.audit(10),
            problem=problem,
            asked=asked,
            order=order,
            done=_DONE.get(done.partition("-")[0], ""),
            now_ms=int(time.time() * 1000),
        )


_SUMMED = ("capacity_bps", "load_bps", "requests", "hits", "sent_bytes", "fetched_bytes", "connections")
_DONE = {
    "drain": "The edge is drained: its viewers move within seconds.",
    "end": "The edge takes viewers again.",
    "forget": "The edge is off the list.",
    "purged": "Purged at every edge that answered; the others do it with their next report.",
}


async def _do(cdn: ControlPlane, form: dict[str, str], who: str) -> str:
    what = form.get("do", "")
    if what in ("drain", "end"):
        await cdn.drain(checked_name(form.get("edge", "")), on=what == "drain", by=who)
    elif what == "forget":
        await cdn.forget(checked_name(form.get("edge", "")), by=who)
    elif what == "purged":
        await cdn.purge(order_of(form), by=who)
    else:
        raise Invalid("nothing was chosen to be done")
    return what


def order_of(form: dict[str, str]) -> PurgeOrder:
    """The order of a form. Raises Invalid."""
    what, value = form.get("what", ""), form.get("value", "").strip()
    if what not in ("path", "prefix", "tag") or not value:
        raise Invalid("say what to purge: a path, the beginning of paths, or a tag")
    order = PurgeOrder(**{what: value}, soft=form.get("soft") == "yes")
    checked_purge(order)
    return order


ROUTES = (CdnPages,)
