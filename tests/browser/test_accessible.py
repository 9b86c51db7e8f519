"""Every page can be used by everybody: axe finds nothing serious, nothing breaks in the console, little is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response
from tests.browser.conftest import Stage

pytestmark = pytest.mark.browser
SIGNED_OUT = ("/", "/sign-in", "/offline")
VIEWER = (
    "/",
    "/search",
    "/search?q=sun",
    "/search?q=zzzz",
    "/my-list",
    "/profiles",
    "/profiles/new",
    "/settings",
    "/practice",
    "/practice/progress",
    "/practice/labs",
    "/practice/labs/token-bucket",
    "/practice/guide",
    "/practice/guide/levels",
    "/practice/guide/scenarios",
    "/practice/guide/readiness?checked=1",
    "/practice/graders",
    "/practice/pay",
    "/practice/stories",
    "/practice/stories/new",
    "/practice/past-work",
    "/practice/plan",
    "/practice/cards",
    "/practice/interviewer",
    "/practice/data",
    "/practice/interviewer/new",
    "/nowhere",
)
STUDIO = (
    *("/studio", "/studio/titles", "/studio/upload", "/studio/jobs", "/studio/health", "/studio/people", "/api"),
    *(
        "/studio/quality",
        "/studio/data",
        "/studio/limits",
        "/studio/cdn",
        "/studio/limits/replay?limit=pages&rule=2/minute&when=hour",
    ),
    *("/studio/experiments", "/studio/experiments/new", "/studio/experiments/home-ranker"),
)
HOME_BYTES_MOST = 60_000


@pytest.fixture(scope="module")
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A signed-in page."""
    opened = stage.open(browser)
    yield opened
    opened.context.close()


def violations(page: Page, dev_packages: Path) -> list[str]:
    """What axe finds serious or critical."""
    page.evaluate(f"{(dev_packages / 'axe-core' / 'axe.min.js').read_text()};undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{row['id']}: {row['help']} {[node['html'][:120] for node in row['nodes'][:3]]}"
        for row in found["violations"]
        if row["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("path", [*VIEWER, *STUDIO])
def test_axe_finds_nothing_serious(stage: Stage, page: Page, dev_packages: Path, path: str) -> None:
    """WCAG 2.2 AA as far as a program can tell, on full, empty and error pages."""
    page.goto(stage.url + path)
    assert violations(page, dev_packages) == []


@pytest.mark.parametrize("path", SIGNED_OUT)
def test_axe_finds_nothing_serious_before_signing_in(
    stage: Stage, browser: Browser, dev_packages: Path, path: str
) -> None:
    """The front door, sign-in and the offline page."""
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(stage.url + path)
        assert violations(page, dev_packages) == []


def test_axe_finds_nothing_serious_on_titles(stage: Stage, page: Page, dev_packages: Path) -> None:
    """A film, a series, and their pages in Studio."""
    for row in stage.titles.values():
        for path in ("title", "studio/titles"):
            page.goto(f"{stage.url}/{path}/{row['title']['id']}")
            assert violations(page, dev_packages) == []


@pytest.mark.parametrize("path", [path for path in (*VIEWER, *STUDIO) if path != "/nowhere"])
def test_nothing_breaks_in_the_console(stage: Stage, page: Page, path: str) -> None:
    """No script error, no missing file, nothing that the content security policy had to stop."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(stage.url + path, wait_until="networkidle")
    assert said == []


def test_pages_work_without_scripts(stage: Stage, browser: Browser) -> None:
    """Signing in, choosing a profile, finding, keeping and letting go of a title, signing out: plain forms."""
    page = stage.open(browser, java_script_enabled=False)
    page.goto(f"{stage.url}/search")
    page.fill("[name=q]", "sun")
    page.press("[name=q]", "Enter")
    page.click(".card:has-text('Low Sun')")
    page.click("button:has-text('My list')")
    page.goto(f"{stage.url}/my-list")
    page.click(".card:has-text('Low Sun')")
    page.click("button:has-text('My list')")
    page.goto(f"{stage.url}/my-list")
    assert page.locator(".card").count() == 0
    page.click(".menu summary")
    page.click("button:has-text('Sign out')")
    assert page.get_by_role("link", name="Sign in").is_visible()
    page.context.close()


def test_home_is_light_on_the_wire(stage: Stage, browser: Browser) -> None:
    """At most 60 kB of our own scripts, compressed, before anything is played."""
    page = stage.open(browser)
    scripts: list[Response] = []
    page.on("response", lambda response: scripts.append(response) if response.url.endswith(".js") else None)
    page.goto(f"{stage.url}/", wait_until="networkidle")
    sent = sum(int(response.headers["content-length"]) for response in scripts)
    assert scripts and 0 < sent <= HOME_BYTES_MOST
    page.context.close()


def test_pages_fit_a_phone_without_scrolling_sideways(stage: Stage, browser: Browser) -> None:
    """Rows scroll within themselves; the page does not."""
    page = stage.open(browser, width=360, height=740)
    title = stage.titles["Harbour"]["title"]["id"]
    for path in (*VIEWER, *STUDIO, f"/title/{title}"):
        page.goto(stage.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
    page.context.close()
