"""Players that are not ours follow their steering documents from a drained edge to another, without a stall."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import Stage, make_film, wait_until_ready
from tests.browser.test_other_players import PLAYERS
from tests.service import RunningService, expect, near_and_far, set_up

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
TTL_S = 2


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, dict[str, RunningService]]]:
    """A service with a film, and two edges that have registered with it; the first is nearer."""
    folder = tmp_path_factory.mktemp("steered")
    make_film(folder / "library" / "Long Way (2022).mp4", seconds=120, picture="testsrc2=s=320x180:r=24")
    environ = {
        "REELWRIGHT_LIBRARY": str(folder / "library"),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
        "REELWRIGHT_CDN_STEERING_TTL_S": str(TTL_S),
    }
    with ExitStack() as stack:
        service = stack.enter_context(RunningService(folder / "data", "web", "worker", environ=environ))
        edges = near_and_far(stack, service)
        client = set_up(service)
        wait_until_ready(client, titles=1, service=service)
        yield Stage(service, client), edges


def drain(stage: Stage, name: str, *, drained: bool) -> None:
    """Order it, as Studio does."""
    expect(stage.client.put(f"/api/v1/cdn/edges/{name}/drain", json={"drained": drained}), 204)


@pytest.mark.parametrize("name", sorted(PLAYERS))
def test_a_drain_moves_a_player_within_a_ttl_and_a_segment_and_nothing_stalls(
    steered: tuple[Stage, dict[str, RunningService]], browser: Browser, dev_packages: Path, name: str
) -> None:
    """It plays from the near edge, then from the far one, and the picture never waits."""
    stage, edges = steered
    page: Page = stage.open(browser, bypass_csp=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/m/" in request.url else None)
    page.goto(f"{stage.url}/search")
    source, script = PLAYERS[name]
    found = [dev_packages / source, *sorted(dev_packages.glob(f"{source.split('/')[0]}/dist/**/{Path(source).name}"))]
    page.add_script_tag(content=next(path for path in found if path.exists()).read_text("utf-8"))
    begin = f"""async (playable) => {{
      const csrf = document.querySelector('meta[name=csrf]').content;
      const headers = {{'Content-Type': 'application/json', 'X-CSRF-Token': csrf}};
      const body = JSON.stringify({{playable_id: playable, device: {{}}}});
      const s = await (await fetch('/api/v1/playback/sessions', {{method: 'POST', headers, body}})).json();
      const v = document.createElement('video'); v.muted = v.autoplay = true; v.id = 'other'; document.body.append(v);
      if (window.Hls) Hls.DefaultConfig.maxMaxBufferLength = 20;  // else it holds the whole film before the drain
      {script}
    }}"""
    page.evaluate(begin, stage.playable("Long Way"))
    page.wait_for_function("window.failed || document.querySelector('#other').currentTime > 3", timeout=90_000)
    assert asked and all(url.startswith(edges["near"].edge_url) for url in asked), asked[-1]
    page.evaluate("document.querySelector('#other').addEventListener('waiting', () => { window.waited = true; })")
    drain(stage, "near", drained=True)
    try:
        page.wait_for_timeout(1000 * (TTL_S + 6))
        assert page.evaluate("[window.failed ?? null, window.waited ?? false]") == [None, False]
        asked.clear()
        page.evaluate("document.querySelector('#other').currentTime = 100")
        page.wait_for_function("window.failed || document.querySelector('#other').currentTime > 101", timeout=90_000)
        assert asked and all(url.startswith(edges["far"].edge_url) for url in asked), asked
        assert page.evaluate("window.failed ?? null") is None
    finally:
        drain(stage, "near", drained=False)
        page.context.close()
