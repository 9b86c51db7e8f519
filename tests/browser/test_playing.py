"""A film plays in a real browser, from our own edge, and what was watched is remembered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage
from tests.service import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A signed-in page of its own."""
    opened = stage.open(browser)
    yield opened
    opened.context.close()


FIND = "const v = document.querySelector('rw-player')?.shadowRoot?.querySelector('video')"


def video(page: Page, script: str) -> Any:
    """What `script` says of the playing video element `v`; None while there is none."""
    return page.evaluate(f"(() => {{ {FIND}; return v ? {script} : null; }})()")


def until(page: Page, condition: str) -> None:
    """Wait until `condition` holds of the playing video element `v`."""
    page.wait_for_function(f"() => {{ {FIND}; return v && ({condition}); }}")


def play_until(page: Page, seconds: float, *, within_s: float = 90) -> float:
    """Wait until the film has played to `seconds`; returns the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if (video(page, "v.currentTime") or 0) >= seconds:
            return time.monotonic() - began
        page.wait_for_timeout(100)
    state = video(page, "({at: v.currentTime, ready: v.readyState, paused: v.paused, error: v.error?.message})")
    raise AssertionError(f"not at {seconds} s after {within_s} s: {state} {page.inner_text('body')[:500]}")


def test_a_film_plays_from_the_edge(stage: Stage, page: Page) -> None:
    """The picture moves past three seconds, at the size of a rung, from segments that the edge served."""
    served: list[str] = []
    page.on("response", lambda response: served.append(response.url) if "/m/" in response.url else None)
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}")
    play_until(page, 3)
    assert video(page, "v.videoWidth") > 0 and not video(page, "v.error")
    assert served and all(url.startswith(stage.service.edge_url) for url in served)


def test_what_was_watched_is_remembered_and_the_home_page_changed_by_it(stage: Stage, page: Page) -> None:
    """Leaving the player puts the film into "continue watching", and it resumes where it was left."""
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")  # an earlier test may have left it at its end
    play_until(page, 8, within_s=90)
    video(page, "v.pause()")  # a slow machine must not let it run into its credits
    page.goto(f"{stage.url}/")
    deadline = time.monotonic() + 90
    while "Continue watching" not in page.inner_text("main"):
        known = (time.time() * 1000, expect(stage.client.get("/api/v1/history"), 200))
        assert time.monotonic() < deadline, f"{known} {page.inner_text('main')}"
        page.wait_for_timeout(2000)  # a page tells what is left to tell a second after it is there
        page.reload()
    position_s = next(
        row["position_s"]
        for row in expect(stage.client.get("/api/v1/history"), 200)
        if row["playable_id"] == stage.playable("Low Sun")
    )
    assert position_s > 4
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}")
    play_until(page, position_s - 1)
    assert video(page, "v.currentTime") < position_s + 6


def test_nothing_breaks_in_the_console_while_playing(stage: Stage, page: Page) -> None:
    """No script error and nothing that the content security policy had to stop."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{stage.url}/watch/{stage.playable('Harbour')}")
    play_until(page, 2)
    assert said == []


def test_an_edge_that_dies_under_the_player_costs_no_error(stage: Stage, page: Page) -> None:
    """kill −9: the supervisor brings it back, the player goes on, and the health page says what happened."""
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}")
    page.wait_for_timeout(500)
    video(page, "v.currentTime = 0")
    play_until(page, 1)
    os.kill(stage.service.pid_of("edge"), signal.SIGKILL)
    play_until(page, 10, within_s=90)
    assert page.locator("rw-player").evaluate(
        "player => !player.shadowRoot.querySelector('[role=alertdialog], .problem')"
    )
    report = expect(stage.client.get("/api/v1/operations"), 200)
    newest = report["incidents"][0]
    assert newest["incident"]["process"] == "edge" and "SIGKILL" in newest["incident"]["why"]
    assert newest["watching"] >= 1 and newest["incident"]["advice"]
