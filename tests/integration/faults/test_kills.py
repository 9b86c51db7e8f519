"""kill −9 of web, edge, worker and database while people watch, edit, upload and add films: nothing is lost.

`REELWRIGHT_TEST_KILLS` says how many; a handful by default.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.browser.conftest import make_film
from tests.engines import PostgresServer
from tests.service import RunningService, expect, set_up

from reelwright.kernel.ids import new_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KILLS = int(os.environ.get("REELWRIGHT_TEST_KILLS", "6"))
FILMS = 3
TUS = {"Tus-Resumable": "1.0.0"}


class Crowd:
    """Some who watch, edit and upload; each remembers what the service has acknowledged."""

    def __init__(self, service: RunningService, client: httpx.Client) -> None:
        self._service = service
        self._headers = dict(client.headers)
        self.stop = threading.Event()
        self.told: set[str] = set()
        self.name = ""
        self.whole = 0
        self.wrong: list[str] = []
        self.uploaded = False

    def run(self, *work: Any) -> list[threading.Thread]:
        """Do all of it at once, until told to stop."""
        threads = [threading.Thread(target=self._repeat, args=(one,), daemon=True) for one in work]
        for thread in threads:
            thread.start()
        return threads

    def _repeat(self, work: Any) -> None:
        with httpx.Client(base_url=self._service.url, headers=self._headers, timeout=5) as client:
            while not self.stop.is_set():
                with contextlib.suppress(httpx.HTTPError, KeyError):
                    work(client)
                time.sleep(0.02)

    def watch(self, title: dict[str, Any]) -> Any:
        """Report positions; an event counts once its answer came: `stored`, or `duplicate` after one was lost."""
        waiting: list[dict[str, Any]] = []

        def report(client: httpx.Client) -> None:
            if not waiting:
                waiting.append(
                    {
                        "id": new_id(),
                        "type": "heartbeat",
                        "at_ms": int(time.time() * 1000),
                        "title_id": title["title"]["id"],
                        "playable_id": title["playables"][0]["id"],
                        "position_s": 1.0,
                    }
                )
            response = client.post("/api/v1/events", json={"events": waiting})
            if response.status_code == 200:
                verdict = response.json()["verdicts"][0]
                assert verdict["status"] in ("stored", "duplicate"), verdict
                self.told.add(waiting.pop()["id"])

        return report

    def edit(self, title_id: str) -> Any:
        """Rename a title again and again."""

        def rename(client: httpx.Client) -> None:
            tag = client.get(f"/api/v1/titles/{title_id}").headers["etag"]
            name = f"Name {new_id()}"
            response = client.patch(f"/api/v1/titles/{title_id}", json={"name": name}, headers={"If-Match": tag})
            if response.status_code == 200:
                self.name = name

        return rename

    def upload(self, film: Path) -> Any:
        """Send a film in small parts, each from where the service says that it stands."""
        content = film.read_bytes()
        address = ""

        def send(client: httpx.Client) -> None:
            nonlocal address
            if self.uploaded:
                return
            if not address:
                name = base64.b64encode(film.name.encode()).decode()
                about = {"Upload-Length": str(len(content)), "Upload-Metadata": f"filename {name}"}
                # The key: an upload whose answer was lost is not begun a second time.
                address = client.post(
                    "/api/v1/uploads",
                    headers={**TUS, **about, "Idempotency-Key": f"upload-{film.name.encode().hex()}"},
                ).headers["location"]
            offset = int(client.head(address, headers=TUS).headers["upload-offset"])
            if offset == len(content):
                self.uploaded = True
                return
            headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            client.patch(address, content=content[offset : offset + max(1, len(content) // 40)], headers=headers)

        return send

    def fetch(self, playable_id: str) -> Any:
        """Fetch segments: each comes whole, or the connection breaks; never something else."""

        def get(client: httpx.Client) -> None:
            session = client.post("/api/v1/playback/sessions", json={"playable_id": playable_id}).json()
            text = client.get(session["hls_url"]).text
            playlist = client.get(next(line for line in text.splitlines() if line.startswith("/api"))).text
            for url in [line for line in playlist.splitlines() if line.startswith("http")][:3]:
                answer = client.get(url)
                if answer.status_code != 200:
                    self.wrong.append(f"{answer.status_code} {url}")
                    continue
                stored = (self._service.data / "media" / url.split("/", 5)[5]).read_bytes()
                self.whole += 1
                if answer.content != stored:
                    self.wrong.append(url)

        return get


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The database that may die as well; None is SQLite, which dies with whoever writes."""
    return request.getfixturevalue("own_postgres") if request.param == "postgresql" else None


def test_nothing_acknowledged_is_lost_whoever_dies_when(tmp_path: Path, database: PostgresServer | None) -> None:
    """Events, edits, uploads and films survive; a segment is served whole or not at all; every process comes back."""
    random_source = random.Random(20_241)
    library = tmp_path / "library"
    make_film(library / "First (2020).mp4", seconds=6, picture="testsrc2=s=320x180:r=24")
    environ = {
        "REELWRIGHT_LIBRARY": str(library),
        "REELWRIGHT_MEDIA_PRESET": "ultrafast",
        "REELWRIGHT_LIMITS_API": "1000000/minute",
        "REELWRIGHT_LIMITS_EVENTS": "1000000/minute",
    }
    victims = ["web", "edge", "worker"]
    if database:
        environ["REELWRIGHT_DATABASE"] = database.url
        victims.append("database")
    uploaded = tmp_path / "Sent (2022).mp4"
    make_film(uploaded, seconds=6, picture="testsrc2=s=320x180:r=24")
    with RunningService(tmp_path / "data", environ=environ) as service:
        client = set_up(service)
        first = _wait_for_titles(client, 1)[0]
        crowd = Crowd(service, client)
        playable_id = first["playables"][0]["id"]
        title_id = first["title"]["id"]
        work = (crowd.watch(first), crowd.edit(title_id), crowd.fetch(playable_id), crowd.upload(uploaded))
        threads = crowd.run(*work)
        for number in range(FILMS):
            make_film(library / f"More {number} (2021).mp4", seconds=8, picture="gradients=s=320x180:r=24")
        for _ in range(KILLS):
            time.sleep(random_source.uniform(0.2, 2.0))
            victim = random_source.choice(victims)
            if victim == "database" and database:
                database.restart()
                continue
            with contextlib.suppress(ProcessLookupError, StopIteration):
                os.kill(service.pid_of(victim), signal.SIGKILL)
        until = time.monotonic() + 90
        while not crowd.uploaded and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(3)
        crowd.stop.set()
        for thread in threads:
            thread.join(20)
        assert crowd.uploaded
        titles = _wait_for_titles(client, 2 + FILMS, within_s=240)
        assert len(titles) == 2 + FILMS, "a film was added twice"
        assert all(playable["state"] == "ready" for row in titles for playable in row["playables"])
        assert not crowd.wrong and crowd.whole > 0
        assert crowd.name and _name_of(client, title_id) == crowd.name
        ledger = _get(client, "/api/v1/events/ledger")
        stored = sum(row["stored"] for row in ledger if row["source"].startswith("web"))  # others tell what they did
        assert stored >= len(crowd.told) > 0, "an acknowledged event was lost"
        assert stored <= len(crowd.told) + 1, "an event was counted twice"


def _name_of(client: httpx.Client, title_id: str) -> str:
    name: str = _get(client, f"/api/v1/titles/{title_id}")["title"]["name"]
    return name


def _get(client: httpx.Client, path: str) -> Any:
    """Ask until the service answers: a process may just be coming back."""
    until = time.monotonic() + 90
    while True:
        try:
            return expect(client.get(path), 200)
        except (httpx.HTTPError, AssertionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.3)


def _wait_for_titles(client: httpx.Client, count: int, *, within_s: float = 90) -> list[dict[str, Any]]:
    until = time.monotonic() + within_s
    while True:
        titles: list[dict[str, Any]] = _get(client, "/api/v1/titles")["titles"]
        states = {playable["state"] for row in titles for playable in row["playables"]}
        if len(titles) >= count and states == {"ready"}:
            return titles
        assert time.monotonic() < until, titles
        time.sleep(0.3)
