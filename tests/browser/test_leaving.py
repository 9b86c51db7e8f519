"""Whoever leaves the player has told where: now, or by the next page."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Route
from tests.browser.conftest import Stage
from tests.browser.test_playing import play_until, video
from tests.browser.test_shown import Told
from tests.service import expect

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


@pytest.mark.parametrize("visit", range(3))
def test_where_it_was_left_is_known_at_once(stage: Stage, browser: Browser, visit: int) -> None:
    """Though the service worker has just taken over and the browser is closed right after: other devices go on there.

    Some visits, as Chromium kept only two of three requests for later.
    """
    page = stage.open(browser)
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    play_until(page, 4)
    left_at = video(page, "v.currentTime")
    page.goto(f"{stage.url}/robots.txt")
    page.context.close()
    assert known(stage, left_at)


def known(stage: Stage, left_at: float, *, within_s: float = 5) -> bool:
    """Whether the service hears in time that somebody left Low Sun there."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        rows = expect(stage.client.get("/api/v1/history"), 200)
        if any(r["playable_id"] == stage.playable("Low Sun") and r["position_s"] >= round(left_at, 3) for r in rows):
            return True
        time.sleep(0.1)
    return False
