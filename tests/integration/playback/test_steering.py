"""A session's manifests and documents name the edges that are right for it, and only for whoever holds its URL."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.composed import Composed, composed

from reelwright.cdn.contract import EdgeReport
from reelwright.cdn.control import ControlPlane

pytestmark = pytest.mark.anyio
SESSIONS = "/api/v1/playback/sessions"


class Stage:
    """The application with edges that were once heard of."""

    def __init__(self, home: Composed) -> None:
        self.home = home
        self.cdn: ControlPlane = home.wiring.dependencies["cdn"]

    async def edge(self, name: str, cost: float, **more: Any) -> None:
        """One report."""
        form = {"boot": "b", "url": f"http://{name}.example:81", "capacity_bps": 1e9, "costs": {"*": cost}, **more}
        await self.cdn.report(name, EdgeReport(**form))
        await self.cdn.list_edges()

    async def begin(self, **device: Any) -> tuple[httpx.AsyncClient, dict[str, Any]]:
        """A viewer's session."""
        _, (film,) = await self.home.title("Low Sun", maturity=0)
        user_id = await self.home.person("Ada")
        client = await self.home.session(user_id, await self.home.profile(user_id, name="Ada P"))
        answer = await client.post(SESSIONS, json={"playable_id": film.id, "device": device})
        assert answer.status_code == 201, answer.text
        return client, answer.json()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Two edges, the near one cheaper."""
    async with composed(tmp_path, cdn={"steering_ttl_s": 7}) as home:
        made = Stage(home)
        await made.edge("near", 1.0)
        await made.edge("far", 3.0)
        yield made


def document_url(text: str) -> str:
    """Of a manifest of either format."""
    found = re.search(r'SERVER-URI="([^"]+)"', text) or re.search(r"<ContentSteering[^>]*>([^<]+)<", text)
    assert found, text[:500]
    return found[1].replace("&amp;", "&")


async def test_hls_names_each_edge_as_a_pathway_with_its_own_playlists(stage: Stage) -> None:
    """Sound and subtitles go the same way as the picture; each playlist has its segments at its edge."""
    client, session = await stage.begin(codecs=["avc1", "mp4a"])
    text = (await client.get(session["hls_url"])).text
    assert 'PATHWAY-ID="near"' in next(line for line in text.splitlines() if "CONTENT-STEERING" in line)
    variants = re.findall(r'AUDIO="([^"]+)".*PATHWAY-ID="(\w+)".*\n(\S+)', text)
    assert {(group, pathway) for group, pathway, _ in variants} == {
        ("audio-mp4a-near", "near"),
        ("audio-mp4a-far", "far"),
    }
    for _, pathway, url in variants:
        playlist = (await client.get(url)).text
        assert set(re.findall(r"http://([\w.:]+)/m/", playlist)) == {f"{pathway}.example:81"}


async def test_the_document_orders_edges_and_follows_a_drain(stage: Stage) -> None:
    """For HLS and DASH; no cookie is needed, but the signature is; at the session's end it is gone."""
    client, session = await stage.begin()
    stranger = stage.home.client()
    urls = {}
    for kind in ("hls", "dash"):
        url = urls[kind] = document_url((await client.get(session[f"{kind}_url"])).text)
        document = (await stranger.get(url)).json()
        assert (document["VERSION"], document["TTL"], document["PATHWAY-PRIORITY"]) == (1, 7, ["near", "far"])
        assert document["RELOAD-URI"].startswith("http://")
        assert (await stranger.get(document["RELOAD-URI"])).json()["PATHWAY-PRIORITY"] == ["near", "far"]
        altered = url.replace("access=", "access=x")
        assert (await stranger.get(altered)).status_code == 403
    await stage.cdn.drain("near", on=True, by="x")
    document = (await stranger.get(urls["hls"] + "&_HLS_pathway=%22near%22&_HLS_throughput=1")).json()
    assert document["PATHWAY-PRIORITY"] == ["far"]
    beat = (await client.post(f"{SESSIONS}/{session['id']}/heartbeat")).json()
    assert [base.split("/m/")[0] for base in beat["media_bases"]] == ["http://far.example:81"]
    assert (await client.delete(f"{SESSIONS}/{session['id']}")).status_code == 204
    assert (await stranger.get(urls["dash"])).status_code == 410


async def test_an_edge_that_came_later_is_a_clone(stage: Stage) -> None:
    """HLS changes a parameter of its playlists' URLs, DASH the host of its bases."""
    client, session = await stage.begin()
    urls = {kind: document_url((await client.get(session[f"{kind}_url"])).text) for kind in ("hls", "dash")}
    await stage.edge("new", 0.1)
    documents = {kind: (await client.get(url)).json() for kind, url in urls.items()}
    assert documents["hls"]["PATHWAY-PRIORITY"][0] == "new"
    assert documents["hls"]["PATHWAY-CLONES"] == [
        {"BASE-ID": "near", "ID": "new", "URI-REPLACEMENT": {"PARAMS": {"edge": "new"}}}
    ]
    assert documents["dash"]["PATHWAY-CLONES"] == [
        {"BASE-ID": "near", "ID": "new", "URI-REPLACEMENT": {"HOST": "new.example:81"}}
    ]


async def test_our_own_player_gets_a_list_and_says_what_it_felt(stage: Stage) -> None:
    """Its manifests name one edge; two viewers who were failed by an edge are enough to move everybody."""
    client, session = await stage.begin(codecs=["avc1", "mp4a"], steers=True)
    text = (await client.get(session["hls_url"])).text
    assert "STEERING" not in text and "PATHWAY" not in text
    felt = {"worked": ["http://far.example:81"], "failed": ["http://near.example:81", "http://nobody.example"]}
    beat = f"{SESSIONS}/{session['id']}/heartbeat"
    assert (await client.post(beat, json=felt)).status_code == 200
    await stage.cdn.tell("near", "another viewer", failed=True)
    await stage.cdn.list_edges()
    bases = (await client.post(beat, json={})).json()["media_bases"]
    assert bases[0].startswith("http://far.example:81/m/")
    odds: tuple[Any, ...] = ({"failed": [1]}, {"failed": ["x"] * 9}, {"felt": []}, [])
    for odd in odds:
        assert (await client.post(beat, json=odd)).status_code == 400


async def test_media_urls_are_bound_to_a_cookie_only_where_it_reaches_every_edge(stage: Stage) -> None:
    """The third part of a token says whether it is bound."""
    _, session = await stage.begin()
    assert session["media_bases"][0].split("/m/")[1].split(".")[2] == "0"
    for name in ("near", "far"):
        await stage.edge(name, 1.0, url="http://127.0.0.1:8001")
        await stage.cdn.forget(name, by="x")
    await stage.edge("here", 1.0, url="http://127.0.0.1:8001")
    user_id = await stage.home.person("Bo")
    client = await stage.home.session(user_id, await stage.home.profile(user_id, name="Bo P"))
    body = {"playable_id": session["playable_id"]}
    bound = (await client.post(SESSIONS, json=body)).json()["media_bases"][0]
    assert bound.split("/m/")[1].split(".")[2] == "1"


async def test_a_session_says_where_the_edge_makes_its_manifests_by_itself(stage: Stage) -> None:
    """At the best edge, signed as its segments are; nowhere while no edge is registered."""
    _, session = await stage.begin()
    for kind, suffix in (("hls", "m3u8"), ("dash", "mpd")):
        url = session[f"edge_{kind}_url"]
        assert url.startswith(f"{session['media_bases'][0]}assets/") and url.endswith(f".{suffix}"), url
    for name in ("near", "far"):
        await stage.cdn.forget(name, by="x")
    user_id = await stage.home.person("Bo")
    client = await stage.home.session(user_id, await stage.home.profile(user_id, name="Bo P"))
    bare = (await client.post(SESSIONS, json={"playable_id": session["playable_id"]})).json()
    assert (bare["edge_hls_url"], bare["edge_dash_url"]) == ("", "")
