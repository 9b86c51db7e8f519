"""Arrow keys alone reach everything that can be used, on every page, as on a remote control."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage, sign_in
from tests.service import RunningService, set_up

pytestmark = pytest.mark.browser
PAGES = (
    *("/", "/search", "/search?q=sun", "/search?q=zzzz", "/my-list", "/profiles", "/profiles/new", "/settings"),
    *("/nowhere", "/offline", "/studio", "/studio/titles", "/studio/upload", "/studio/jobs", "/studio/health"),
    *("/studio/people", "/api", "/practice", "/practice/progress"),
    *("/practice/pay", "/practice/stories", "/practice/stories/new", "/practice/past-work", "/practice/plan"),
)
MARK = """() => {
  const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const shown = (one) => one.checkVisibility() && !one.disabled && !one.closest('[inert]')
    && one.getClientRects().length && (!one.closest('details:not([open])') || one.matches('summary'));
  let count = 0;
  for (const one of document.querySelectorAll(usable)) {
    if (shown(one) && !one.matches('.skip')) one.dataset.reach = String(count++);
  }
  return count;
}"""
MORE_ROWS = """() => {
  const row = document.querySelector('tbody tr');
  for (let copy = 0; copy < 9; copy++) row.parentNode.append(row.cloneNode(true));
}"""
NAME = "(() => document.activeElement?.closest('[data-reach]')?.dataset.reach ?? '')()"


@pytest.fixture(scope="module")
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A signed-in page."""
    opened = stage.open(browser)
    yield opened
    opened.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_arrow_keys_reach_everything(stage: Stage, page: Page, path: str) -> None:
    """The first key leads to where the page begins, and from there everything can be reached; nothing traps."""
    reach_everything(page, stage.url + path)


def reach_everything(page: Page, url: str) -> None:
    """Press arrow keys until nothing new is found, and compare with what can be used there."""
    page.goto(url, wait_until="networkidle")
    count = page.evaluate(MARK)
    assert count > 0
    page.keyboard.press("ArrowDown")
    first = page.evaluate(NAME)
    assert first != "", "the first arrow key leads nowhere"
    missing = {str(number) for number in range(count)} - reachable(page, first)
    shown = [
        page.evaluate(f"document.querySelector('[data-reach=\"{one}\"]').outerHTML.slice(0, 160)") for one in missing
    ]
    assert shown == []


def reachable(page: Page, first: str) -> set[str]:
    """Elements that arrow keys lead to, from `first` on."""
    seen, waiting = {first}, [first]
    while waiting:
        here = waiting.pop()
        for key in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"):
            page.evaluate(f"document.querySelector('[data-reach=\"{here}\"]').focus()")
            page.keyboard.press(key)
            there = page.evaluate(NAME)
            if there != "" and there not in seen:
                seen.add(there)
                waiting.append(there)
    return seen


def test_arrow_keys_work_on_a_series_page(stage: Stage, page: Page) -> None:
    """Buttons, episodes and similar titles."""
    test_arrow_keys_reach_everything(stage, page, f"/title/{stage.titles['Harbour']['title']['id']}")


def test_arrow_keys_reach_everything_before_there_is_anything(browser: Browser, tmp_path: Path) -> None:
    """Set-up, the empty pages, and the doors of whoever has signed out."""
    with RunningService(tmp_path / "data") as service, browser.new_context() as context:
        page = context.new_page()
        for path in ("/", f"/setup?code={service.setup_code()}", "/setup"):
            reach_everything(page, service.url + path)
        set_up(service)
        for path in ("/", "/sign-in", "/sign-in?next=/studio", "/nowhere"):
            reach_everything(page, service.url + path)
        sign_in(context, service.url)
        for path in ("/", "/search", "/my-list", "/studio", "/studio/titles", "/studio/jobs"):
            reach_everything(page, service.url + path)


@pytest.mark.parametrize("size", [(390, 844), (390, 600), (1440, 500)])
def test_a_bar_that_stays_in_view_hides_nothing_from_arrow_keys(
    stage: Stage, page: Page, size: tuple[int, int]
) -> None:
    """Neither does it stand before rows that are scrolled behind it, nor is it out of reach from below."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    try:
        page.goto(f"{stage.url}/studio/people", wait_until="networkidle")
        page.evaluate(MORE_ROWS)
        count = page.evaluate(MARK)
        page.keyboard.press("ArrowDown")
        assert {str(number) for number in range(count)} <= reachable(page, page.evaluate(NAME))
    finally:
        page.set_viewport_size({"width": 1440, "height": 900})


def test_arrow_keys_leave_text_fields_alone_until_their_end(stage: Stage, page: Page) -> None:
    """In a field, left and right move the caret."""
    page.goto(f"{stage.url}/search?q=sun", wait_until="networkidle")
    field = page.locator("input[name=q]")
    field.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert field.evaluate("one => document.activeElement === one && one.selectionStart") == 2
