"""What is kept on the device plays when there is no service at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import make_film, sign_in, wait_until_ready
from tests.browser.drivers import driven, missing
from tests.browser.drivers import sign_in as sign_in_by_form
from tests.browser.test_playing import play_until, video
from tests.service import RunningService, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FULL = """() => {
  const { add } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.add = function (...given) {
    const request = add.apply(this, given);
    if (this.transaction.db.name.startsWith('shaka')) this.transaction.abort();
    return request;
  };
}"""
"""What Chromium does with gigabytes that are more than the page may have: small films are let pass."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of its own, since the test takes it away."""
    library = tmp_path / "library"
    make_film(library / "Ferry (2020).mp4", seconds=20, picture="testsrc2=s=320x180:r=24")
    environ = {"REELWRIGHT_LIBRARY": str(library), "REELWRIGHT_MEDIA_PRESET": "ultrafast"}
    with RunningService(tmp_path / "data", environ=environ) as running:
        yield running


@pytest.fixture
def page(browser: Browser, service: RunningService) -> Iterator[Page]:
    """A signed-in browser."""
    client = set_up(service)
    wait_until_ready(client, titles=1, service=service)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    sign_in(context, service.url)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    context.close()


def test_a_downloaded_film_plays_without_the_service_and_is_told_of_later(
    page: Page, service: RunningService
) -> None:
    """Downloaded from the title's page, played with every process stopped, remembered when they are back."""
    title = page.request.get(f"{service.url}/api/v1/titles").json()["titles"][0]
    playable = title["playables"][0]["id"]
    page.goto(f"{service.url}/title/{title['title']['id']}")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.click("rw-download button")
    page.wait_for_selector("rw-download button:has-text('Remove download')")
    service.stop()
    page.goto(f"{service.url}/search")
    assert "You are offline" in page.inner_text("main")
    page.wait_for_selector("rw-downloads li:has-text('Ferry')", timeout=60_000)
    page.context.set_offline(True)
    page.goto(f"{service.url}/watch/{playable}")
    play_until(page, 4)
    assert page.evaluate("document.querySelector('rw-player').notice") == ""  # it waits for no network
    page.goto(f"{service.url}/watch/{playable}?t=2")  # from a link to a moment, or after signing in again
    page.wait_for_function("() => document.querySelector('rw-player')?.playback")
    assert page.evaluate("document.querySelector('rw-player').playback.startedAtS") == 2
    play_until(page, 4)
    page.context.set_offline(False)
    assert not page.evaluate("document.querySelector('rw-player').problem") and not video(page, "v.error")
    service.start()
    page.goto(f"{service.url}/")
    eventually(lambda: [row["position_s"] > 3 for row in get(page, service, "history")] == [True])
    sent = get(page, service, "analytics/ledger")["sent"]
    assert sum(row["made"] for row in sent) >= sum(row["stored"] for row in sent) > 0
    assert {row["senders"] for row in sent} == {1}  # before, during and after the flight: one device
    assert sum(row["missing"] for row in sent) == 0
    service.stop()
    page.goto(f"{service.url}/watch/{playable}")  # the next flight: the service knows, and is not there to say
    page.wait_for_function("() => document.querySelector('rw-player')?.playback")
    assert page.evaluate("document.querySelector('rw-player').playback.startedAtS") > 3
    service.start()
    page.goto(f"{service.url}/title/{title['title']['id']}")
    page.click("rw-download button")
    page.wait_for_selector("rw-download button:has-text('Download')")


def test_a_device_without_room_says_so(page: Page, service: RunningService) -> None:
    """A long film and a full disk: browsers end the write without a reason, and the viewer is told one."""
    title = page.request.get(f"{service.url}/api/v1/titles").json()["titles"][0]
    page.goto(f"{service.url}/title/{title['title']['id']}")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.evaluate(FULL)
    page.click("rw-download button")
    page.wait_for_selector("rw-download .problem:has-text('no room left on this device')")
    assert page.inner_text("rw-download button") == "Download"


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_other_browsers_play_without_the_service(name: str, service: RunningService, tmp_path: Path) -> None:
    """Firefox and WebKit keep the pages and the film, too."""
    if line := missing(name):
        pytest.skip(f"no {name} here: {line}")
    client = set_up(service)
    wait_until_ready(client, titles=1, service=service)
    (title,) = client.get("/api/v1/titles").json()["titles"]
    with driven(name, tmp_path) as driver:
        sign_in_by_form(driver, service.url)
        driver.go(f"{service.url}/title/{title['title']['id']}")
        driver.until("navigator.serviceWorker.controller !== null")
        driver.click("rw-download button")
        driver.until("document.querySelector('rw-download button')?.textContent === 'Remove download'")
        service.stop()
        driver.go(f"{service.url}/search")
        driver.until("document.querySelector('rw-downloads li')?.innerText.includes('Ferry')")
        driver.go(f"{service.url}/watch/{title['playables'][0]['id']}")
        video = "document.querySelector('rw-player')?.shadowRoot?.querySelector('video')"
        driver.until(f"{video}?.currentTime > 4 && !{video}.error")


def get(page: Page, service: RunningService, path: str) -> Any:
    """What the API says to who is signed in."""
    return page.request.get(f"{service.url}/api/v1/{path}", timeout=60_000).json()


def eventually(holds: Callable[[], bool]) -> None:
    """Ask again until it holds, a minute at most."""
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.2)
