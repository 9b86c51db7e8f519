"""kill -9 of the control plane: edges and their shield serve on, and catch up when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from tests.composed import publish
from tests.service import RunningService, expect

from reelwright.cdn.contract import sign_folder
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import DirectoryObjects
from reelwright.kernel.peers import peer_token

pytestmark = pytest.mark.slow
FAR = 4_000_000_000
HANGS_S = 90


class Stage:
    """A control plane, a shield that has the films, and two edges behind it; the first is nearer."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.shared = {
            "REELWRIGHT_DATABASE": f"sqlite:///{folder}/shared.sqlite",
            "REELWRIGHT_MEDIA": f"file://{folder}/media",
            "REELWRIGHT_KEYS": f"{folder}/keys.json",
        }
        self.web = stack.enter_context(RunningService(folder / "web", "web", environ=self.shared))
        self.package, self.name = publish(DirectoryObjects(folder / "media"))
        self.keys = KeyRing.open(folder / "keys.json")
        common = {
            "REELWRIGHT_KEYS": self.shared["REELWRIGHT_KEYS"],
            "REELWRIGHT_PUBLIC_URL": self.web.url,
            "REELWRIGHT_CDN_CONTROL": self.web.url,
        }

        def edge(name: str, costs: str, **more: str) -> RunningService:
            own = {"REELWRIGHT_CDN_NAME": name, "REELWRIGHT_CDN_COSTS": costs, **common, **more}
            return stack.enter_context(RunningService(folder / name, "edge", environ=own))

        shield = edge("shield", "nowhere=1", REELWRIGHT_MEDIA=self.shared["REELWRIGHT_MEDIA"])
        behind = {"REELWRIGHT_CDN_UPSTREAMS": shield.edge_url}
        self.near, self.far = edge("near", "*=1", **behind), edge("far", "*=3", **behind)
        self.base = self.near.edge_url + sign_folder(self.keys, self.package.folder, expires_s=FAR, viewer=None)
        self.client = stack.enter_context(httpx.Client(timeout=30))

    def get(self, url: str) -> httpx.Response:
        """What lies below the signature at the near edge."""
        answer = self.client.get(urljoin(self.base, url))
        assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:300]}"
        return answer

    def order(self, web: RunningService, method: str, path: str, body: Any, status: int = 200) -> Any:
        """What an operator asks or orders of a control plane."""
        token = {"Authorization": f"Bearer {peer_token(self.keys, SystemClock())}"}
        answer = self.client.request(method, f"{web.url}/api/v1/cdn/{path}", json=body, headers=token)
        return expect(answer, status)

    def edges(self, web: RunningService) -> dict[str, dict[str, Any]]:
        """The edges as a control plane sees them."""
        return {one["name"]: one for one in self.order(web, "GET", "edges", None)}

    def priority(self) -> list[str]:
        """Where the near edge sends viewers."""
        found: list[str] = self.get(f"{self.package.folder}/steering.json").json()["PATHWAY-PRIORITY"]
        return found

    def plays(self, segments: slice) -> None:
        """Manifests and some segments of every track come, and nothing opens without the signature."""
        stem = self.name.removesuffix(".json")
        assert "#EXT-X-CONTENT-STEERING" in self.get(f"{stem}.m3u8").text
        assert "ContentSteering" in self.get(f"{stem}.mpd").text
        for number, track in enumerate(self.package.tracks):
            assert "#EXTINF" in self.get(f"{stem}.{track.id}.m3u8").text
            for segment in track.segments[segments]:
                at = self.package.tracks[number].segments.index(segment)
                assert self.get(segment.name).content == f"{track.id} {at}".encode()
        altered = self.base.replace("/m/", "/m/x") + self.package.tracks[0].segments[0].name
        assert self.client.get(altered).status_code == 403

    def held(self) -> bool:
        """Whether the near edge has what was asked for first on its disk."""
        return (self.folder / "near" / "cache" / self.package.tracks[0].segments[0].name).exists()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something; only a hang ends it."""
    last = time.monotonic() + HANGS_S
    while not holds():
        assert time.monotonic() < last, "it never came to be"
        time.sleep(0.1)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """All are registered, and the edges have been told of each other."""
    with ExitStack() as stack:
        made = Stage(tmp_path, stack)
        until(lambda: set(made.edges(made.web)) == {"shield", "near", "far"})
        until(lambda: made.priority() == ["near", "far"])
        yield made


def test_a_killed_control_plane_is_missed_by_no_viewer_and_its_orders_arrive_when_it_is_back(stage: Stage) -> None:
    """What is held and what comes through the shield; after a kill of the edge, too, by what lies on its disk.

    Orders are given meanwhile to another web process of the same database, which no edge knows: those that reach an
    edge by its address are carried out at once, the others when the edges' own control plane is back.
    """
    stage.plays(slice(0, 1))
    stage.web.kill()
    killed_ms = time.time_ns() // 1_000_000
    stage.plays(slice(0, 2))
    assert stage.priority() == ["near", "far"]
    stage.near.kill()
    with RunningService(stage.folder / "replica", "web", environ=stage.shared) as replica:
        stage.order(replica, "PUT", "edges/far/drain", {"drained": True}, 204)
        tag = stage.package.folder.removeprefix("assets/")
        purged = stage.order(replica, "POST", "purges", {"tag": tag})
        assert purged["later"] == ["near"] and set(purged["purged"]) == {"far"}
    stage.near.start()
    assert stage.held()
    stage.plays(slice(0, 2))
    assert stage.priority() == ["near", "far"], "as it was told before all this"
    stage.web.start()
    until(lambda: stage.edges(stage.web)["near"]["purged"] == purged["seq"])
    assert not stage.held()
    until(lambda: stage.priority() == ["near"])
    until(lambda: all(one["seen_ms"] > killed_ms for one in stage.edges(stage.web).values()))
    states = {name: one["state"] for name, one in stage.edges(stage.web).items()}
    assert states == {"shield": "ok", "near": "ok", "far": "draining"}
    stage.plays(slice(0, 2))
    assert stage.held()
