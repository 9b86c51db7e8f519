"""The committee's packet in a browser: round by round by keyboard, and whole on paper."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from tests.browser.test_accessible import violations
from tests.service import RunningService, expect

from reelwright.practice.adapters.bank import load_questions

pytestmark = pytest.mark.browser
SHOWN = "document.querySelector('.round blockquote').checkVisibility()"


def test_a_packet_is_read_by_rounds_and_printed_whole(browser: Browser, dev_packages: Path, tmp_path: Path) -> None:
    """A round's quotes come when it is opened, on paper they are there, and rounds without any are one list."""
    with RunningService(tmp_path / "data", "practice") as service:
        client = httpx.Client(base_url=service.url, timeout=60)
        loop = expect(client.post("/api/v1/practice/loops", json={}), 201)["id"]
        begun = expect(client.post(f"/api/v1/practice/loops/{loop}/rounds", json={"stage": "recruiter"}), 201)
        (turn,) = begun["turns"]
        question = next(one for one in load_questions() if one.id == turn["question_id"])
        answer = {"turn": turn["number"], "text": question.model_answer}
        expect(client.post(f"/api/v1/practice/interviews/{begun['id']}/answers", json=answer), 201)
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        page.goto(f"{service.url}/practice/loops/{loop}/committee")
        assert page.locator("#silent + ul li").count() == 8
        assert page.locator(".round").count() == 1 and not page.evaluate(SHOWN)
        page.emulate_media(media="print")
        assert page.evaluate(SHOWN)
        page.emulate_media(media="screen")
        page.locator(".round summary").press("Enter")
        assert page.evaluate(SHOWN)
        assert violations(page, dev_packages) == []
        page.context.close()
