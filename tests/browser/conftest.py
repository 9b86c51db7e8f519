"""A real Chromium in front of a real service with a few small films."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from tests.service import PASSWORD, RunningService, expect, set_up

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
)
SUBTITLES = "1\n00:00:00,500 --> 00:00:03,000\nFirst light.\n\n2\n00:00:04,000 --> 00:00:24,000\nThen more of it.\n"
"""To the film's end: on a busy machine it is far into it when a test looks."""


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright itself; it holds the thread's event loop, and must end before tests of another folder begin."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A headless Chromium."""
    if not CHROMIUM:
        pytest.skip("no Chromium here: sudo apt install chromium")
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
    yield running
    running.close()


@pytest.fixture(scope="session")
def dev_packages() -> Path:
    """The front end's development packages: axe, other players, parsers."""
    subprocess.run([sys.executable, str(ROOT / "frontend" / "build.py"), "--dev"], check=True)
    return ROOT / "frontend" / "node_modules"


class Stage:
    """A service with three titles: a film with subtitles, a series of two episodes, a film for adults."""

    def __init__(self, service: RunningService, client: httpx.Client) -> None:
        self.service = service
        self.url = service.url
        self.client = client
        self.titles = {row["title"]["name"]: row for row in expect(client.get("/api/v1/titles"), 200)["titles"]}

    def playable(self, name: str, episode: int = 1) -> str:
        """The id of a film, or of an episode."""
        playables = self.titles[name]["playables"]
        return str(playables[episode - 1]["id"])

    def open(self, browser: Browser, *, width: int = 1440, height: int = 900, **more: Any) -> Page:
        """A page of a browser that is signed in as the administrator, watching as their profile."""
        page = self.context(browser, viewport={"width": width, "height": height}, **more).new_page()
        page.set_default_timeout(60_000)
        return page

    def context(self, browser: Browser, **more: Any) -> BrowserContext:
        """A browser with a session of its own: one that signs out ends nobody else's."""
        context = browser.new_context(**more)
        sign_in(context, self.url)
        return context


def sign_in(context: BrowserContext, url: str) -> None:
    """Sign in as a person does: name, password, who's watching. The cookies are for this host alone, so only a page
    of it can set them."""
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.fill("[name=name]", "Ada")
    page.fill("[name=password]", PASSWORD)
    page.click("form .button.primary")
    page.click(".who-card >> nth=0")
    page.wait_for_url(f"{url}/")
    page.close()


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The service with its films encoded; shared by all browser tests, which therefore change nothing for good."""
    folder = tmp_path_factory.mktemp("stage")
    library = folder / "library"
    make_film(
        library / "Low Sun (2021)" / "Low Sun (2021).mp4", seconds=24, picture="gradients=s=640x360:r=24:speed=0.05"
    )
    (library / "Low Sun (2021)" / "Low Sun (2021).en.srt").write_text(SUBTITLES)
    (library / "Low Sun (2021)" / "Low Sun (2021).json").write_text(
        '{"summary": "A small sun cannot decide to set.", "genres": ["Nature", "Drama"], "maturity": 0,'
        ' "people": [{"name": "Mira Solberg", "role": "director"}]}'
    )
    for episode in (1, 2):
        path = library / "Harbour" / "Season 01" / f"Harbour - S01E0{episode} - Part {episode}.mp4"
        make_film(path, seconds=6, picture="testsrc2=s=320x180:r=24")
    make_film(library / "Night (2019).mp4", seconds=6, picture="mandelbrot=s=320x180:r=24")
    (library / "Night (2019).json").write_text('{"genres": ["Drama"], "maturity": 16}')
    environ = {
        "REELWRIGHT_LIBRARY": str(library),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
        "REELWRIGHT_LIMITS_SIGN_IN": "1000/minute",
    }
    with RunningService(folder / "data", environ=environ) as service:
        client = set_up(service)
        wait_until_ready(client, titles=3, service=service)
        yield Stage(service, client)


def make_film(path: Path, *, seconds: int, picture: str) -> None:
    """A small computed film with sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i"]
    command += ["sine=f=220", "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(path)], check=True, stdin=subprocess.DEVNULL)


def wait_until_ready(client: httpx.Client, *, titles: int, service: RunningService, within_s: float = 120) -> None:
    """Wait until so many titles have all of their films encoded."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        found = expect(client.get("/api/v1/titles"), 200)["titles"]
        states = [playable["state"] for row in found for playable in row["playables"]]
        if len(found) >= titles and set(states) == {"ready"}:
            return
        time.sleep(0.3)
    raise AssertionError(service.output()[-3000:])
