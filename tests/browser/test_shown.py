"""What a page shows is told as events: the page, what was looked for, and the titles that came into view."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Told:
    """The events that a page reports."""

    def __init__(self, page: Page) -> None:
        self.events: list[dict[str, Any]] = []
        self.page = page
        page.on("response", self._hear)

    def _hear(self, response: Any) -> None:
        if response.url.endswith("/api/v1/events") and response.status == 200:
            assert {verdict["status"] for verdict in response.json()["verdicts"]} <= {"stored", "duplicate"}
            self.events += response.request.post_data_json["events"]

    def until(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Events of a type, once there are so many."""
        for _ in range(300):
            found = [event for event in self.events if event["type"] == kind]
            if len(found) >= count:
                return found
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{count} of {kind} never came: {self.events}")


def test_home_tells_its_page_and_the_titles_that_came_into_view(browser: Browser, stage: Stage) -> None:
    """Each once, with row, position and what put it there; those below the fold when they are scrolled to."""
    page = stage.open(browser, width=1280, height=500)
    told = Told(page)
    page.goto(f"{stage.url}/")
    assert told.until("page_view", 1)[0]["data"] == {"page": "/"}
    cards = page.locator("[data-row] [data-title]")
    for number in range(cards.count()):
        cards.nth(number).scroll_into_view_if_needed()
        page.wait_for_timeout(1300)
    shown = told.until("impression", cards.count())
    assert len(shown) == cards.count() > 0
    assert {event["title_id"] for event in shown} <= {row["title"]["id"] for row in stage.titles.values()}
    first = next(event for event in shown if event["data"]["row_index"] == 0 and event["data"]["position"] == 0)
    assert first["data"]["page"] == "/" and first["data"]["row"]
    assert first["data"]["policy"] in ("popular/1", "taste/1") and first["data"]["propensity"] == 1


def test_a_search_tells_what_was_looked_for_and_found(browser: Browser, stage: Stage) -> None:
    """With the number of results, and the results as a row."""
    page = stage.open(browser)
    told = Told(page)
    page.goto(f"{stage.url}/search?q=harbour")
    assert told.until("search", 1)[0]["data"] == {"text": "harbour", "results": 1}
    (found,) = told.until("impression", 1)
    assert found["title_id"] == stage.titles["Harbour"]["title"]["id"]
    assert found["data"] == {"row": "search", "position": 0, "row_index": 0, "page": "/search"}


def test_studio_and_practice_are_no_viewing(browser: Browser, stage: Stage) -> None:
    """What is done there is nobody's taste in films."""
    page = stage.open(browser)
    told = Told(page)
    page.goto(f"{stage.url}/studio")
    page.wait_for_timeout(4000)
    assert [event for event in told.events if event["type"] in ("page_view", "impression")] == []
