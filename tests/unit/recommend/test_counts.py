"""Viewers are counted anew for each page while that is cheap, and else once for all pages of some seconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reelwright.catalog.contract import Title, TitleDetail
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.ids import TitleId
from reelwright.kernel.principal import NOBODY
from reelwright.recommend.service import RecommendService

pytestmark = pytest.mark.anyio
FILM = TitleId("a")


class Catalog:
    """One film."""

    async def list_titles(self, _caller: Any) -> list[TitleDetail]:
        """It."""
        return [TitleDetail(title=Title(id=FILM, kind="film", name="A", added_ms=0), playables=())]


class Events:
    """A day and a week in which the film had some viewers."""

    def __init__(self, viewers: int) -> None:
        self.viewers = viewers
        self.counted = 0

    async def count_views(self, **_window: int) -> dict[TitleId, int]:
        """They."""
        self.counted += 1
        await asyncio.sleep(0)
        return {FILM: self.viewers}


@pytest.mark.parametrize(("viewers", "counted"), [(4_999, [20, 40, 60]), (100_000, [2, 2, 4])])
async def test_a_large_count_is_kept_for_a_while(viewers: int, counted: list[int]) -> None:
    """Ten pages at once, then after nine seconds, then after two more; a page asks for the day and for the week."""
    events, clock = Events(viewers), VirtualClock()
    service = RecommendService(catalog=Catalog(), events=events, experiments=None, clock=clock)  # type: ignore[arg-type]
    found = []
    for passed_s in (0, 9, 2):
        clock.advance(passed_s)
        await asyncio.gather(*(service.get_top(NOBODY) for _ in range(10)))
        found.append(events.counted)
    assert found == counted
