"""A design round in a browser: by keyboard alone, usable by everybody, as wide as the screen."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page
from tests.browser.test_accessible import violations
from tests.rounds import design_rounds
from tests.service import RunningService

from reelwright.practice.labs.simulations import OF_AREA

pytestmark = pytest.mark.browser
BEYOND = """
    [...document.querySelectorAll('.panel')].flatMap((panel) =>
      [...panel.querySelectorAll('*')].filter((one) => !one.closest('svg, .sr')
        && one.getBoundingClientRect().right > panel.getBoundingClientRect().right).map((one) => one.outerHTML))
"""
"""What is wider than the panel it is in."""


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


def fill_and_run(page: Page, values: dict[str, str]) -> None:
    """Type the numbers of a design and what is expected of it, and run it."""
    for key, value in values.items():
        page.fill(f"#run [name={key}]", value)
    with page.expect_navigation():
        page.click("#run button")


def test_every_kind_of_design_is_run(browser: Browser, dev_packages: Path, tmp_path: Path) -> None:
    """On a phone and a desktop: what is wrong is said where it is wrong, and what was measured stays in its panel."""
    with RunningService(tmp_path / "data", "practice", environ={"REELWRIGHT_LIMITS_API": "10000/minute"}) as service:
        page = browser.new_context(reduced_motion="reduce").new_page()
        page.set_default_timeout(60_000)
        rounds = design_rounds(httpx.Client(base_url=service.url, timeout=60), OF_AREA)

        def look(said: str) -> None:
            for width in (390, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate(BEYOND) == [], (said, width)
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (said, width)
                assert violations(page, dev_packages) == [], (said, width)

        for area, simulated in OF_AREA.items():
            page.goto(f"{service.url}/practice/interviews/{rounds[area]}/design")
            look(f"{area} before")
            fields = (*simulated.design, *simulated.estimates)
            for absurd in ("-3", "1e30", "a lot", ""):
                fill_and_run(page, dict.fromkeys((one.key for one in fields), absurd))
                assert page.locator("#run [aria-invalid]").count() == len(fields)
                assert page.input_value(f"#run [name={fields[-1].key}]") == absurd
                assert page.evaluate("document.querySelector('#run .problem').getBoundingClientRect().y") < 900
                assert page.locator("#run [aria-invalid] >> nth=0").get_attribute("aria-describedby")
            look(f"{area} with nothing")
            fill_and_run(page, {one.key: f"{one.least or min(1.0, one.most):g}" for one in fields})
            assert page.locator("#run tbody tr").count() == len(simulated.estimates)
            look(f"{area} after")
        page.context.close()
