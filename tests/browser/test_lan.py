"""The service on a network without TLS, as `lan_without_tls` allows: browsers withhold what needs a secure page."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage, make_film, wait_until_ready
from tests.browser.test_playing import play_until
from tests.service import RunningService, expect, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def own_address() -> str:
    """An address of this machine that is not loopback, which browsers trust without TLS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = probe.getsockname()[0]
    return address


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service that listens on a network, with one film."""
    folder, address = tmp_path_factory.mktemp("lan"), own_address()
    make_film(folder / "library" / "Low Sun (2021).mp4", seconds=12, picture="testsrc2=s=320x180:r=24")
    environ = {"REELWRIGHT_LIBRARY": str(folder / "library"), "REELWRIGHT_MEDIA_PRESET": "ultrafast"}
    service = RunningService(folder / "data", environ=environ | {"REELWRIGHT_LAN_WITHOUT_TLS": "true"}, host=address)
    with service:
        client = set_up(service)
        wait_until_ready(client, titles=1, service=service)
        yield Stage(service, client)


@pytest.fixture
def page(near: Stage, browser: Browser) -> Iterator[Page]:
    """A page of a browser elsewhere on that network."""
    made = near.open(browser)
    yield made
    made.context.close()


def test_a_film_plays_and_is_remembered(near: Stage, page: Page) -> None:
    """Without what browsers give to secure pages only."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    playable = near.playable("Low Sun")
    page.goto(f"{near.url}/watch/{playable}")
    assert not page.evaluate("isSecureContext")
    play_until(page, 3)
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('rw-player').video.paused")
    page.goto(f"{near.url}/")
    assert [row["playable_id"] for row in expect(near.client.get("/api/v1/history"), 200)] == [playable]
    assert wrong == []


def test_the_risk_is_told_and_what_needs_tls_is_not_offered(near: Stage, page: Page) -> None:
    """The banner hides nothing and is not hidden; there is no button to keep the film."""
    page.goto(f"{near.url}/title/{near.titles['Low Sun']['title']['id']}")
    banner, brand = page.locator(".banner"), page.locator(".top .brand")
    assert "without TLS" in banner.inner_text()
    told, below = banner.bounding_box(), brand.bounding_box()
    assert told and below and told["y"] + told["height"] <= below["y"]
    page.get_by_role("button", name="My list").wait_for()
    assert page.get_by_role("button", name="Download").count() == 0
