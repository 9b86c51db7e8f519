"""Routes of recommendations."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, get

from reelwright.kernel.ids import TitleId
from reelwright.kernel.principal import principal_of, require_profile
from reelwright.recommend.contract import Page, Slot
from reelwright.recommend.service import RecommendService


class TopTen(msgspec.Struct, frozen=True):
    """The ten most watched titles, and the window they were counted in."""

    heading: str
    slots: list[Slot]


class RecommendRoutes(Controller):
    """What to watch."""

    path = "/api/v1"
    tags = ("recommend",)
    guards = (require_profile,)

    @get("/home", summary="Get the home page")
    async def get_home(self, request: Request[Any, Any, Any], recommend: RecommendService) -> Page:
        """Get the profile's home page: a billboard, then rows, each with the reason it is there."""
        return await recommend.get_page(principal_of(request))

    @get("/top10", summary="Get the Top 10")
    async def get_top10(self, request: Request[Any, Any, Any], recommend: RecommendService) -> TopTen:
        """Get the ten titles with most viewers in the last day, or week while the day has fewer than ten."""
        top, slots = await recommend.get_top(principal_of(request))
        return TopTen(top.heading, slots)

    @get("/titles/{title_id:str}/similar", summary="List similar titles")
    async def list_similar(
        self, request: Request[Any, Any, Any], title_id: str, recommend: RecommendService
    ) -> list[Slot]:
        """List titles that share genres or people with one, closest first, with what they share."""
        return await recommend.list_similar(TitleId(title_id), principal_of(request))


ROUTES = (RecommendRoutes,)
