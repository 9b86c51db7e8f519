"""The player can be used by everybody: by keys, by remote, by ear, on devices that know no media sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect
from tests.browser.conftest import Stage, sign_in
from tests.browser.test_accessible import violations
from tests.browser.test_playing import play_until, until, video

pytestmark = pytest.mark.browser
NO_MEDIA_SOURCE = "delete window.MediaSource; delete window.ManagedMediaSource; delete window.WebKitMediaSource;"

# Playwright's own evaluations count as gestures, so that the browser's flag is of no use here.
NO_NOISE = """
  const play = HTMLMediaElement.prototype.play;
  let touched = false;
  addEventListener('pointerdown', () => { touched = true; }, true);
  HTMLMediaElement.prototype.play = function () {
    const silent = this.muted || touched;
    return silent ? play.call(this) : Promise.reject(new DOMException('a gesture is needed', 'NotAllowedError'));
  };
"""


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A signed-in page of its own."""
    opened = stage.open(browser)
    yield opened
    opened.context.close()


def watch(page: Page, stage: Stage, name: str = "Low Sun", *, at: float = 0, episode: int = 1) -> None:
    """Play from a moment on."""
    page.goto(f"{stage.url}/watch/{stage.playable(name, episode)}?t={at}")
    play_until(page, at + 0.5)
    page.wait_for_function("() => !!customElements.get('media-play-button')")


def part(page: Page, name: str) -> Locator:
    """A control or a menu item, by its role's name."""
    return page.get_by_role("button", name=name).or_(page.get_by_role("radio", name=name))


def focused(page: Page) -> str:
    """What has the focus, through all shadow roots: its name for screen readers, else its tag."""
    script = """() => {
      let at = document.activeElement;
      while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
      return at.getAttribute('aria-label') || at.textContent.trim() || at.localName;
    }"""
    return str(page.evaluate(script))


def test_every_key_of_the_help_does_what_it_says(stage: Stage, page: Page) -> None:
    """Play, seek, sound, speed, subtitles, jumps, panels; and Esc closes what is open."""
    watch(page, stage)
    press = page.keyboard.press
    for key in (" ", "k"):
        press(key)
        assert video(page, "v.paused"), key
        press(key)
        page.wait_for_timeout(100)
        assert not video(page, "v.paused"), key
    press("k")
    press("5")
    assert video(page, "v.currentTime") == pytest.approx(12, abs=0.3)
    for key, there in (("ArrowRight", 22), ("ArrowLeft", 12), ("l", 22), ("j", 12), ("0", 0)):
        press(key)
        assert video(page, "v.currentTime") == pytest.approx(there, abs=0.3), key
    press(".")
    assert 0 < video(page, "v.currentTime") < 0.1
    press("m")
    assert video(page, "v.muted")
    press("-")
    press("-")
    assert video(page, "v.volume") == pytest.approx(0.9)
    press("+")
    assert video(page, "v.volume") == pytest.approx(0.95) and not video(page, "v.muted")
    for key, rate in ((">", 1.25), (">", 1.5), ("<", 1.25), ("<", 1)):
        video(page, "v.playbackRate = 0")  # as shaka does while it waits for data
        press(key)
        until(page, f"v.playbackRate === {rate}")
    press("c")
    assert video(page, "[...v.textTracks].filter((t) => t.mode === 'showing').length") == 1
    press("c")
    assert video(page, "[...v.textTracks].filter((t) => t.mode === 'showing').length") == 0
    press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press("Shift+D")
    expect(page.get_by_role("region", name="Why this quality")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("region", name="Why this quality")).to_have_count(0)
    press("f")
    page.wait_for_function("document.fullscreenElement?.localName === 'rw-player'")
    press("f")
    page.wait_for_function("!document.fullscreenElement")


def test_a_remote_control_plays_and_leaves(stage: Stage, page: Page) -> None:
    """Keys that remotes send: play and pause, forward, and back to where one came from."""
    watch(page, stage)
    fire(page, "MediaPlayPause")
    assert video(page, "v.paused")
    fire(page, "MediaFastForward")
    assert video(page, "v.currentTime") > 9
    fire(page, "GoBack")
    page.wait_for_url("**/title/*")


def fire(page: Page, key: str) -> None:
    """A key that Playwright's keyboard does not have."""
    page.evaluate(
        "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, composed: true}))",
        key,
    )


def test_arrow_keys_alone_reach_every_control_and_every_choice(stage: Stage, page: Page) -> None:
    """Down leads into the controls, left and right along them, Enter opens, Esc comes back."""
    watch(page, stage)
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    seen = {focused(page)}
    for key in ["ArrowLeft"] * 2 + ["ArrowRight"] * 12 + ["ArrowUp"] + ["ArrowUp"] + ["ArrowDown"] * 3:
        if focused(page) == "volume" and key == "ArrowRight":
            key = "ArrowUp"  # on a slider, left and right slide
        page.keyboard.press(key)
        seen.add(focused(page))
    assert {"seek", "Back to Low Sun"} <= seen, seen
    for name in ("Audio and subtitles", "Quality and speed"):
        opener = part(page, name)
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name=name)
        expect(dialog).to_be_visible()
        wanted = {
            text.strip()
            for text in dialog.locator("button").evaluate_all(
                "all => all.map((b) => b.ariaLabel ?? b.textContent.trim())"
            )
        }
        reached = {focused(page)}
        for key in ["ArrowUp"] * 12 + (["ArrowDown"] + ["ArrowRight"] * 5 + ["ArrowLeft"] * 5) * 12:
            page.keyboard.press(key)
            reached.add(focused(page))
        assert wanted <= reached
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        assert focused(page) == name


def test_controls_leave_after_two_seconds_and_come_back_with_a_key(stage: Stage, page: Page) -> None:
    """The picture is alone while nobody does anything."""
    watch(page, stage)
    page.mouse.move(300, 300)
    controller = page.locator("rw-player media-controller")
    expect(controller).not_to_have_attribute("userinactive", "")
    page.wait_for_timeout(2600)
    expect(controller).to_have_attribute("userinactive", "")
    page.keyboard.press("ArrowDown")
    expect(controller).not_to_have_attribute("userinactive", "")


def test_axe_finds_nothing_serious_in_the_player(stage: Stage, page: Page, dev_packages: Path) -> None:
    """With its controls, with a menu, and with the panel that says why."""
    watch(page, stage)
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(400)
    assert violations(page, dev_packages) == []
    part(page, "Audio and subtitles").click()
    page.wait_for_timeout(300)
    assert violations(page, dev_packages) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+D")
    page.wait_for_timeout(300)
    assert violations(page, dev_packages) == []


def test_screen_readers_are_told_what_happens(stage: Stage, page: Page) -> None:
    """A seek, the sound and a choice are said in words, once."""
    watch(page, stage)
    said = page.locator("rw-player .live")
    page.keyboard.press("l")
    expect(said).to_contain_text("Forward 10 seconds, at 0:1")
    page.keyboard.press("m")
    expect(said).to_have_text("Sound off")
    page.keyboard.press("c")
    expect(said).to_contain_text("Subtitles: English")


def test_the_look_of_subtitles_is_chosen_and_kept(stage: Stage, page: Page) -> None:
    """Size and colour apply at once, and the next time; another profile keeps its own."""
    watch(page, stage)
    page.keyboard.press("c")
    part(page, "Audio and subtitles").click()
    page.get_by_role("radiogroup", name="Subtitle colour").get_by_role("radio", name="Yellow").click()
    page.get_by_role("radiogroup", name="Subtitle size").get_by_role("radio", name="Largest").click()
    assert "#ffe14d" in cue_style(page) and "* 2)" in cue_style(page)
    watch(page, stage)
    assert "#ffe14d" in cue_style(page)
    assert video(page, "[...v.textTracks].filter((t) => t.mode === 'showing').map((t) => t.language)") == ["en"]
    profile = page.locator("meta[name=profile]").get_attribute("content")
    keys = page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('rw.subtitles'))")
    assert keys == [f"rw.subtitles.{profile}"]


def cue_style(page: Page) -> str:
    """The style sheet of the cues."""
    return str(page.evaluate("document.querySelector('rw-player').shadowRoot.querySelector('style').textContent"))


def test_quality_is_chosen_by_hand_and_given_back(stage: Stage, page: Page) -> None:
    """A height that is chosen plays; "automatic" says what it plays; the panel knows which of the two it was."""
    watch(page, stage)
    page.keyboard.press("Shift+D")
    why = page.locator("rw-player rw-why")
    expect(why).to_contain_text(" ahead")
    assert "chosen by hand" not in why.inner_text()
    part(page, "Quality and speed").click()
    items = page.get_by_role("radiogroup", name="Quality").get_by_role("radio")
    assert items.count() >= 3, "automatic and at least two heights"
    items.last.click()
    lowest = int(items.last.inner_text().split("p")[0])
    page.wait_for_function(
        "(height) => document.querySelector('rw-player').shadowRoot.querySelector('video').videoHeight === height",
        arg=lowest,
    )
    expect(why).to_contain_text("chosen by hand")
    items.first.click()
    expect(items.first).to_have_attribute("aria-checked", "true")


def test_pictures_appear_above_the_time_bar(stage: Stage, page: Page) -> None:
    """Where the pointer is, a picture of that moment."""
    watch(page, stage)
    bar = page.locator("rw-player media-time-range").bounding_box()
    assert bar is not None
    for step in range(40):
        page.mouse.move(bar["x"] + bar["width"] / 2 + step % 7 * 20, bar["y"] + bar["height"] / 2)
        page.wait_for_timeout(100)
        if page.locator("rw-player media-time-range").get_attribute("mediapreviewimage"):
            break
    image = page.locator("rw-player media-time-range").get_attribute("mediapreviewimage")
    assert image is not None and image.startswith("blob:") and "#xywh=" in image
    picture = page.locator("rw-player media-time-range media-preview-thumbnail img")
    assert picture.evaluate("one => one.naturalWidth") > 0


def test_the_next_episode_follows_after_a_countdown(stage: Stage, page: Page) -> None:
    """Its name is shown with the seconds left; then it plays in the same player, at its own address."""
    watch(page, stage, "Harbour")
    video(page, "(v.pause(), v.currentTime = 5.6)")
    expect(page.get_by_role("group", name="Next episode")).to_contain_text("Part 2")
    page.keyboard.press("k")
    page.wait_for_url(f"**/watch/{stage.playable('Harbour', 2)}", timeout=60_000)
    play_until(page, 0.5)


def test_the_countdown_can_be_stopped(stage: Stage, page: Page) -> None:
    """Whoever wants to see the credits sees them, and stays."""
    watch(page, stage, "Harbour")
    video(page, "(v.pause(), v.currentTime = 5.6)")
    part(page, "Not now").click()
    page.keyboard.press("k")
    page.wait_for_timeout(1500)
    assert stage.playable("Harbour") in page.url and video(page, "v.ended")


def test_where_sound_needs_a_gesture_it_begins_muted_and_says_so(stage: Stage, browser: Browser) -> None:
    """The browsers' rule against noise: the film begins muted, and a button turns the sound on."""
    page = stage.open(browser)
    page.context.add_init_script(NO_NOISE)
    watch(page, stage)
    assert video(page, "v.muted")
    part(page, "Turn the sound on").click()
    assert not video(page, "v.muted") and not video(page, "v.paused")
    page.context.close()


def test_without_media_sources_the_browser_plays_the_hls_itself(stage: Stage, browser: Browser) -> None:
    """The video element gets the playlist's address, and the service is told that nothing else is possible."""
    opened = stage.open(browser)
    opened.context.add_init_script(NO_MEDIA_SOURCE)
    asked: list[Any] = []

    def note(request: Request) -> None:
        if request.url.endswith("/playback/sessions"):
            asked.append(request.post_data_json)

    opened.on("request", note)
    opened.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}?t=0")
    opened.wait_for_function("() => document.querySelector('rw-player').playback?.engine.kind === 'native'")
    assert asked[0]["device"] == {**asked[0]["device"], "mse": False, "codecs": []}
    assert video(opened, "v.src").endswith("/master.m3u8")
    if video(opened, "v.canPlayType('application/vnd.apple.mpegurl')"):
        play_until(opened, 3)
    opened.context.close()


def test_an_ended_sign_in_keeps_the_place_and_goes_on_after_signing_in_again(stage: Stage, browser: Browser) -> None:
    """Signed out elsewhere: the message says so, links back to this moment, and leaves when signed in again."""
    page = browser.new_context().new_page()
    sign_in(page.context, stage.url)
    watch(page, stage, at=5)
    sign_out(page.context, stage)
    page.evaluate("void document.querySelector('rw-player').playback.session.renew(new AbortController().signal)")
    message = page.get_by_role("alert")
    expect(message).to_contain_text("Sign in again")
    link = message.get_by_role("link").get_attribute("href")
    assert link is not None and "%3Ft%3D" in link and stage.playable("Low Sun") in link
    sign_in(page.context, stage.url)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(message).to_have_count(0)
    page.context.close()


def sign_out(context: BrowserContext, stage: Stage) -> None:
    """In another tab."""
    other = context.new_page()
    other.goto(f"{stage.url}/search")
    other.click("summary")
    other.click("text=Sign out")
    other.wait_for_load_state()
    other.close()


def test_what_cannot_be_played_is_said_in_words(stage: Stage, page: Page) -> None:
    """A refusal of the service is shown as the service said it, with a way on."""
    page.route(
        "**/playback/sessions",
        lambda route: route.fulfill(
            status=409,
            content_type="application/problem+json",
            body='{"type": "about:blank", "detail": "Low Sun is still being prepared; try again in a moment"}',
        ),
    )
    page.goto(f"{stage.url}/watch/{stage.playable('Low Sun')}")
    expect(page.get_by_role("alert")).to_contain_text("still being prepared; try again in a moment")
    page.unroute("**/playback/sessions")
    part(page, "Try again").click()
    play_until(page, 0.5)


def test_a_film_that_the_profile_may_no_longer_watch_stands_still(stage: Stage, page: Page) -> None:
    """Somebody chose the children's profile in another tab: words over a film that went on would keep nothing."""
    watch(page, stage)
    gone = '{"type": "about:blank", "detail": "no such title"}'
    page.route(
        "**/playback/sessions**",
        lambda route: route.fulfill(status=404, content_type="application/problem+json", body=gone),
    )
    expect(page.get_by_role("alert")).to_contain_text("this profile may no longer watch it", timeout=60_000)
    assert video(page, "v.paused")
