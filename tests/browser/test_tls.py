"""The service as whoever has a certificate runs it: browsers then speak HTTP/2 to its pages."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests.browser.conftest import Stage, make_film, wait_until_ready
from tests.browser.test_playing import play_until
from tests.certificate import make_certificate
from tests.service import RunningService, expect, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = ("/", "/search", "/studio", "/studio/jobs", "/studio/data", "/studio/cdn", "/studio/health", "/practice/")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service with TLS and one film."""
    folder = tmp_path_factory.mktemp("tls")
    make_film(folder / "library" / "Low Sun (2021).mp4", seconds=12, picture="testsrc2=s=320x180:r=24")
    environ = make_certificate(folder / "certificate")
    trusted = ssl.create_default_context(cafile=environ["REELWRIGHT_TLS_CERTIFICATE"])
    environ |= {"REELWRIGHT_LIBRARY": str(folder / "library"), "REELWRIGHT_MEDIA_PRESET": "ultrafast"}
    with RunningService(folder / "data", environ=environ) as service:
        client = set_up(service, verify=trusted)
        wait_until_ready(client, titles=1, service=service)
        yield Stage(service, client)


@pytest.fixture(scope="module")
def signed_in(secure: Stage, browser: Browser) -> Iterator[BrowserContext]:
    """A browser whose person signed in over TLS, once: who does so for each page is soon told to wait."""
    made = secure.context(browser, ignore_https_errors=True, service_workers="block")
    yield made
    made.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    """A page of that browser."""
    made = signed_in.new_page()
    yield made
    made.close()


def test_a_film_plays_and_is_remembered(secure: Stage, page: Page) -> None:
    """Each cookie comes in a field of its own: session and viewer are known all the same."""
    playable = secure.playable("Low Sun")
    page.goto(f"{secure.url}/watch/{playable}")
    play_until(page, 3)
    protocols = page.evaluate("performance.getEntriesByType('navigation').map(one => one.nextHopProtocol)")
    assert protocols == ["h2"]
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('rw-player').video.paused")
    page.goto(f"{secure.url}/")
    history = expect(secure.client.get("/api/v1/history"), 200)
    assert [row["playable_id"] for row in history] == [playable]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works(secure: Stage, page: Page, path: str) -> None:
    """All of it is loaded, and it is meant for whoever is signed in."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: wrong.append(request.url) if "stream" not in request.url else None)
    answer = page.goto(f"{secure.url}{path}")
    assert answer is not None and answer.status == 200 and "/sign-in" not in page.url
    page.wait_for_timeout(500)
    assert wrong == []
