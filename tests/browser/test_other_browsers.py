"""What people of Firefox and of WebKit, Safari's engine, need: to sign in, to find a film, to see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Stage
from tests.browser.drivers import Driver, driven, missing, sign_in
from tests.browser.test_leaving import known

from reelwright.practice.adapters.bank import load_questions

pytestmark = pytest.mark.browser
VIDEO = "document.querySelector('rw-player')?.shadowRoot?.querySelector('video')"
PAGES = (
    "/",
    "/search?q=sun",
    "/my-list",
    "/settings",
    "/offline",
    "/practice/",
    "/studio",
    "/studio/cdn",
    "/studio/data",
)
BROWSERS = ("firefox", "webkit")
RIGHT = "\ue014"  # WebDriver's arrow


@contextmanager
def signed_in(name: str, folder: Path, stage: Stage) -> Iterator[Driver]:
    """A browser whose person has signed in, by its own form."""
    if line := missing(name):
        pytest.skip(f"no {name} here: {line}")
    with driven(name, folder) as driver:
        sign_in(driver, stage.url)
        yield driver


@pytest.fixture(scope="module", params=BROWSERS)
def driver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, stage: Stage
) -> Iterator[Driver]:
    """The browser of most tests here."""
    with signed_in(request.param, tmp_path_factory.mktemp(request.param), stage) as driver:
        yield driver


@pytest.fixture(params=BROWSERS)
def fresh(request: pytest.FixtureRequest, tmp_path: Path, stage: Stage) -> Iterator[Driver]:
    """A browser of a test's own, which knows of no service worker yet."""
    with signed_in(request.param, tmp_path, stage) as driver:
        yield driver


def playing(driver: Driver, seconds: float) -> dict[str, Any]:
    """The state of the film once it has played so far."""
    driver.until(f"{VIDEO}?.currentTime >= {seconds}")
    said: dict[str, Any] = driver.run(
        f"const v = {VIDEO}; return {{paused: v.paused, wide: v.videoWidth, error: v.error && v.error.message}}"
    )
    return said


def test_a_film_plays_and_obeys_the_keyboard(stage: Stage, driver: Driver) -> None:
    """The picture moves; the space bar stops it, the arrow jumps ten seconds on, and it goes on from there."""
    driver.go(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
    state = playing(driver, 2)
    assert state["wide"] > 0 and state["error"] is None and not state["paused"]
    driver.press(" ")
    at = driver.until(f"{VIDEO}.paused && {VIDEO}.currentTime")
    driver.press(RIGHT)
    driver.until(f"{VIDEO}.currentTime > {at + 9}")
    driver.press(" ")
    assert playing(driver, at + 10)["error"] is None


def test_a_film_that_was_left_opens_again(stage: Stage, driver: Driver) -> None:
    """Whatever the page that was left was writing down just then, and twice."""
    for _ in range(3):
        driver.go(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
        playing(driver, 1)


def test_where_a_film_was_left_is_known_at_once(stage: Stage, fresh: Driver) -> None:
    """Without another page of ours, and while the service worker is in charge."""
    fresh.go(stage.url)
    fresh.run("navigator.serviceWorker.register('/sw.js')")
    fresh.until("navigator.serviceWorker.controller !== null")
    for _ in range(3):
        fresh.go(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
        playing(fresh, 2)
        left_at = fresh.run(f"return {VIDEO}.currentTime")
        fresh.go(f"{stage.url}/robots.txt")
        assert known(stage, left_at)


def test_subtitles_are_shown(stage: Stage, driver: Driver) -> None:
    """Those of the film, once chosen by their key."""
    driver.go(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
    driver.until(f"{VIDEO}?.textTracks.length > 0")
    driver.press("c")
    shown = f"[...{VIDEO}.textTracks].some((track) => track.mode === 'showing' && track.activeCues?.length)"
    assert driver.until(shown)


def test_a_film_is_kept_on_the_device_and_removed(stage: Stage, driver: Driver) -> None:
    """Whatever the browser asks about it: nobody answers here."""
    driver.go(f"{stage.url}/title/{stage.titles['Night']['title']['id']}")
    button = "document.querySelector('rw-download button')?.textContent"
    for after in ("Remove download", "Download"):
        driver.click("rw-download button")
        driver.until(f"{button} === '{after}'")


def test_an_answer_is_judged_at_once(stage: Stage, driver: Driver) -> None:
    """A stage of practice is begun, its question answered, and what is shown stands on words of the answer."""
    driver.go(f"{stage.url}/practice")
    driver.click("form[action='/practice'] button")
    driver.until("location.pathname.startsWith('/practice/interviews/')")
    answer = model_answer(driver)
    driver.fill("textarea[name=answer]", answer)
    driver.click("form:has(textarea[name=answer]) .button.primary")
    driver.until("document.querySelector('.verdicts li') !== null")
    quotes = driver.run(
        "return [...document.querySelectorAll('.verdict-met')]"
        ".map((one) => one.querySelector('blockquote').innerText.trim())"
    )
    assert quotes and all(quote in answer for quote in quotes)


def model_answer(driver: Driver) -> str:
    """What the bank itself would answer to the question on the page."""
    asked = driver.run(
        "const get = new XMLHttpRequest(); get.open('GET', '/api/v1' + location.pathname, false); get.send();"
        "return JSON.parse(get.responseText).turns.at(-1).question_id"
    )
    return " ".join(next(one for one in load_questions() if one.id == asked).model_answer.split())


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole(stage: Stage, driver: Driver, path: str) -> None:
    """They have their styles and their heading, and nothing sticks out at the side."""
    driver.go(f"{stage.url}{path}")
    assert driver.run("return document.querySelector('h1').innerText.length > 0")
    assert driver.run("return getComputedStyle(document.body).fontFamily").startswith(('"Inter', "Inter"))
    assert driver.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
