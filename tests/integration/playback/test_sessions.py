"""Playback sessions: manifests for the device, signatures that are renewed, and nothing for anybody else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed, package_of

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.ids import new_id
from reelwright.media.contract import Package
from reelwright.playback.adapters import sql

pytestmark = pytest.mark.anyio
SESSIONS = "/api/v1/playback/sessions"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The application."""
    async with composed(tmp_path) as made:
        yield made


async def viewer(home: Composed, name: str = "Ada") -> httpx.AsyncClient:
    """Somebody who watches as a profile."""
    user_id = await home.person(name)
    return await home.session(user_id, await home.profile(user_id, name=f"{name} P"))


async def begin(client: httpx.AsyncClient, playable_id: str, **device: Any) -> dict[str, Any]:
    """Begin to play."""
    response = await client.post(SESSIONS, json={"playable_id": playable_id, "device": device})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize(
    ("device", "video", "sound"),
    [
        ({"codecs": ["avc1", "mp4a"]}, {"avc1"}, {"mp4a"}),
        ({"codecs": ["av01", "opus"]}, {"av01"}, {"opus"}),
        ({}, {"avc1", "av01"}, {"mp4a", "opus"}),
    ],
)
async def test_manifests_hold_what_the_device_plays(
    home: Composed, device: dict[str, Any], video: set[str], sound: set[str]
) -> None:
    """HLS and DASH alike; a device that names no codec gets everything."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    client = await viewer(home)
    session = await begin(client, film.id, **device)
    for url in (session["hls_url"], session["dash_url"]):
        text = (await client.get(url)).text
        listed = ",".join(re.findall(r'(?:CODECS|codecs)="([^"]+)"', text)).split(",")
        assert {codec.split(".")[0] for codec in listed} == video | sound, text


async def test_a_film_that_still_grows_is_no_static_manifest(home: Composed) -> None:
    """DASH's would end with what is made now, and says so; HLS lists what is there, and no end."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    name = package_of(film.asset_id, film.id).folder + "/package.json"  # type: ignore[arg-type] # it was published
    package = msgspec.json.decode(home.resources.objects.get(name), type=Package)
    home.resources.objects.put(name, msgspec.json.encode(msgspec.structs.replace(package, complete=False)))
    client = await viewer(home)
    session = await begin(client, film.id)
    refused = await client.get(session["dash_url"])
    assert refused.status_code == 409 and "plays as HLS" in refused.json()["detail"]
    track = next(line for line in (await client.get(session["hls_url"])).text.splitlines() if line[:1] == "/")
    text = (await client.get(track)).text
    assert "#EXTINF" in text and "#EXT-X-ENDLIST" not in text


async def test_a_small_screen_gets_small_rungs(home: Composed) -> None:
    """The lowest rung always stays."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    client = await viewer(home)
    session = await begin(client, film.id, codecs=["avc1", "mp4a"], max_height=480)
    text = (await client.get(session["hls_url"])).text
    assert "x360" in text and "x1080" not in text


async def test_a_device_that_plays_nothing_of_it_is_told_so(home: Composed) -> None:
    """With what it is offered in."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    client = await viewer(home)
    response = await client.post(SESSIONS, json={"playable_id": film.id, "device": {"codecs": ["hvc1", "ec-3"]}})
    assert response.status_code == 406 and "avc1" in response.json()["detail"]


async def test_it_resumes_where_it_was_left_and_offers_the_next_episode(home: Composed) -> None:
    """From the events that a player sent."""
    title, episodes = await home.title("Harbour", maturity=0, episodes=3)
    client = await viewer(home)
    event = {"id": new_id(), "type": "heartbeat", "at_ms": 1, "title_id": title.id, "playable_id": episodes[0].id}
    await client.post("/api/v1/events", json={"events": [{**event, "position_s": 21.5, "data": {"duration_s": 60}}]})
    session = await begin(client, episodes[0].id)
    assert session["resume_s"] == 21.5 and session["next"]["playable_id"] == episodes[1].id
    assert (await begin(client, episodes[2].id))["next"] is None


async def test_a_heartbeat_renews_signatures(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A film paused over night goes on: the old URLs have expired, the session has not."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    client = await viewer(home)
    session = await begin(client, film.id)
    later = VirtualClock(home.resources.clock.wall_ns() + 12 * 3600 * 10**9)
    monkeypatch.setattr(home.wiring.dependencies["playback"], "_clock", later)
    beat = (await client.post(f"{SESSIONS}/{session['id']}/heartbeat")).json()
    assert beat["expires_s"] > session["expires_s"] + 11 * 3600
    assert beat["media_bases"] != session["media_bases"]


async def test_sessions_belong_to_who_began_them(home: Composed) -> None:
    """Not to another person, not to another profile of the same."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    user_id = await home.person("Ada")
    own = await home.session(user_id, await home.profile(user_id, name="One"))
    session = await begin(own, film.id)
    for other in (await home.session(user_id, await home.profile(user_id, name="Two")), await viewer(home, "Eve")):
        for path in ("master.m3u8", "manifest.mpd"):
            assert (await other.get(f"{SESSIONS}/{session['id']}/{path}")).status_code == 404
        assert (await other.delete(f"{SESSIONS}/{session['id']}")).status_code == 404
    assert (await own.delete(f"{SESSIONS}/{session['id']}")).status_code == 204
    assert (await own.get(session["hls_url"])).status_code == 404


async def test_manifest_links_for_players_without_cookies_are_signed(home: Composed) -> None:
    """With a token the URLs carry a capability; altered, expired or for another session it opens nothing."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    client = await viewer(home)
    form = {"name": "tv", "scopes": ["watch"], "days": 1}
    token = (await client.post("/api/v1/tokens", json=form)).json()["token"]
    script = home.client(Authorization=f"Bearer {token}")
    first, second = await begin(script, film.id), await begin(script, film.id)
    assert (await home.client().get(first["hls_url"])).status_code == 200
    access = first["hls_url"].split("access=")[1]
    foreign = first["hls_url"].replace(first["id"], second["id"])
    altered = first["hls_url"].replace(access, access[:-1] + ("A" if access[-1] != "A" else "B"))
    key, _, signature = access.split(".")
    expired = first["hls_url"].replace(access, f"{key}.1.{signature}")
    for url in (foreign, altered, expired):
        response = await home.client().get(url)
        assert response.status_code == 403 and "altered or has expired" in response.json()["detail"]


async def test_a_signed_link_ends_when_its_person_is_shut_out(home: Composed) -> None:
    """Else it would bring URLs of media anew, and a fresh link to itself, for as long as the session lives."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    await home.person("Root", "admin")
    user_id = await home.person("Ada")
    client = await home.session(user_id, await home.profile(user_id))
    token = (await client.post("/api/v1/tokens", json={"name": "tv", "scopes": ["watch"]})).json()["token"]
    session = await begin(home.client(Authorization=f"Bearer {token}"), film.id)
    assert (await home.client().get(session["hls_url"])).status_code == 200
    await home.accounts.change_user(user_id, disabled=True)
    for url in (session["hls_url"], session["dash_url"]):
        assert (await home.client().get(url)).status_code == 404
    steering = session["hls_url"].replace("master.m3u8", "steering.json")
    assert (await home.client().get(steering)).status_code == 410


async def test_a_signed_link_ends_when_the_profile_may_no_longer_see_the_title(home: Composed) -> None:
    """A limit that was lowered counts for links that are out already."""
    _, (film,) = await home.title("Low Sun", maturity=16)
    user_id = await home.person("Grown Up", "viewer")
    profile = await home.profile(user_id, name="Teen")
    client = await home.session(user_id, profile)
    token = (await client.post("/api/v1/tokens", json={"name": "tv", "scopes": ["watch"], "days": 1})).json()["token"]
    begun = await begin(home.client(Authorization=f"Bearer {token}"), film.id)
    for path in (begun["hls_url"], begun["dash_url"]):
        assert (await home.client().get(path)).status_code == 200
    parent = await home.session(user_id, await home.profile(user_id, name="Parent"))
    form = {"name": "Teen", "maturity_limit": 12}
    assert (await parent.put(f"/api/v1/profiles/{profile.id}", json=form)).status_code == 200
    for path in (begun["hls_url"], begun["dash_url"]):
        assert (await home.client().get(path)).status_code == 404


async def test_sessions_of_long_ago_are_forgotten(home: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginning to play removes what nobody can use any more."""
    _, (film,) = await home.title("Low Sun", maturity=0)
    client, clock = await viewer(home), VirtualClock()
    playback = home.wiring.dependencies["playback"]
    monkeypatch.setattr(playback, "_clock", clock)
    await begin(client, film.id)
    clock.advance(366 * 86_400)
    await begin(client, film.id)
    with home.resources.database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sql.SESSIONS)) == 1


async def test_what_is_not_ready_says_so(home: Composed) -> None:
    """And what does not exist is not found."""
    client = await viewer(home)
    assert (await client.post(SESSIONS, json={"playable_id": new_id()})).status_code == 404
