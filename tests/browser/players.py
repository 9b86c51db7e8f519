"""Players that are not ours, in a real browser, at two edges of which one is left under them.

`python -m tests.browser.players` prints what `reelwright bench cdn` says of it, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, Request, TimeoutError, sync_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM, ROOT, Stage, make_film, wait_until_ready
from tests.service import RunningService, expect, near_and_far, set_up

TTL_S, SEGMENT_S, BUFFER_S = 2, 2, 10
PLAYERS = {
    "hls.js": (
        "hls.js/dist/hls.min.js",
        "const p = new Hls({...buffer?.hls, xhrSetup: (x) => { x.withCredentials = true; }}); p.on(Hls.Events.ERROR, "
        "(_, d) => d.fatal && (window.failed = d.details)); p.loadSource(s.hls_url); p.attachMedia(v);",
    ),
    "dash.js": (
        "dashjs/dist/modern/umd/dash.all.min.js",
        "const p = dashjs.MediaPlayer().create(); p.on('error', (e) => (window.failed = e.error?.message));"
        " if (buffer) p.updateSettings(buffer.dash);"
        " p.initialize(v, null, true); p.setXHRWithCredentialsForType(null, true);"
        " p.attachSource(location.origin + s.dash_url);",
    ),
    "shaka DASH": (
        "shaka-player/dist/shaka-player.compiled-es2021.js",
        "shaka.polyfill.installAll(); const p = new shaka.Player(); await p.attach(v);"
        " p.configure('streaming.failureCallback', () => p.retryStreaming());"  # by itself it gives a film up
        " if (buffer) p.configure(buffer.shaka);"
        " p.getNetworkingEngine().registerRequestFilter((_, r) => { r.allowCrossSiteCredentials = true; });"
        " p.addEventListener('error', (e) => e.detail.severity === 2 && (window.failed = e.detail.code));"
        " await p.load(location.origin + s.dash_url);",
    ),
}
"""The file of a development package, and what plays the session `s` in the video `v`."""
TEN_SECONDS = {
    "hls": {"maxBufferLength": BUFFER_S, "maxMaxBufferLength": BUFFER_S},
    "dash": {"streaming": {"buffer": {
        "bufferTimeDefault": BUFFER_S, "bufferTimeAtTopQuality": BUFFER_S, "bufferTimeAtTopQualityLongForm": BUFFER_S,
    }}},
    "shaka": {"streaming": {"bufferingGoal": BUFFER_S}},
}  # fmt: skip
"""How each of them is told to hold no more than that."""


WAYS = [(name, how) for name in sorted(PLAYERS) for how in ("drain", "kill")]
"""Players, and how their edge is left."""


class Left(NamedTuple):
    """What became of a player whose edge was left."""

    moved_s: float
    """From then to the first segment of the other edge after which none came from the first."""
    stalled: bool

    @property
    def share(self) -> float:
        """That time over one TTL and one segment."""
        return round(self.moved_s / (TTL_S + SEGMENT_S), 2)


def begin(
    page: Page, dev_packages: Path, name: str, playable: str, *, codecs: list[str], buffer: object = None
) -> None:
    """Let the named player begin a session of its own in the page."""
    source, script = PLAYERS[name]
    found = [dev_packages / source, *sorted(dev_packages.glob(f"{source.split('/')[0]}/dist/**/{Path(source).name}"))]
    page.add_script_tag(content=next(path for path in found if path.exists()).read_text("utf-8"))
    page.evaluate(  # who plays by `play()` before dash.js is ready never has it ask for a steering document
        f"""async ([playable, codecs, buffer]) => {{
      const csrf = document.querySelector('meta[name=csrf]').content;
      const body = JSON.stringify({{playable_id: playable, device: {{codecs}}}});
      const headers = {{'Content-Type': 'application/json', 'X-CSRF-Token': csrf}};
      const s = await (await fetch('/api/v1/playback/sessions', {{method: 'POST', headers, body}})).json();
      const v = document.createElement('video'); v.muted = v.autoplay = true; v.id = 'other'; document.body.append(v);
      {script}
    }}""",
        [playable, codecs, buffer],
    )


def play_to(page: Page, seconds: float) -> None:
    """Wait until the other player has come so far, or has failed."""
    page.wait_for_function(
        "to => window.failed || document.querySelector('#other').currentTime > to", arg=seconds, timeout=90_000
    )


def played(page: Page, seconds: float, *, within_s: float = 60) -> bool:
    """Whether the other player comes so far, whatever errors it tells."""
    try:
        page.wait_for_function(
            "to => document.querySelector('#other').currentTime > to", arg=seconds, timeout=1000 * within_s
        )
    except TimeoutError:
        return False
    return True


class Theatre:
    """A service with a film, and two edges that have registered with it; the first is nearer."""

    def __init__(self, stage: Stage, edges: dict[str, RunningService]) -> None:
        self.stage = stage
        self.edges = edges

    def drain(self) -> None:
        """Order the near edge to be left, as Studio does."""
        expect(self.stage.client.put("/api/v1/cdn/edges/near/drain", json={"drained": True}), 204)

    def kill(self) -> None:
        """kill -9 of the near edge."""
        self.edges["near"].kill()

    def restore(self, *, within_s: float = 90) -> None:
        """Have the near edge back, as the first for everybody."""
        near = self.edges["near"]
        if not near.is_running:
            near.start()
        expect(self.stage.client.put("/api/v1/cdn/edges/near/drain", json={"drained": False}), 204)
        until = time.monotonic() + within_s
        while not self._begun().startswith(near.edge_url):
            assert time.monotonic() < until, near.output()[-2000:]
            time.sleep(0.3)

    def _begun(self) -> str:
        body = {"playable_id": self.stage.playable("Long Way")}
        return str(expect(self.stage.client.post("/api/v1/playback/sessions", json=body), 201)["media_bases"][0])

    def leave(self, browser: Browser, dev_packages: Path, name: str, how: Callable[[], None]) -> Left:
        """Play from the near edge with ten seconds ahead, let that be left, and play all that was ahead and more."""
        page = self.stage.open(browser, bypass_csp=True)
        came: list[tuple[float, str]] = []

        def note(request: Request) -> None:
            if "/m/" in request.url:
                came.append((time.monotonic(), request.url))

        page.on("requestfinished", note)
        page.goto(f"{self.stage.url}/search")
        try:
            begin(page, dev_packages, name, self.stage.playable("Long Way"), codecs=[], buffer=TEN_SECONDS)
            play_to(page, BUFFER_S)
            assert came and all(url.startswith(self.edges["near"].edge_url) for _, url in came), came[-1]
            page.evaluate(
                "document.querySelector('#other').addEventListener('waiting', () => (window.waited = true))"
            )
            at_s = page.evaluate("document.querySelector('#other').currentTime")
            began = time.monotonic()
            how()
            goes_on = played(page, at_s + BUFFER_S + TTL_S + 2 * SEGMENT_S)
            waited = page.evaluate("window.waited ?? false")
        finally:
            page.context.close()
        return Left(self._moved_s(came, began), waited or not goes_on)

    def _moved_s(self, came: list[tuple[float, str]], began: float) -> float:
        """Infinite where the last segment still came from the near edge."""
        moved = float("inf")
        for at, url in reversed(came):
            if url.startswith(self.edges["near"].edge_url):
                break
            moved = at - began
        return max(0.0, moved)


@contextmanager
def theatre(folder: Path) -> Iterator[Theatre]:
    """Make one."""
    make_film(folder / "library" / "Long Way (2022).mp4", seconds=120, picture="testsrc2=s=320x180:r=24")
    environ = {
        "REELWRIGHT_LIBRARY": str(folder / "library"),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
        "REELWRIGHT_CDN_STEERING_TTL_S": str(TTL_S),
    }
    with ExitStack() as stack:
        service = stack.enter_context(RunningService(folder / "data", "web", "worker", environ=environ))
        # shaka-player avoids a host that failed, whatever its port: edges of one host die together for it
        edges = near_and_far(stack, service, near_host="localhost")
        client = set_up(service)
        wait_until_ready(client, titles=1, service=service)
        yield Theatre(Stage(service, client), edges)


def measure() -> dict[str, Left]:
    """Each player, with its edge drained and with it killed."""
    subprocess.run([sys.executable, str(ROOT / "frontend" / "build.py"), "--dev"], check=True, stdout=sys.stderr)
    found = {}
    with tempfile.TemporaryDirectory() as text, theatre(Path(text)) as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for name, how in WAYS:
            running.restore()
            packages = ROOT / "frontend" / "node_modules"
            found[f"{name}, {how}"] = running.leave(browser, packages, name, getattr(running, how))
        browser.close()
    return found


if __name__ == "__main__":
    found = measure().items()
    json.dump({name: {"share": left.share, "stalled": left.stalled} for name, left in found}, sys.stdout)
