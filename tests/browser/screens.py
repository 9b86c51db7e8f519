"""`make screens`: every page at phone, desktop and TV size, empty and full, as pictures in `screens/`.

`make screens ONLY=practice` takes only pages whose address has that word, `SIZE=phone` only one size. Pictures are
of whole pages. The sizes are taken at the same time, each by a browser of its own, and the empty service is looked at
while the full one still encodes. Ends with 1 where a page is wider than its screen, and says which.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
from playwright.sync_api import Page, sync_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM, sign_in, wait_until_ready
from tests.service import RunningService, expect, set_up

SIZES = {"phone": (390, 844), "desktop": (1440, 900), "tv": (1920, 1080)}
SETTLED = "Promise.all([document.fonts.ready, ...[...document.images].map((image) => image.decode().catch(() => 0))])"
SETTLE_MS = 300
PLAY_MS = 2500
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
    *("/practice/guide/levels", "/practice/stories", "/practice/stories/new", "/practice/past-work"),
    *("/practice/plan", "/practice/cards", "/practice/interviewer", "/practice/interviewer/new", "/practice/data"),
    *("/studio", "/studio/titles", "/studio/upload", "/studio/jobs", "/studio/health", "/studio/people", "/api"),
    *("/studio/quality", "/studio/data", "/studio/cdn", "/studio/limits"),
    "/studio/limits/replay?limit=pages&rule=2/minute&when=hour",
    *("/studio/experiments", "/studio/experiments/new", "/studio/experiments/home-ranker"),
    "/studio/experiments/home-interleaved",
)


class Shot(msgspec.Struct, frozen=True):
    """One address of a service, in one of its states."""

    url: str
    path: str
    state: str
    nth: int = 1
    """Of those whose address differs by an id alone."""

    @property
    def name(self) -> str:
        """What its pictures are called by."""
        words = self.path.partition("?code=")[0].replace("?", "/").replace("=", "-").split("/")
        parts = [word if len(word) < 24 else "one" for word in words if word]
        return f"{self.state}-{'-'.join(parts) or 'home'}{f'-{self.nth}' if self.nth > 1 else ''}"


def main(target: Path, *, only: str, sizes: Sequence[str]) -> int:
    """Write the pictures into `target`; returns how many pages are wider than their screen."""
    target.mkdir(parents=True, exist_ok=True)

    def shoot(shots: list[Shot], *, signed_in: bool = True) -> list[str]:
        wanted: list[Shot] = []
        for shot in (one for one in shots if only in one.path):
            while shot.name in {one.name for one in wanted}:
                shot = msgspec.structs.replace(shot, nth=shot.nth + 1)
            wanted.append(shot)
        with ThreadPoolExecutor(len(sizes)) as each:
            found = [each.submit(_shoot, size, wanted, target, signed_in) for size in sizes]
            return [said for one in found for said in one.result()]

    with tempfile.TemporaryDirectory() as text, ThreadPoolExecutor(1) as beside:
        full = demo(Path(text) / "full")
        filling = beside.submit(full.__enter__)
        with RunningService(Path(text) / "empty") as service:
            code = service.setup_code()
            wide = shoot([Shot(service.url, f"/setup?code={code}", "first")], signed_in=False)
            set_up(service)
            wide += shoot([Shot(service.url, path, "empty") for path in PAGES])
        url, more = filling.result()
        try:
            wide += shoot([Shot(url, path, "full") for path in (*PAGES, *more)])
            wide += shoot([Shot(url, path, "signed-out") for path in SIGNED_OUT], signed_in=False)
        finally:
            full.__exit__(None, None, None)
    print(*wide, f"{len(list(target.glob('*.png')))} pictures in {target}", sep="\n")
    return len(wide)


def _shoot(size: str, shots: Sequence[Shot], target: Path, signed_in: bool) -> list[str]:
    """Take the pictures of one size; returns the pages that are wider than it."""
    width, height = SIZES[size]
    wide: list[str] = []
    if not shots:
        return wide
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        if signed_in:
            sign_in(context, shots[0].url)
        page = context.new_page()
        page.set_default_timeout(60_000)
        for shot in shots:
            _settle(page, shot)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if over > 0:
                wide.append(f"{shot.state} {shot.path} is {over} px wider than a {size}")
            playing = shot.path.startswith("/watch")
            page.screenshot(path=str(target / f"{shot.name}-{size}.png"), full_page=not playing)
        browser.close()
    return wide


def _settle(page: Page, shot: Shot) -> None:
    page.goto(shot.url + shot.path, wait_until="load")
    page.evaluate(SETTLED)
    page.wait_for_timeout(PLAY_MS if shot.path.startswith("/watch") else SETTLE_MS)


@contextmanager
def demo(data: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The demo's films, audience and samples, without its front door; its address, and the pages it alone has."""
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
        _put_samples(service, client)
        wait_until_ready(client, titles=len({film.name for film in FILMS}), service=service, within_s=900)
        _watch_a_little(client)
        yield service.url, _pages_of(client)


def _put_samples(service: RunningService, client: httpx.Client) -> None:
    """The finished loop and the desk that the demo gives to who tries it."""
    from reelwright.app.compose import open_resources
    from reelwright.kernel.settings import Source
    from reelwright.practice.system import PracticeSystem

    resources = open_resources(Source({"data": str(service.data)}, {}, "screens"), process="screens")
    (person,) = (one["id"] for one in expect(client.get("/api/v1/users"), 200))
    asyncio.run(PracticeSystem(resources).put_sample(person))


def _pages_of(client: httpx.Client) -> tuple[str, ...]:
    """Titles, the player, and practice with something answered."""
    titles = expect(client.get("/api/v1/titles"), 200)["titles"]
    series = next(row for row in titles if row["title"]["kind"] == "series")
    film = next(row for row in titles if row["title"]["kind"] == "film")
    return (
        *(f"/title/{row['title']['id']}" for row in (film, series)),
        *(f"/studio/titles/{film['title']['id']}", f"/watch/{film['playables'][0]['id']}"),
        *(_interview(client), _design(client), *_loop(client), *_linked(client), _lab(client)),
    )


def _interview(client: httpx.Client) -> str:
    """A stage with its first question answered."""
    form = {"stage": "phone", "role": "senior", "track": "streaming"}
    interview = expect(client.post("/api/v1/practice/interviews", json=form), 201)
    answer = {"turn": interview["turns"][-1]["number"], "text": ANSWER}
    expect(client.post(f"/api/v1/practice/interviews/{interview['id']}/answers", json=answer), 201)
    return f"/practice/interviews/{interview['id']}"


def _design(client: httpx.Client) -> str:
    """A design round, before anything is drawn."""
    interview = expect(client.post("/api/v1/practice/interviews", json={"stage": "design"}), 201)
    return f"/practice/interviews/{interview['id']}/design"


def _loop(client: httpx.Client) -> Iterator[str]:
    """The sample's finished loop and its committee, and a loop with its first round begun."""
    (finished,) = (one["id"] for one in expect(client.get("/api/v1/practice/loops"), 200))
    begun = expect(client.post("/api/v1/practice/loops", json={}), 201)["id"]
    expect(client.post(f"/api/v1/practice/loops/{begun}/rounds", json={"stage": "recruiter"}), 201)
    for loop in (finished, begun):
        yield from (f"/practice/loops/{loop}", f"/practice/loops/{loop}/committee")


def _linked(client: httpx.Client) -> Iterator[str]:
    """One's first story and offer, an interview that was decided, and what those see who are invited to another."""
    yield f"/practice/stories/{next(iter(expect(client.get('/api/v1/practice/stories'), 200)))}"
    yield f"/practice/pay/offers/{next(iter(expect(client.get('/api/v1/practice/pay/offers'), 200)))}"
    panel = expect(client.get("/api/v1/practice/panels"), 200)[0]
    yield from (f"/practice/interviewer/{panel['id']}", f"/practice/interviewer/{panel['id']}/packet")
    asked = [question["id"] for question in panel["setup"]["questions"]]
    draft = {"candidate": "Mira Solberg", "role": "staff", "question_ids": asked, "interviewers": ["Kim"]}
    tokens = expect(client.post("/api/v1/practice/panels", json=draft), 201)["tokens"]
    yield from (f"/invited/{token}" for token in tokens.values())


def _lab(client: httpx.Client) -> str:
    """A lab whose starter has been run."""
    at = "/api/v1/practice/labs"
    source = next(one["starter"] for one in expect(client.get(at), 200) if one["id"] == "token-bucket")
    run = expect(client.post(f"{at}/token-bucket/runs", json={"source": source}), 202)["id"]
    until = time.monotonic() + 120
    while expect(client.get(f"{at}/token-bucket/runs/{run}"), 200)["result"] is None:
        assert time.monotonic() < until, "the lab's run never ended"
        time.sleep(0.3)
    return f"/practice/labs/token-bucket?run={run}"


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", type=Path, default=Path("screens"))
    parser.add_argument("--only", default="", help="pages whose address has this in it")
    parser.add_argument("--size", choices=SIZES, action="append", help="of a screen; all where none is named")
    asked = parser.parse_args()
    sys.exit(bool(main(asked.target, only=asked.only, sizes=asked.size or list(SIZES))))
