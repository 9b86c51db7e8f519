"""The roles of the service run apart: web, worker, collector and two edges, each a service of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import pytest
from tests.service import RunningService, expect, free_port, set_up

from reelwright.kernel.ids import new_id

pytestmark = pytest.mark.slow


class Fleet:
    """Five services that share a database, a media store and a key ring, and nothing else."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        shared = folder / "shared"
        shared.mkdir()
        self.library = folder / "library"
        self.library.mkdir()
        common = {
            "REELWRIGHT_DATABASE": f"sqlite:///{shared}/reelwright.sqlite",
            "REELWRIGHT_MEDIA": f"file://{shared}/media",
            "REELWRIGHT_KEYS": f"{shared}/keys.json",
        }
        web_port = free_port()
        public = {"REELWRIGHT_PUBLIC_URL": f"http://127.0.0.1:{web_port}"}
        self.edges = [RunningService(folder / f"edge-{n}", "edge", environ={**common, **public}) for n in (1, 2)]
        self.collector = RunningService(folder / "collector", "collector", environ=common)
        self.worker = RunningService(
            folder / "worker", "worker", environ={**common, "REELWRIGHT_LIBRARY": str(self.library)}
        )
        peers = [f"collector={self.collector.url}", *(f"edge={edge.edge_url}" for edge in self.edges)]
        self.web = RunningService(
            folder / "web",
            "web",
            environ={**common, **public, "REELWRIGHT_PORT": str(web_port), "REELWRIGHT_PEERS": ",".join(peers)},
        )
        self.web.url = public["REELWRIGHT_PUBLIC_URL"]
        for service in (self.web, self.collector, self.worker, *self.edges):
            stack.enter_context(service)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The five services, running."""
    with ExitStack() as stack:
        yield Fleet(tmp_path_factory.mktemp("fleet"), stack)


@pytest.fixture(scope="module")
def client(fleet: Fleet) -> httpx.Client:
    """An administrator's client of the web service."""
    return set_up(fleet.web)


@pytest.fixture(scope="module")
def session(fleet: Fleet, client: httpx.Client) -> dict[str, Any]:
    """A playback session of a film that the worker found in its library and encoded."""
    clip = fleet.library.parent / "clip.mp4"
    picture, sound = "testsrc2=s=320x180:r=24:d=4", "sine=d=4"
    arguments = ["-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments, "-shortest", str(clip)], check=True)
    shutil.move(clip, fleet.library / "A Small Film (2020).mp4")
    until = time.monotonic() + 90
    while time.monotonic() < until:
        titles = expect(client.get("/api/v1/titles"), 200)["titles"]
        if titles and titles[0]["playables"][0]["state"] == "ready":
            playable = titles[0]["playables"][0]["id"]
            found: dict[str, Any] = expect(
                client.post("/api/v1/playback/sessions", json={"playable_id": playable}), 201
            )
            return found
        time.sleep(0.2)
    raise AssertionError(fleet.worker.output()[-3000:])


def test_a_film_found_by_one_service_is_played_from_another(
    fleet: Fleet, client: httpx.Client, session: dict[str, Any]
) -> None:
    """The manifest comes from web, its segments from each of the edges."""
    assert [base.split("/m/")[0] for base in session["media_bases"]] == [edge.edge_url for edge in fleet.edges]
    playlist = client.get(session["hls_url"]).text
    track = next(line for line in playlist.splitlines() if line.startswith("/api"))
    segments = [line for line in client.get(track).text.splitlines() if line.startswith("http")]
    assert segments
    bodies = set()
    for base in session["media_bases"]:
        url = base + segments[0].split("/m/")[1].split("/", 1)[1]
        bodies.add(httpx.get(url, headers={"Cookie": client.headers["Cookie"]}).content)
    assert len(bodies) == 1 and len(bodies.pop()) > 1000


def test_events_told_to_web_are_kept_by_the_collector(
    fleet: Fleet, client: httpx.Client, session: dict[str, Any]
) -> None:
    """Progress is remembered although web writes no log; the collector's log holds it."""
    assert not list((fleet.web.data / "events").glob("**/*.wal"))
    assert report(client, session, position_s=2.5)[0]["status"] == "stored"
    assert expect(client.get("/api/v1/history"), 200)[0]["position_s"] == 2.5
    assert list((fleet.collector.data / "events").glob("**/*.wal"))


def test_a_killed_collector_loses_nothing_acknowledged(
    fleet: Fleet, client: httpx.Client, session: dict[str, Any]
) -> None:
    """While it is away the sender is told to come again; then everything goes on."""
    assert report(client, session, position_s=3.0)[0]["status"] == "stored"
    os.kill(fleet.collector.pid_of("collector"), signal.SIGKILL)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        response = client.post("/api/v1/events", json={"events": [heartbeat(session, 3.5)]})
        if response.status_code == 200:
            break
        assert response.status_code == 503 and "again" in response.json()["detail"]
        time.sleep(0.1)
    assert expect(client.get("/api/v1/history"), 200)[0]["position_s"] == 3.5
    stored = sum(row["stored"] for row in expect(client.get("/api/v1/events/ledger"), 200))
    assert stored >= 3


def test_an_edge_that_is_killed_comes_back(fleet: Fleet) -> None:
    """Its supervisor starts it again, on the same port."""
    edge = fleet.edges[0]
    os.kill(edge.pid_of("edge"), signal.SIGKILL)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            if httpx.get(f"{edge.edge_url}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(edge.output()[-2000:])


def heartbeat(session: dict[str, Any], position_s: float) -> dict[str, Any]:
    """What a player reports every few seconds."""
    return {
        "id": new_id(),
        "type": "heartbeat",
        "at_ms": int(time.time() * 1000),
        "title_id": session["title_id"],
        "playable_id": session["playable_id"],
        "position_s": position_s,
        "data": {"duration_s": 4.0},
    }


def report(client: httpx.Client, session: dict[str, Any], *, position_s: float) -> Any:
    """Send one heartbeat; returns the verdicts."""
    return expect(client.post("/api/v1/events", json={"events": [heartbeat(session, position_s)]}), 200)["verdicts"]
