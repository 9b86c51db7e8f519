"""A library's first minutes: what home says, and that it shows the first film by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import make_film, sign_in
from tests.browser.test_growing import Encoder
from tests.service import RunningService, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service of its own, with an empty library."""
    (tmp_path / "library").mkdir()
    environ = {"REELWRIGHT_LIBRARY": str(tmp_path / "library"), "REELWRIGHT_MEDIA_PRESET": "ultrafast"}
    with RunningService(tmp_path / "data", environ=environ) as running:
        yield running


@pytest.fixture
def home(browser: Browser, service: RunningService) -> Iterator[Page]:
    """The home page of who runs it, opened once and never again."""
    set_up(service)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    sign_in(context, service.url)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(service.url)
    yield page
    context.close()


def test_home_tells_what_becomes_of_the_first_film(home: Page, service: RunningService, tmp_path: Path) -> None:
    """Nothing yet, no film at all, one that is being prepared, and its picture: each without a reload by hand."""
    heading = home.locator("main h2")
    assert heading.inner_text() == "Your films will be here"
    library = tmp_path / "library"
    (library / "Notes (2020).mp4").write_text("Dear diary")
    home.locator("main h2", has_text="No film could be prepared").wait_for()
    assert home.locator("main .button").get_attribute("href") == "/studio/titles"
    encoder = Encoder(service)
    try:
        make_film(library / "Ferry (2020).mp4", seconds=4, picture="testsrc2=s=320x180:r=24")
        home.locator("main h2", has_text="The first film is being prepared").wait_for()
        assert "as soon as its first seconds are made" in home.inner_text("main")
        assert home.request.get(f"{service.url}/api/v1/titles").json()["titles"] == []
    finally:
        encoder.close()
    home.locator(".billboard h1", has_text="Ferry").wait_for()
