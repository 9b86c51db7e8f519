"""Practice's other pages in a browser: filled by the sample, usable by everybody, speech as an extra."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.test_accessible import violations
from tests.service import RunningService

from reelwright.app.compose import open_resources
from reelwright.kernel.settings import Source
from reelwright.practice.system import PracticeSystem

pytestmark = pytest.mark.browser
PAGES = (
    "/practice", "/practice/pay", "/practice/stories", "/practice/stories/new", "/practice/past-work",
    "/practice/plan", "/practice/cards", "/practice/interviewer", "/practice/interviewer/new", "/practice/data",
)  # fmt: skip
SPEECH = """
window.spoken = [];
window.SpeechSynthesisUtterance = function (text) { this.text = text; };
const voice = {cancel() {}, speak: (one) => window.spoken.push(one.text)};
Object.defineProperty(window, 'speechSynthesis', {value: voice});
window.SpeechRecognition = window.webkitSpeechRecognition = class extends EventTarget {
  start() { window.recognition = this; }
  stop() { this.dispatchEvent(new Event('end')); }
  hear(transcript) {
    const results = [Object.assign([{transcript}], {isFinal: true})];
    this.dispatchEvent(Object.assign(new Event('result'), {resultIndex: 0, results}));
  }
};
"""
"""A browser's speech, without a microphone."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Practice alone, with the demo's samples for the one person at this machine."""
    with RunningService(tmp_path_factory.mktemp("desk") / "data", "practice") as service:
        resources = open_resources(Source({"data": str(service.data)}, {}, "test"), process="test")
        with ThreadPoolExecutor() as pool:  # Playwright holds this thread's event loop
            pool.submit(asyncio.run, PracticeSystem(resources).put_sample("local")).result()
        yield service


def opened(desk: RunningService, browser: Browser, width: int, script: str = "") -> Page:
    """A page of a new browser."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    if script:
        page.add_init_script(script)
    return page


@pytest.mark.parametrize("width", [390, 1440])
def test_filled_pages_can_be_used_by_everybody(
    desk: RunningService, browser: Browser, dev_packages: Path, width: int
) -> None:
    """Axe finds nothing serious, and nothing is wider than the screen."""
    page = opened(desk, browser, width)
    links = [*PAGES]
    page.goto(f"{desk.url}/practice/interviewer")
    links.append(page.locator("a[href^='/practice/interviewer/0']").first.get_attribute("href") or "")
    links.append(f"{links[-1]}/packet")
    for path in links:
        page.goto(desk.url + path)
        assert violations(page, dev_packages) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    page.context.close()


def test_what_is_spoken_is_corrected_before_it_is_graded(desk: RunningService, browser: Browser) -> None:
    """It comes into the field after what was typed, is edited, and only then answered; the question is read aloud."""
    page = opened(desk, browser, 1440, SPEECH)
    page.goto(f"{desk.url}/practice")
    page.get_by_role("button", name="Start").click()
    asked = page.locator("#asked").inner_text()
    page.get_by_role("button", name="Read the question aloud").click()
    assert page.evaluate("window.spoken") == [asked]
    field = page.get_by_label("Your answer")
    field.fill("Typed first.")
    page.get_by_role("button", name="Speak", exact=True).click()
    page.evaluate("window.recognition.hear(' a taken bucket ')")
    expect(field).to_have_value("Typed first. a taken bucket")
    page.get_by_role("button", name="Stop listening").click()
    field.fill(field.input_value().replace("taken", "token"))
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("Your answer", exact=True).last.click()
    expect(page.locator(".said").first).to_have_text("Typed first. a token bucket")
    page.context.close()


def test_without_speech_there_is_no_button(desk: RunningService, browser: Browser) -> None:
    """Typing is all that is asked for."""
    page = opened(
        desk, browser, 1440,
        "for (const one of ['SpeechRecognition', 'webkitSpeechRecognition', 'speechSynthesis'])"
        " delete window[one];",
    )  # fmt: skip
    page.goto(f"{desk.url}/practice")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_label("Your answer")).to_be_visible()
    expect(page.locator("[data-speak]")).to_be_hidden()
    page.context.close()


def test_a_candidate_and_an_interviewer_by_keyboard(
    desk: RunningService, browser: Browser, dev_packages: Path
) -> None:
    """From the links to a sealed scorecard, on a phone, without an account."""
    page = opened(desk, browser, 390)
    page.goto(f"{desk.url}/practice/interviewer/new")
    page.get_by_label("Candidate").fill("Ada")
    page.get_by_label("Interviewers, one a line").fill("Kim")
    page.locator(".asks summary").first.click()
    page.locator(".asks input").first.check()
    page.get_by_role("button", name="Set up, and make the links").click()
    candidate, kim = page.locator("section.attention code").all_inner_texts()
    page.goto(candidate)
    assert violations(page, dev_packages) == []
    page.get_by_label("I have read this, and agree").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Agree and begin").focus()
    page.keyboard.press("Enter")
    page.locator("textarea").first.fill("I measured the queue for a week.")
    page.get_by_role("button", name="I am done").click()
    expect(page.get_by_role("heading", name="You are done")).to_be_visible()
    page.goto(kim)
    assert violations(page, dev_packages) == []
    page.locator("textarea[name=reasons]").fill("Measured before changing anything at all.")
    page.get_by_label("You recommend").select_option("yes")
    page.get_by_role("button", name="Seal my scorecard").click()
    expect(page.get_by_text("All scorecards are in")).to_be_visible()
    page.context.close()
