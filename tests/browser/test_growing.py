"""A film plays while it is being encoded: the encoder is held between two of its runs, and let go on."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage, make_film
from tests.browser.drivers import driven, missing, sign_in
from tests.browser.test_playing import play_until, until, video
from tests.service import RunningService, expect, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FILM_S = 50
"""Of sound, 25 whole segments of 1.984 s and a rest; of picture, six runs of the encoder."""
CHUNK_S = 16
ENGINE = "document.querySelector('rw-player').playback.engine"
PREPARING = "still being prepared"


class Encoder:
    """The worker's encoder; each of its runs over the picture waits until it is let go."""

    def __init__(self, service: RunningService) -> None:
        self._session = service.pid_of("worker")
        self._seen: list[int] = []
        self._let = 0
        self._ended = threading.Event()
        self._changed = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def let(self, runs: int) -> None:
        """Let more runs go: of the first chunk two seconds, the lowest quality, the others; then a chunk each."""
        with self._changed:
            self._let += runs
            for pid in self._seen[: self._let]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Hold it no more."""
        self._ended.set()
        self._thread.join()
        self.let(len(self._seen))

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            with self._changed:
                for pid in set(self.runs("libx264")) - set(self._seen):
                    self._seen.append(pid)
                    if len(self._seen) > self._let:
                        os.kill(pid, signal.SIGSTOP)

    def runs(self, codec: str) -> Iterator[int]:
        """Processes that encode to it now."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                session = int((process / "stat").read_text().rpartition(")")[2].split()[3])
                if session != self._session or "ffmpeg" not in str((process / "exe").readlink()):
                    continue
                if codec.encode() in (process / "cmdline").read_bytes():
                    yield int(process.name)


class Studio:
    """A service whose encoder is held, and films for it."""

    def __init__(self, service: RunningService, source: Path) -> None:
        self.stage = Stage(service, set_up(service))
        self._library = service.data.with_name("library")
        self._source = source
        self._films = 0

    @contextmanager
    def making(self) -> Iterator[tuple[str, Encoder]]:
        """A film of which the first two seconds are made, with all of its sound: its playable, and the encoder."""
        encoder = Encoder(self.stage.service)
        self._films += 1
        name = f"Film {self._films}"
        try:
            encoder.let(1)
            shutil.copy(self._source, self._library / f"{name} (2020).mp4")
            playable = self._wait_for(lambda: self._id_once(name, "watchable"))
            self._wait_for(lambda: "" if any(encoder.runs("aac")) else playable)
            yield playable, encoder
        finally:
            encoder.close()
            self._wait_for(lambda: self._id_once(name, "ready"))

    def _id_once(self, name: str, state: str) -> str:
        titles = expect(self.stage.client.get("/api/v1/titles"), 200)["titles"]
        rows = [row["playables"][0] for row in titles if row["title"]["name"] == name]
        return next((str(row["id"]) for row in rows if row["state"] == state), "")

    def _wait_for(self, found: Callable[[], str]) -> str:
        until_s = time.monotonic() + 120
        while not (answer := found()):
            assert time.monotonic() < until_s, self.stage.service.output()[-2000:]
            time.sleep(0.1)
        return answer


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A service of its own, with an empty library."""
    folder = tmp_path_factory.mktemp("growing")
    source = folder / "source.mp4"
    make_film(source, seconds=FILM_S, picture="testsrc2=s=640x360:r=24")
    (folder / "library").mkdir()
    environ = {"REELWRIGHT_LIBRARY": str(folder / "library"), "REELWRIGHT_MEDIA_PRESET": "ultrafast"}
    with RunningService(folder / "data", environ={**environ, "REELWRIGHT_PLAYBACK_HEARTBEAT_S": "5"}) as service:
        yield Studio(service, source)


@contextmanager
def watching(studio: Studio, browser: Browser, playable: str) -> Iterator[Page]:
    """A page that plays it."""
    page = studio.stage.open(browser)
    try:
        page.goto(f"{studio.stage.url}/watch/{playable}")
        yield page
    finally:
        page.context.close()


def test_a_growing_playlist_is_asked_for_at_the_pace_of_its_segments(studio: Studio, browser: Browser) -> None:
    """Not sooner than half a target duration after the last time (RFC 8216, section 6.3.4), on the mean."""
    with studio.making() as (playable, encoder):
        encoder.let(1)
        with watching(studio, browser, playable) as page:
            play_until(page, 12)
            asked_s = page.evaluate(
                "performance.getEntriesByType('resource').filter(e => e.name.includes('.m3u8'))"
                ".map(e => [e.name.split('/').pop(), e.startTime / 1000])"
            )
    for name in {name for name, _ in asked_s} - {"master.m3u8"}:
        times = [at for other, at in asked_s if other == name]
        assert len(times) < 2 or (times[-1] - times[0]) / (len(times) - 1) >= 1, (name, times)
    assert any("a0" in name for name, _ in asked_s[4:])  # it did ask again


def test_whoever_has_seen_all_that_is_made_is_told_and_goes_on(studio: Studio, browser: Browser) -> None:
    """It begins at the beginning, stands still, says why, counts it as a stall, and goes on with what comes."""
    with studio.making() as (playable, encoder), watching(studio, browser, playable) as page:
        play_until(page, 1)
        assert video(page, "v.currentTime") < 2
        page.locator("rw-player .notice", has_text=PREPARING).wait_for()
        encoder.let(1)
        play_until(page, 4)
        page.locator("rw-player .notice").wait_for(state="detached")
        page.wait_for_function(f"() => {ENGINE}.seekableEnd() > {CHUNK_S} - 0.1")
        assert page.evaluate(f"{ENGINE}.qualities().length") == 1  # the others wait until there is film to see
        assert page.evaluate("document.querySelector('rw-player').playback.qoe.stalls") >= 1


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_other_browsers_tell_and_go_on(name: str, studio: Studio, tmp_path: Path) -> None:
    """Where a browser's own signs of a stall are others."""
    if line := missing(name):
        pytest.skip(f"no {name} here: {line}")
    player = "document.querySelector('rw-player')"
    with studio.making() as (playable, encoder), driven(name, tmp_path) as driver:
        sign_in(driver, studio.stage.url)
        driver.go(f"{studio.stage.url}/watch/{playable}")
        driver.until(f"{player}?.shadowRoot?.querySelector('.notice')?.textContent.includes('{PREPARING}')")
        encoder.let(1)
        driver.until(f"{player}.shadowRoot.querySelector('video').currentTime > 4")
        driver.until(f"!{player}.shadowRoot.querySelector('.notice')")
        assert driver.run(f"return {player}.playback.qoe.stalls") >= 1


def test_all_that_is_made_can_be_reached(studio: Studio, browser: Browser) -> None:
    """However fast it was made."""
    with studio.making() as (playable, encoder), watching(studio, browser, playable) as page:
        play_until(page, 1)
        encoder.let(3)
        page.wait_for_function(f"() => {ENGINE}.seekableEnd() > {2 * CHUNK_S} - 0.1")
        video(page, f"v.currentTime = {2 * CHUNK_S - 3}")
        until(page, f"v.currentTime > {2 * CHUNK_S - 2}")


def test_a_session_begun_while_encoding_plays_to_the_end_in_all_qualities(studio: Studio, browser: Browser) -> None:
    """Those not made yet when it began come by themselves, and neither stop the film nor change its speed."""
    with studio.making() as (playable, encoder), watching(studio, browser, playable) as page:
        play_until(page, 1)
        qualities = f"{ENGINE}.qualities().length"
        assert page.evaluate(qualities) == 1
        page.keyboard.press(">")
        encoder.let(99)
        page.wait_for_function(f"() => {qualities} > 1")
        until(page, "v.playbackRate > 1 && !v.paused")
        page.wait_for_function(f"() => {ENGINE}.seekableEnd() > {FILM_S} - 0.1")
        video(page, f"v.currentTime = {FILM_S - 4}")
        until(page, "v.ended")


def test_a_session_begun_while_encoding_gets_previews_once_they_are_made(studio: Studio, browser: Browser) -> None:
    """With the film still open: a heartbeat brings their names, the pointer over the bar the pictures."""
    with studio.making() as (playable, encoder), watching(studio, browser, playable) as page:
        play_until(page, 1)
        assert page.locator("rw-player track[label=thumbnails]").count() == 0
        encoder.let(99)
        page.wait_for_function("() => document.querySelector('rw-player').playback.session.now.complete")
        page.locator("rw-player .bottom").hover()
        page.locator("rw-player track[label=thumbnails]").wait_for(state="attached")


def test_heartbeats_that_come_together_read_the_playlists_once(studio: Studio, browser: Browser) -> None:
    """And the film goes on."""
    with studio.making() as (playable, encoder), watching(studio, browser, playable) as page:
        play_until(page, 1)
        encoder.let(99)
        page.wait_for_function(f"() => {ENGINE}.known?.complete")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "master.m3u8" in request.url else None)
        page.evaluate(
            f"{ENGINE}.known = {{ tracks: 0, complete: false }};"
            "const { session } = document.querySelector('rw-player').playback;"
            "for (let i = 0; i < 3; i++) session.dispatchEvent(new Event('renewed'));"
        )
        page.wait_for_function(f"() => {ENGINE}.known?.complete")
        assert len(asked) == 1
        play_until(page, video(page, "v.currentTime") + 1)
