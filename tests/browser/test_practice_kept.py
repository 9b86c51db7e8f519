"""What is typed in practice is kept, whatever happens to the page: reloads, other forms, other tabs, no network."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.service import RunningService

pytestmark = pytest.mark.browser
FIELD = "textarea[name=answer]"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Practice alone, for the one person at this machine."""
    with RunningService(tmp_path_factory.mktemp("kept") / "data", "practice") as service:
        yield service


def begun(alone: RunningService, browser: Browser, stage: str) -> Page:
    """A page of a new browser, in the room of a stage that has just begun."""
    page = browser.new_context().new_page()
    page.goto(f"{alone.url}/practice")
    page.locator("select[name=stage]").select_option(stage)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/practice/interviews/*")
    return page


def test_an_answer_is_kept_by_reloading_at_once_and_offered_for_no_other_question(
    alone: RunningService, browser: Browser
) -> None:
    """The last second before a reload counts; what was answered does not come back in the next question's field."""
    page = begun(alone, browser, "phone")
    page.locator(FIELD).press_sequentially("I owned it.")
    page.reload()
    expect(page.locator(FIELD)).to_have_value("I owned it.")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".verdicts li").first).to_be_visible()
    expect(page.locator(FIELD)).to_have_value("")
    page.go_back()
    page.reload()
    expect(page.locator(FIELD)).to_have_value("")
    page.context.close()


def test_an_answer_is_kept_while_there_is_no_network(alone: RunningService, browser: Browser) -> None:
    """It says so, tries again by itself, and survives an answer that was sent into nothing."""
    page = begun(alone, browser, "phone")
    room = page.url
    page.context.set_offline(True)
    page.locator(FIELD).fill("Typed on a train.")
    expect(page.get_by_text("kept in this tab")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("Draft saved")).to_be_visible(timeout=20_000)
    page.context.set_offline(True)
    page.locator(FIELD).fill("Typed on a train, in a tunnel.")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(FIELD)).to_have_count(0)
    page.context.set_offline(False)
    page.goto(room)
    expect(page.locator(FIELD)).to_have_value("Typed on a train, in a tunnel.")
    page.context.close()


def test_a_second_tab_takes_up_what_the_first_one_wrote(alone: RunningService, browser: Browser) -> None:
    """Else its older text would be saved over the newer one; an answered turn is left behind."""
    first = begun(alone, browser, "phone")
    second = first.context.new_page()
    second.goto(first.url)
    first.bring_to_front()
    first.locator(FIELD).fill("Written in the first tab.")
    expect(first.get_by_text("Draft saved")).to_be_visible()
    second.bring_to_front()
    second.evaluate("dispatchEvent(new Event('focus'))")
    expect(second.locator(FIELD)).to_have_value("Written in the first tab.")
    first.get_by_role("button", name="Answer", exact=True).click()
    expect(first.locator(".verdicts li").first).to_be_visible()
    second.evaluate("dispatchEvent(new Event('focus'))")
    expect(second.locator(".verdicts li").first).to_be_visible()
    first.context.close()


def test_a_long_answer_is_taken_whole(alone: RunningService, browser: Browser) -> None:
    """Five thousand words are what somebody may paste: none of them is cut off."""
    page = begun(alone, browser, "phone")
    said = "I rebuilt the counters because the store was overloaded.\n" * 600
    page.locator(FIELD).focus()
    page.keyboard.insert_text(said)
    expect(page.locator(FIELD)).to_have_value(said)
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".verdicts li").first).to_be_visible()
    page.context.close()


def test_notes_of_a_design_outlive_a_question_and_a_box(alone: RunningService, browser: Browser) -> None:
    """Asking, drawing and running are forms beside the notes; none of them costs what was not yet kept."""
    page = begun(alone, browser, "design")
    page.get_by_role("link", name="Facts, board and numbers").click()
    notes = page.locator("textarea[name=requirements]")
    notes.fill("Two hundred million people, three regions.")
    page.get_by_label("A clarifying question").fill("How many users are there?")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("1 question so far")).to_be_visible()
    expect(notes).to_have_value("Two hundred million people, three regions.")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_load_state()
    notes.fill("")
    page.get_by_role("button", name="Keep").click()
    page.wait_for_load_state()
    expect(notes).to_have_value("")
    page.context.close()


def test_code_of_a_lab_outlives_a_reload(alone: RunningService, browser: Browser) -> None:
    """Though it was not run yet."""
    page = begun(alone, browser, "phone")
    page.goto(f"{alone.url}/practice/labs/token-bucket")
    code = page.locator("textarea[name=source]")
    code.fill("class Mine: ...")
    page.reload()
    expect(code).to_have_value("class Mine: ...")
    page.get_by_role("button", name="Practise on seeds").click()
    page.wait_for_url("**?run=*")
    page.get_by_role("link", name="Begin anew").click()
    expect(code).to_have_value(re.compile("To begin with"))
    page.context.close()


STORY = {"title": "The counters", "situation": "Forty million titles.", "own_action": "I rebuilt them."}


def test_a_story_outlives_a_reload_until_it_is_kept(alone: RunningService, browser: Browser) -> None:
    """Typed and ticked; once it is kept, the next new story begins empty, and so it does when that one is deleted."""
    page = browser.new_context().new_page()
    page.goto(f"{alone.url}/practice/stories/new")
    for name, text in STORY.items():
        page.locator(f"[name={name}]").fill(text)
    page.get_by_label("Candor").check()
    page.reload()
    for name, text in STORY.items():
        expect(page.locator(f"[name={name}]")).to_have_value(text)
    expect(page.get_by_label("Candor")).to_be_checked()
    page.context.set_offline(True)
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("[name=title]")).to_have_count(0)
    page.context.set_offline(False)
    page.goto(f"{alone.url}/practice/stories/new")
    expect(page.locator("[name=situation]")).to_have_value(STORY["situation"])
    page.get_by_role("button", name="Keep").click()
    page.wait_for_url(re.compile(r"/practice/stories/[0-9a-z]{26}$"))
    page.get_by_role("button", name="Delete this story").click()
    page.wait_for_url("**/practice/stories")
    page.goto(f"{alone.url}/practice/stories/new")
    expect(page.locator("[name=situation]")).to_have_value("")
    expect(page.get_by_label("Candor")).not_to_be_checked()
    page.context.close()


def test_pay_and_past_work_outlive_a_reload_and_a_refusal(alone: RunningService, browser: Browser) -> None:
    """What was refused is still there on the way back; what is kept does not come back in the next form."""
    page = browser.new_context().new_page()
    pay = f"{alone.url}/practice/pay"
    page.goto(pay)
    page.locator("[name=name]").fill("Startup")
    page.locator("[name=base]").fill("a lot")
    page.reload()
    expect(page.locator("[name=base]")).to_have_value("a lot")
    page.get_by_role("button", name="Keep this offer").click()
    expect(page.get_by_text("is no number")).to_be_visible()
    page.goto(pay)
    expect(page.locator("[name=base]")).to_have_value("a lot")
    page.locator("[name=base]").fill("200000")
    page.get_by_role("button", name="Keep this offer").click()
    page.wait_for_url(re.compile(r"/practice/pay\?second="))
    expect(page.locator("[name=base]")).to_have_value("")
    page.goto(f"{alone.url}/practice/past-work")
    page.locator("[name=text]").fill("I cut the wait from 40 s to 3 s.")
    page.locator("[name=name]").fill("Queue")
    page.reload()
    expect(page.locator("[name=text]")).to_have_value("I cut the wait from 40 s to 3 s.")
    page.get_by_role("button", name="Keep the project").click()
    expect(page.locator("[name=text]").first).to_have_value("I cut the wait from 40 s to 3 s.")
    expect(page.locator("[name=text]").last).to_have_value("")
    page.context.close()


def test_an_interview_being_set_up_outlives_a_reload(alone: RunningService, browser: Browser) -> None:
    """Its questions, too; reloading the page with the links makes no second one."""
    page = browser.new_context().new_page()
    page.goto(f"{alone.url}/practice/interviewer/new")
    page.locator("[name=candidate]").fill("Lin")
    page.locator("[name=interviewers]").fill("Kim")
    page.locator("summary").first.click()
    page.locator("[name^=ask-]").first.check()
    page.reload()
    expect(page.locator("[name=candidate]")).to_have_value("Lin")
    expect(page.locator("[name^=ask-]").first).to_be_checked()
    expect(page.locator("[name^=ask-]").first).to_be_visible()
    page.get_by_role("button", name="Set up, and make the links").click()
    page.wait_for_url(re.compile(r"/practice/interviewer/[0-9a-z]{26}$"))
    links = page.locator("code").all_inner_texts()
    assert len(links) == 2
    page.reload()
    assert page.locator("code").all_inner_texts() == links
    page.goto(f"{alone.url}/practice/interviewer")
    expect(page.get_by_role("link", name="Lin")).to_have_count(1)
    page.goto(f"{alone.url}/practice/interviewer/new")
    expect(page.locator("[name=candidate]")).to_have_value("")
    page.context.close()
