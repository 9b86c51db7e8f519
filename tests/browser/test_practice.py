"""Practice in a browser: from the door to a question, quoted feedback and progress, by keyboard, without a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.browser.conftest import Stage
from tests.browser.screens import ANSWER
from tests.browser.test_accessible import violations
from tests.browser.test_arrow_keys import reach_everything

from reelwright.practice.adapters.sandbox import bubblewrap_works
from reelwright.practice.labs.lab import solutions
from reelwright.practice.labs.labs import LABS

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1440])
def test_a_stage_from_the_door_to_progress(stage: Stage, browser: Browser, dev_packages: Path, width: int) -> None:
    """Each answer is judged at once beside its own words; nothing is lost by leaving and coming back."""
    page = stage.open(browser, width=width, height=844)
    page.goto(f"{stage.url}/practice")
    page.locator("select[name=stage]").select_option("phone")
    page.get_by_role("button", name="Start").press("Enter")
    page.wait_for_url("**/practice/interviews/*")
    room = page.url
    question = page.locator("#asked").inner_text()
    assert len(question) > 40
    page.locator("textarea[name=answer]").fill(ANSWER)
    page.get_by_role("button", name="Answer", exact=True).press("Enter")
    expect(page.locator(".verdicts li").first).to_be_visible()
    assert page.get_by_role("heading", name=question).count() == 1
    for quote in page.locator(".verdicts blockquote").all_inner_texts():
        assert quote.strip() in ANSWER, "a verdict quotes what was said"
    assert violations(page, dev_packages) == []
    page.goto(f"{stage.url}/practice")
    page.get_by_role("link", name="Go on").click()
    assert page.url == room
    page.goto(f"{stage.url}/practice/progress")
    assert violations(page, dev_packages) == []
    page.context.close()


def test_a_double_click_begins_one_interview(stage: Stage, browser: Browser) -> None:
    """As it would anywhere else: the second click of a form that is being sent is none."""
    page = stage.open(browser)
    page.goto(f"{stage.url}/practice")
    sent: list[str] = []

    def on_its_way(route: Route) -> None:
        sent.append(route.request.method)
        page.wait_for_timeout(600)
        route.continue_()

    page.route("**/practice", on_its_way)
    page.get_by_role("button", name="Start").evaluate(
        "button => { button.click(); setTimeout(() => button.click(), 200); }"
    )
    page.wait_for_url("**/practice/interviews/*")
    assert sent == ["POST"]
    page.context.close()


def test_the_room_is_reached_by_arrow_keys(stage: Stage, browser: Browser) -> None:
    """As every page is: the answer's field, its buttons, and what unfolds."""
    page: Page = stage.open(browser)
    page.goto(f"{stage.url}/practice")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/practice/interviews/*")
    reach_everything(page, page.url)
    page.context.close()


def test_a_loop_from_plan_to_committee(stage: Stage, browser: Browser, dev_packages: Path) -> None:
    """Planned, begun, answered; the clock runs, the draft is kept, the committee says what is missing."""
    page = stage.open(browser, width=390, height=844)
    page.goto(f"{stage.url}/practice")
    page.get_by_role("button", name="Plan it").press("Enter")
    page.wait_for_url("**/practice/loops/*")
    loop = page.url
    assert violations(page, dev_packages) == []
    page.get_by_role("button", name="Begin", exact=True).click()
    page.wait_for_url("**/practice/interviews/*")
    page.locator("textarea[name=answer]").press_sequentially("I owned it", delay=5)
    expect(page.get_by_text("Draft saved")).to_be_visible(timeout=60_000)
    page.reload()
    expect(page.locator("textarea[name=answer]")).to_have_value("I owned it")
    page.locator("textarea[name=answer]").fill(ANSWER)
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".verdicts li").first).to_be_visible()
    page.goto(f"{loop}/committee")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not enough evidence")
    assert violations(page, dev_packages) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.context.close()


@pytest.mark.skipif(not bubblewrap_works(), reason="bubblewrap with user namespaces: apt-get install bubblewrap")
def test_a_lab_from_the_editor_to_its_verdict(stage: Stage, browser: Browser, dev_packages: Path) -> None:
    """Typed and run by keyboard; the verdict comes without reloading, with a picture and the textbook beside it."""
    page = stage.open(browser, width=1280, height=900)
    page.goto(f"{stage.url}/practice/labs/token-bucket")
    code = page.locator("textarea[name=source]")
    code.fill("")
    code.press_sequentially("def f():", delay=1)
    code.press("Enter")
    code.press_sequentially("return 1", delay=1)
    assert code.input_value() == "def f():\n    return 1"
    code.fill(solutions(LABS["token-bucket"])["starter"])
    code.press("Control+Enter")
    page.wait_for_url("**/practice/labs/token-bucket?run=*")
    expect(page.get_by_text("valid: false")).to_be_visible(timeout=60_000)
    expect(page.locator(".counter-example svg")).to_be_visible()
    expect(page.get_by_role("cell", name="textbook, floating point")).to_be_visible()
    assert violations(page, dev_packages) == []
    page.context.close()
