"""Whoever leaves the player has told where: now, or by the next page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Route
from tests.browser.conftest import Stage
from tests.browser.test_playing import play_until, video
from tests.browser.test_shown import Told

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EVENTS = "**/api/v1/events"


def away(route: Route) -> None:
    """Nobody listens."""
    route.abort("connectionrefused")


def busy(route: Route) -> None:
    """It sheds load."""
    route.fulfill(status=503, headers={"Retry-After": "1"}, body="")


def hung(route: Route) -> None:
    """It takes the request and never answers."""


@pytest.mark.parametrize("collector", [away, busy, hung])
def test_what_happened_last_before_leaving_is_told_by_the_next_page(
    stage: Stage, browser: Browser, collector: Callable[[Route], None]
) -> None:
    """All of it and each once, whatever became of the requests of the page that was left."""
    page = stage.open(browser)
    page.context.route(EVENTS, collector)
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
    play_until(page, 3)
    left_at = video(page, "v.currentTime")
    page.goto(f"{stage.url}/robots.txt")  # no page of ours: it tells nothing
    page.context.unroute(EVENTS)
    told = Told(page)
    page.goto(f"{stage.url}/search")
    stop = told.until("stop", 1)[-1]
    assert stop["position_s"] >= left_at
    assert told.until("play", 1)[-1]["session_id"] == stop["session_id"]
    ids = [event["id"] for event in told.events]
    assert len(ids) == len(set(ids))
    page.context.close()
