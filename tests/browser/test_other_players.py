"""The same segments play in players that are not ours, from HLS and from DASH."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage, make_film, wait_until_ready
from tests.browser.players import PLAYERS, begin, play_to
from tests.service import RunningService, expect, set_up

pytestmark = pytest.mark.browser


@pytest.fixture
def page(stage: Stage, browser: Browser) -> Iterator[Page]:
    """A page into which another player may be put."""
    opened = stage.open(browser, bypass_csp=True)
    opened.goto(f"{stage.url}/search")
    yield opened
    opened.context.close()


@pytest.fixture(scope="module")
def modern(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service that also encodes AV1 with Opus, with one short film."""
    folder = tmp_path_factory.mktemp("modern")
    make_film(folder / "library" / "Low Sun (2021).mp4", seconds=6, picture="testsrc2=s=320x180:r=24")
    environ = {
        "REELWRIGHT_LIBRARY": str(folder / "library"),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
        "REELWRIGHT_MEDIA_CODECS": "h264,av1",
    }
    with RunningService(folder / "data", environ=environ) as service:
        client = set_up(service)
        wait_until_ready(client, titles=1, service=service)
        yield Stage(service, client)


@pytest.mark.parametrize("name", sorted(PLAYERS))
def test_av1_with_opus_plays_for_a_device_that_asks_for_it(
    modern: Stage, browser: Browser, dev_packages: Path, name: str
) -> None:
    """Its manifests name nothing else."""
    page = modern.open(browser, bypass_csp=True)
    page.goto(f"{modern.url}/search")
    device = {"codecs": ["av01", "opus"]}
    body = {"playable_id": modern.playable("Low Sun"), "device": device}
    session = expect(modern.client.post("/api/v1/playback/sessions", json=body), 201)
    text = modern.client.get(session["hls_url"]).text
    assert "av01" in text and "opus" in text and "avc1" not in text and "mp4a" not in text
    play(page, dev_packages, name, modern.playable("Low Sun"), device["codecs"])
    page.context.close()


@pytest.mark.parametrize("name", sorted(PLAYERS))
def test_a_film_plays_past_three_seconds(stage: Stage, page: Page, dev_packages: Path, name: str) -> None:
    """No error, and the picture moves."""
    play(page, dev_packages, name, stage.playable("Low Sun"), [])


def play(page: Page, dev_packages: Path, name: str, playable: str, codecs: list[str]) -> None:
    """Play with the named player until the picture has moved past three seconds."""
    begin(page, dev_packages, name, playable, codecs=codecs)
    play_to(page, 3)
    assert page.evaluate("window.failed ?? null") is None


def test_hls_and_dash_name_the_same_segments(stage: Stage) -> None:
    """One set of bytes for both; nothing is stored twice."""
    session = expect(
        stage.client.post("/api/v1/playback/sessions", json={"playable_id": stage.playable("Low Sun")}), 201
    )
    manifest = stage.client.get(session["dash_url"]).text
    named = re.findall(r'(?:media|sourceURL)="([^"]+)"', manifest)
    dash = {name.rsplit("/", 1)[-1] for name in named if not name.endswith(".jpg")}
    hls: set[str] = set()
    for line in stage.client.get(session["hls_url"]).text.splitlines():
        playlist = line if line.startswith("/api") else next(iter(re.findall(r'[,:]URI="(/api[^"]+)"', line)), "")
        if playlist:
            text = stage.client.get(playlist).text
            hls |= {
                part.rsplit("/", 1)[-1].rstrip('"') for part in re.findall(r"http\S+", text) if ".vtt" not in part
            }
    assert dash == hls and len(dash) > 10
