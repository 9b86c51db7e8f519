"""Manifests and steering from the edge process itself, while the control plane is away."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from tests.composed import publish
from tests.service import RunningService

from reelwright.cdn.contract import sign_folder
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import DirectoryObjects

pytestmark = pytest.mark.slow
FAR = 4_000_000_000
HANGS_S = 90
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"}
DASH = "{urn:mpeg:dash:schema:mpd:2011}"


class Stage:
    """A web process and two edges with the same media; the first is nearer."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.web = stack.enter_context(RunningService(folder / "web", "web"))
        self.package, self.name = publish(DirectoryObjects(folder / "web" / "media"))
        self.edges: dict[str, RunningService] = {}
        for name, cost in (("near", 1), ("far", 3)):
            own = {
                "REELWRIGHT_MEDIA": f"file://{folder}/web/media",
                "REELWRIGHT_KEYS": f"{folder}/web/keys.json",
                "REELWRIGHT_PUBLIC_URL": self.web.url,
                "REELWRIGHT_CDN_CONTROL": self.web.url,
                "REELWRIGHT_CDN_NAME": name,
                "REELWRIGHT_CDN_COSTS": f"*={cost}",
                "REELWRIGHT_CDN_STEERING_TTL_S": "7",
            }
            self.edges[name] = stack.enter_context(RunningService(folder / name, "edge", environ=own))
        keys = KeyRing.open(folder / "web" / "keys.json")
        token = sign_folder(keys, self.package.folder, expires_s=FAR, viewer=None)
        self.base = f"{self.edges['near'].edge_url}{token}"
        self.stem = f"{self.base}{self.name.removesuffix('.json')}"
        self.client = stack.enter_context(httpx.Client(timeout=30))

    def get(self, url: str, **headers: str) -> httpx.Response:
        """It is there."""
        answer = self.client.get(url, headers=headers)
        assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:300]}"
        return answer

    def steering(self, query: str = "") -> dict[str, Any]:
        """The near edge's document."""
        url = f"{self.base}{self.package.folder}/steering.json{query}"
        return dict(self.get(url).json())


def until(holds: Callable[[], bool]) -> None:
    """Wait for something; only a hang ends it."""
    last = time.monotonic() + HANGS_S
    while not holds():
        assert time.monotonic() < last, "it never came to be"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The edges were told of each other, then the control plane went away, and the near edge was started again."""
    with ExitStack() as stack:
        made = Stage(tmp_path_factory.mktemp("alone"), stack)
        until(lambda: made.steering()["PATHWAY-PRIORITY"] == ["near", "far"])
        made.web.stop()
        made.edges["near"].stop()
        made.edges["near"].start()
        yield made


def test_hls_comes_from_the_edge_down_to_the_last_byte(stage: Stage) -> None:
    """A phone gets what it plays; playlists, initialisation and segments open by the same signature."""
    master = f"{stage.stem}.m3u8"
    text = stage.get(master, **PHONE).text
    variants = re.findall(r'CODECS="([^"]+)".*PATHWAY-ID="near".*\n(\S+)', text)
    assert variants and all("av01" not in codecs for codecs, _ in variants)
    playlists = [*(uri for _, uri in variants), *re.findall(r'URI="([^"]+\.m3u8)"', text)]
    assert len(playlists) == len(set(playlists)) >= 4
    for uri in playlists:
        url = urljoin(master, uri)
        playlist = stage.get(url).text
        found = [*re.findall(r'URI="([^"]+)"', playlist), *re.findall(r"^[^#\s].*$", playlist, re.MULTILINE)]
        assert found
        for one in found:
            assert stage.get(urljoin(url, one)).content


def test_dash_comes_from_the_edge_down_to_the_last_byte(stage: Stage) -> None:
    """With its own base and steering server."""
    root = ElementTree.fromstring(stage.get(f"{stage.stem}.mpd", **PHONE).content)
    (base,), (steering,) = root.findall(f"{DASH}BaseURL"), root.findall(f"{DASH}ContentSteering")
    assert (base.text, base.get("serviceLocation")) == (stage.base, "near")
    codecs = {one.get("codecs", "") for one in root.iter(f"{DASH}Representation")}
    assert any(one.startswith("avc1") for one in codecs) and not any(one.startswith("av01") for one in codecs)
    names = [one.get("media") for one in root.iter(f"{DASH}SegmentURL")]
    assert names
    for name in names:
        assert stage.get(urljoin(stage.base, str(name))).content
    assert stage.get(str(steering.text)).json()["PATHWAY-PRIORITY"] == ["near", "far"]


def test_the_edge_steers_by_what_it_was_last_told(stage: Stage) -> None:
    """The other edge is a clone of the manifest's pathway, and serves under the same signature."""
    server = re.search(r'SERVER-URI="([^"]+)"', stage.get(f"{stage.stem}.m3u8").text)
    assert server
    document = stage.get(f"{server[1]}&_HLS_pathway=%22near%22&_HLS_throughput=5000000").json()
    far = urlsplit(stage.edges["far"].edge_url).netloc
    assert (document["VERSION"], document["TTL"], document["PATHWAY-PRIORITY"]) == (1, 30, ["near", "far"])
    assert document["PATHWAY-CLONES"] == [{"BASE-ID": "near", "ID": "far", "URI-REPLACEMENT": {"HOST": far}}]
    assert stage.get(document["RELOAD-URI"]).json() == document
    there = urlsplit(f"{stage.stem}.m3u8")._replace(netloc=far).geturl()
    assert 'PATHWAY-ID="far"' in stage.get(there).text


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ("STEM.m3u8?x=y", 200), ("STEM.nothing.m3u8", 404), ("STEM.x/y.m3u8", 404), ("FOLDER/film.m3u8", 404),
        ("FOLDER/00000000000000000000000000.mpd", 404), ("FOLDER/steering.json?bps=-1", 400),
        ("FOLDER/steering.json?bps=1e999", 400), ("FOLDER/steering.json?known=%0d%0aX: y", 400),
        ("FOLDER/steering.json?" + "a=1&" * 50, 400), ("FOLDER/steering.json?_DASH_pathway=%22nobody%22", 200),
        ("ALTERED/steering.json", 403), ("ALTERED/00000000000000000000000000.m3u8", 403),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_gets_a_clear_answer(stage: Stage, wrong: str, status: int) -> None:
    """And neither manifests nor documents open without the signature."""
    url = wrong.replace("STEM", stage.stem).replace("FOLDER", f"{stage.base}{stage.package.folder}")
    token = urlsplit(stage.base).path.split("/")[2]
    url = url.replace("ALTERED", f"{stage.base.replace(token, token[:-4] + 'AAAA')}{stage.package.folder}")
    answer = stage.client.get(url)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert json.loads(answer.content)["status"] == status


def test_a_segment_says_what_it_is_and_what_comes_next(stage: Stage) -> None:
    """CMSD-Static (CTA-5006), for players that speak CMCD; the last of its stream has nothing after it."""
    track = stage.package.tracks[0]
    first, last = (stage.base + segment.name for segment in track.segments)
    said = {"CMCD-Session": 'sid="s"', "CMCD-Request": "bl=1000"}
    until(lambda: "cmsd-static" in stage.get(first, **said).headers)
    fields = {
        one.split("=")[0]: one.split("=")[1] for one in stage.get(first, **said).headers["cmsd-static"].split(",")
    }
    seconds = track.segments[0].duration / track.timescale
    assert fields == {
        "ot": "v", "st": "v", "br": str(round(track.average_bps / 1000)), "d": str(round(1000 * seconds)),
        "nor": f'"{track.segments[1].name.rpartition("/")[2]}"',
    }  # fmt: skip
    assert "nor" not in stage.get(last, **said).headers["cmsd-static"]
    assert stage.get(stage.base + track.init, **said).headers["cmsd-static"] == "ot=i,st=v"
    assert stage.get(stage.base + stage.package.texts[0].name, **said).headers["cmsd-static"] == "ot=c,st=v"
    assert "cmsd-static" not in stage.get(first).headers


def test_what_was_decided_alone_is_told_when_the_control_plane_is_back(stage: Stage) -> None:
    """It becomes a decision event, so that misses of that time have their class."""
    stage.steering("?bps=4000000")
    stage.web.start()
    log = stage.web.data / "events"

    def told() -> bool:
        return any(b"steering/1" in path.read_bytes() for path in log.rglob("*") if path.is_file())

    until(told)
