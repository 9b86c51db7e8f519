"""`make screens`: every page at phone, desktop and TV size, empty and full, as pictures in `screens/`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM, sign_in, wait_until_ready
from tests.service import RunningService, expect, set_up

SIZES = {"phone": (390, 844), "desktop": (1440, 900), "tv": (1920, 1080)}
ANSWER = (
    "I owned the ingest service for two years. We lost 2 % of events whenever a node restarted, because a batch was "
    "acknowledged before it was on disk. I moved the acknowledgement behind the sync and grouped the commits, which "
    "cost 4 ms at the 99th percentile; the loss went to zero, and on-call pages fell from nine a month to one."
)
SIGNED_OUT = ("/", "/sign-in", "/offline")
PAGES = (
    *("/", "/search", "/search?q=light", "/my-list", "/profiles", "/profiles/new", "/settings", "/nowhere"),
    *("/practice", "/practice/progress", "/practice/labs", "/practice/labs/token-bucket", "/practice/guide"),
    *("/practice/guide/scenarios", "/practice/guide/readiness?checked=1", "/practice/graders", "/practice/pay"),
    *("/practice/stories", "/practice/stories/new", "/practice/past-work", "/practice/plan", "/practice/cards"),
    *("/practice/interviewer", "/practice/interviewer/new", "/practice/data"),
    *("/studio", "/studio/titles", "/studio/upload", "/studio/jobs", "/studio/health", "/studio/people", "/api"),
    *(
        "/studio/quality",
        "/studio/data",
        "/studio/cdn",
        "/studio/limits",
        "/studio/limits/replay?limit=pages&rule=2/minute&when=hour",
    ),
    *("/studio/experiments", "/studio/experiments/new", "/studio/experiments/home-ranker"),
    "/studio/experiments/home-interleaved",
)


def main(target: Path) -> None:
    """Write all pictures into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as text:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        with RunningService(Path(text) / "empty") as service:
            for name, page in _sizes(browser):
                _shoot(page, service.url, f"/setup?code={service.setup_code()}", target / f"setup-{name}.png")
            set_up(service)
            _all(browser, service.url, target, "empty", PAGES)
        with demo(Path(text) / "full") as (url, client):
            titles = expect(client.get("/api/v1/titles"), 200)["titles"]
            series = next(row for row in titles if row["title"]["kind"] == "series")
            film = next(row for row in titles if row["title"]["kind"] == "film")
            more = [f"/title/{row['title']['id']}" for row in (film, series)]
            more += [f"/studio/titles/{film['title']['id']}", f"/watch/{film['playables'][0]['id']}"]
            more += [_interview(client), _design(client), *_loop(client)]
            _all(browser, url, target, "full", (*PAGES, *more))
            for name, page in _sizes(browser):
                for path in SIGNED_OUT:
                    _shoot(page, url, path, target / f"signed-out{_name(path)}-{name}.png")
        browser.close()
    print(f"{len(list(target.glob('*.png')))} pictures in {target}")


def _interview(client: httpx.Client) -> str:
    """A stage with its first question answered."""
    form = {"stage": "phone", "role": "senior", "track": "streaming"}
    interview = expect(client.post("/api/v1/practice/interviews", json=form), 201)
    answer = {"turn": interview["turns"][-1]["number"], "text": ANSWER}
    client.post(f"/api/v1/practice/interviews/{interview['id']}/answers", json=answer).raise_for_status()
    return f"/practice/interviews/{interview['id']}"


def _design(client: httpx.Client) -> str:
    """A design round, before anything is drawn."""
    interview = expect(client.post("/api/v1/practice/interviews", json={"stage": "design"}), 201)
    return f"/practice/interviews/{interview['id']}/design"


def _loop(client: httpx.Client) -> tuple[str, ...]:
    """A loop with its first round begun, and its committee."""
    loop = expect(client.post("/api/v1/practice/loops", json={}), 201)["id"]
    expect(client.post(f"/api/v1/practice/loops/{loop}/rounds", json={"stage": "recruiter"}), 201)
    return f"/practice/loops/{loop}", f"/practice/loops/{loop}/committee"


@contextmanager
def demo(data: Path) -> Iterator[tuple[str, httpx.Client]]:
    """The demo's films and audience, without its front door."""
    from reelwright.app.demo_films import FILMS, make_film

    library = data.parent / "films"
    for film in FILMS:
        make_film(film, library)
    environ = {
        "REELWRIGHT_LIBRARY": str(library),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
        "REELWRIGHT_LAKE_ENABLED": "true",
        "REELWRIGHT_LAKE_COMPUTE_S": "5",
    }
    with RunningService(data, environ=environ) as service:
        client = set_up(service)
        wait_until_ready(client, titles=len({film.name for film in FILMS}), service=service, within_s=900)
        _watch_a_little(client)
        yield service.url, client


def _watch_a_little(client: httpx.Client) -> None:
    """Two films begun and one finished, so that rows have something to say."""
    from reelwright.kernel.ids import new_id

    rows = expect(client.get("/api/v1/titles"), 200)["titles"]
    for row, position_s in zip(rows, (8.0, 12.0, 29.5), strict=False):
        playable = row["playables"][0]
        event = {
            "title_id": row["title"]["id"],
            "playable_id": playable["id"],
            "at_ms": 1,
            "data": {"duration_s": 30},
        }
        events = [
            {**event, "id": new_id(), "type": "play", "position_s": 0.0},
            {**event, "id": new_id(), "type": "heartbeat", "position_s": position_s},
        ]
        expect(client.post("/api/v1/events", json={"events": events}), 200)


def _all(browser: Browser, url: str, target: Path, state: str, paths: tuple[str, ...]) -> None:
    for name, page in _sizes(browser):
        sign_in(page.context, url)
        for path in paths:
            _shoot(page, url, path, target / f"{state}{_name(path)}-{name}.png")


def _sizes(browser: Browser) -> Iterator[tuple[str, Page]]:
    for name, (width, height) in SIZES.items():
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        yield name, context.new_page()
        context.close()


def _shoot(page: Page, url: str, path: str, target: Path) -> None:
    page.goto(url + path, wait_until="load")
    page.wait_for_timeout(2500 if path.startswith("/watch") else 400)
    page.screenshot(path=str(target))


def _name(path: str) -> str:
    parts = [part if len(part) < 20 else "one" for part in path.replace("?q=", "-").split("/") if part]
    return "-" + ("-".join(parts) or "home")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screens"))
