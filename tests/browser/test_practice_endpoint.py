"""A whole stage in a browser, without a key and with an endpoint that fails in each way: nothing said is lost."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.screens import ANSWER
from tests.integration.practice import endpoint as fake
from tests.service import RunningService

pytestmark = pytest.mark.browser
MOST_TURNS = 40


@pytest.mark.parametrize(
    "behaviour", [None, fake.hanging, fake.cut_off, fake.busy, fake.lying], ids=lambda one: one and one.__name__
)
def test_a_whole_stage_whatever_the_endpoint_does(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, behaviour: fake.Behaviour | None
) -> None:
    """Door, every question, quoted feedback, progress: the rules judge at once, and no quote is invented."""
    with ExitStack() as stack:
        environ = {}
        if behaviour is not None:
            server = stack.enter_context(fake.endpoint(behaviour))
            environ = {
                "REELWRIGHT_PRACTICE_LLM_URL": server.url, "REELWRIGHT_PRACTICE_LLM_MODEL": "fake",
                "REELWRIGHT_PRACTICE_LLM_KEY": "secret", "REELWRIGHT_PRACTICE_LLM_TIMEOUT_S": "0.5",
            }  # fmt: skip
        data = tmp_path_factory.mktemp("endpoint") / "data"
        service = stack.enter_context(RunningService(data, "practice", environ=environ))
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        page.goto(service.url)
        page.goto(f"{service.url}/practice")
        page.locator("select[name=stage]").select_option("recruiter")
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**/practice/interviews/*")
        answered = _to_its_end(page)
        assert answered >= 3, "a stage has more than one question"
        quotes = page.locator(".verdicts blockquote").all_inner_texts()
        assert quotes, "something of the answer was quoted"
        for quote in quotes:
            assert quote.strip() in ANSWER, "a verdict quotes what was said"
        assert "secret" not in page.content()
        page.goto(f"{service.url}/practice/progress")
        expect(page.locator("main")).to_contain_text("Communication")
        page.context.close()


def _to_its_end(page: Page) -> int:
    """Answer whatever is asked until the stage has ended; how many answers that took."""
    for number in range(MOST_TURNS):
        field = page.locator("textarea[name=answer]")
        if field.count() == 0:
            return number
        # the words come while one reads; where the endpoint fails, what is scripted stays
        asked = " ".join((page.locator("#asked").get_attribute("data-asks") or "").split())
        field.fill(ANSWER)
        page.get_by_role("button", name="Answer", exact=True).click()
        expect(page.get_by_role("heading", name=asked)).to_be_visible()
        page.wait_for_load_state("load")
    raise AssertionError(f"the stage did not end within {MOST_TURNS} answers")
