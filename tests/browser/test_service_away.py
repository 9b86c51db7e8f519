"""The service is killed under a viewer: manifests and steering come from the edges, and the film plays to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, Route
from tests.browser.conftest import Stage, make_film, wait_until_ready
from tests.browser.test_network import no_problem
from tests.browser.test_playing import play_until, until, video
from tests.service import RunningService, expect, near_and_far, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
FILM_S = 90
SUBTITLES = "1\n00:00:52,000 --> 00:00:58,000\nStill here.\n"
ENGINE = "document.querySelector('rw-player').playback.engine"
URLS = "document.querySelector('rw-player').playback.session.urls"


class Away(Stage):
    """A service that can be killed, and two edges that have registered with it; the first is nearer."""

    edges: dict[str, RunningService]

    def drain(self, name: str, *, drained: bool) -> None:
        """Order it, as Studio does."""
        expect(self.client.put(f"/api/v1/cdn/edges/{name}/drain", json={"drained": drained}), 204)

    def priority(self) -> list[str]:
        """Where the near edge would send viewers by itself."""
        body = {"playable_id": self.playable("Long Way")}
        session = expect(self.client.post("/api/v1/playback/sessions", json=body), 201)
        address = session["edge_hls_url"].rpartition("/")[0] + "/steering.json"
        address = self.edges["near"].edge_url + "/m/" + address.partition("/m/")[2]
        found: list[str] = expect(self.client.get(address), 200)["PATHWAY-PRIORITY"]
        return found

    def told(self, priority: list[str]) -> None:
        """Wait until the near edge steers so."""
        last = time.monotonic() + 90
        while self.priority() != priority:
            assert time.monotonic() < last, self.priority()
            time.sleep(0.2)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    """With a film that has subtitles."""
    folder = tmp_path_factory.mktemp("away")
    make_film(folder / "library" / "Long Way (2022).mp4", seconds=FILM_S, picture="testsrc2=s=320x180:r=24")
    (folder / "library" / "Long Way (2022).en.srt").write_text(SUBTITLES)
    environ = {"REELWRIGHT_LIBRARY": str(folder / "library"), "REELWRIGHT_MEDIA_PRESET": "ultrafast"}
    with ExitStack() as stack:
        service = stack.enter_context(RunningService(folder / "data", "web", "worker", environ=environ))
        edges = near_and_far(stack, service)
        client = set_up(service)
        wait_until_ready(client, titles=1, service=service)
        made = Away(service, client)
        made.edges = edges
        made.told(["near", "far"])
        yield made


@pytest.fixture
def page(away: Away, browser: Browser) -> Iterator[Page]:
    """A signed-in page, that has the player's code from an earlier visit."""
    opened = away.open(browser)
    opened.goto(f"{away.url}/watch/{away.playable('Long Way')}?t=0")
    play_until(opened, 1)
    yield opened
    opened.context.close()


def to_the_end(page: Page) -> None:
    """Seek near the end; the film ends, and nothing was said to have failed."""
    video(page, f"(v.currentTime = {FILM_S - 4}, v.play())")
    until(page, "v.ended")
    assert no_problem(page) and not video(page, "v.error")


def test_a_film_goes_on_to_its_end_and_follows_what_the_edges_know(away: Away, page: Page) -> None:
    """The near edge was drained just before the service was killed: the player hears of it from an edge.

    Subtitles are turned on, whose playlist nobody but the edges can give now.
    """
    asked: list[str] = []
    far = away.edges["far"].edge_url
    page.on("request", lambda request: asked.append(request.url))
    video(page, "v.pause()")  # no heartbeat until the service is gone
    away.drain("near", drained=True)
    away.told(["far"])
    away.service.kill()
    video(page, "v.play()")
    try:
        page.wait_for_function(f"() => {URLS}.address('').startsWith('{far}')", timeout=90_000)
        assert any("/steering.json?known=this-player" in url for url in asked)
        asked.clear()
        page.evaluate(f"{ENGINE}.chooseText({ENGINE}.texts()[0].id)")
        video(page, "v.currentTime = 50")
        play_until(page, 52)
        shown = "(one) => [...(one.cues ?? [])].some((cue) => cue.text === 'Still here.')"
        until(page, f"[...v.textTracks].some({shown})")
        to_the_end(page)
        media = [url for url in asked if "/m/" in url and ".json" not in url]
        assert any(url.split("?")[0].endswith(".m3u8") for url in media), media
        assert media and all(url.startswith(far) for url in media), media
    finally:
        away.service.start()
        away.drain("near", drained=False)
        away.told(["near", "far"])


def test_a_film_begins_although_the_service_dies_before_it_gives_the_manifest(away: Away, page: Page) -> None:
    """It has answered that the film may be played, and is killed when the player asks for the playlist."""
    killed: list[str] = []

    def kill(route: Route) -> None:
        if not killed:
            away.service.kill()
        killed.append(route.request.url)
        route.continue_()

    page.goto(f"{away.url}/search")
    page.route("**/api/v1/playback/sessions/*/master.m3u8*", kill)
    try:
        page.goto(f"{away.url}/watch/{away.playable('Long Way')}?t=0", wait_until="commit")
        play_until(page, 2)
        assert killed
        to_the_end(page)
    finally:
        away.service.start()
        away.told(["near", "far"])
