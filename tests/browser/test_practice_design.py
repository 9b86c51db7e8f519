"""A design round in a browser: by keyboard alone, usable by everybody, as wide as the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.test_accessible import violations
from tests.service import RunningService

pytestmark = pytest.mark.browser


def send(page: Page, text: str, button: str) -> None:
    """Type into what has the focus, go on by Tab to the button, and press it."""
    page.keyboard.type(text)
    for _ in range(6):
        page.keyboard.press("Tab")
        if button in (page.evaluate("document.activeElement.textContent") or ""):
            break
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_board_is_drawn_by_keyboard_alone(browser: Browser, dev_packages: Path, tmp_path: Path) -> None:
    """Ask, add boxes, add an arrow; axe finds nothing serious on a phone or a desktop, empty or drawn."""
    with RunningService(tmp_path / "data", "practice") as service:
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        room = page.request.post(f"{service.url}/api/v1/practice/interviews", data={"stage": "design"}).json()["id"]
        page.goto(f"{service.url}/practice/interviews/{room}")
        page.get_by_role("link", name="Facts, board and numbers").click()
        page.locator("input[name=question]").focus()
        send(page, "What is the budget?", "Ask")
        assert page.locator("#facts li").count() >= 1
        for name in ("app", "accounts"):
            page.locator("input[name=name]").focus()
            send(page, name, "Add the box")
        page.locator("input[name=carries]").focus()
        send(page, "requests", "Add the arrow")
        assert page.locator("svg.board path.arrow").count() == 1
        for width in (390, 1440, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            assert violations(page, dev_packages) == [], width
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        page.context.close()
