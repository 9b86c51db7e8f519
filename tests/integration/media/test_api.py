"""Encodes over HTTP: who may look and act, and what players get while a film still grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import m3u8
import msgspec
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed, package_of

from reelwright.catalog.adapters import sql as catalog_sql
from reelwright.kernel import live
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.adapters import sql
from reelwright.media.service import MediaService

pytestmark = pytest.mark.anyio
JOBS = "/api/v1/media/jobs/"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Composed]:
    """The whole application on SQLite."""
    async with composed(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def editor(home: Composed) -> httpx.AsyncClient:
    """Somebody who may look after encodes."""
    return await home.session(await home.person("Eve", "editor"))


@pytest.fixture
async def asset_id(home: Composed, tmp_path: Path) -> AssetId:
    """A film that was queued."""
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    media: MediaService = home.wiring.dependencies["media"]
    return await media.ingest(playable_id=PlayableId("0" * 26), path=tmp_path / "film.mp4")


async def test_only_editors_see_and_touch_encodes(home: Composed, asset_id: AssetId) -> None:
    """Names of files and what is wrong with them are nobody else's business."""
    for client, status in ((home.client(), 401), (await home.session(await home.person("Vic")), 403)):
        for path in ("", "stream"):
            assert (await client.get(JOBS + path)).status_code == status
        for act in ("cancel", "retry"):
            assert (await client.post(f"{JOBS}{asset_id}/{act}")).status_code == status


async def test_an_editor_cancels_and_retries(home: Composed, editor: httpx.AsyncClient, asset_id: AssetId) -> None:
    """Each answer is the encode as it is now; what makes no sense is a conflict that says so."""
    (row,) = (await editor.get(JOBS)).json()
    assert (row["stage"], row["source_name"], row["asset_id"]) == ("queued", "film.mp4", asset_id)
    cancelled = await editor.post(f"{JOBS}{asset_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["stage"]) == (200, "cancelled")
    again = await editor.post(f"{JOBS}{asset_id}/cancel")
    assert again.status_code == 409 and "film.mp4 is cancelled" in again.json()["detail"]
    retried = await editor.post(f"{JOBS}{asset_id}/retry")
    assert (retried.status_code, retried.json()["stage"]) == (200, "queued")
    assert [job[1:] for job in home.queue.jobs] == [
        (f"encode-{asset_id}-1", asset_id, 1),
        (f"encode-{asset_id}-2", asset_id, 2),
    ]
    assert (await editor.post(f"{JOBS}nobody/retry")).status_code == 404


async def test_a_long_queue_hides_neither_what_runs_nor_what_failed(
    home: Composed, editor: httpx.AsyncClient, asset_id: AssetId
) -> None:
    """A library of thousands: what was queued last is told last, and Studio counts all of them."""
    media: MediaService = home.wiring.dependencies["media"]
    await enqueue(home, asset_id, 205)
    rows = [row.asset_id for row in await media.list_progress(limit=500)]
    running, failed = rows[3], rows[150]
    await home.resources.database.write(sql.set_running, running, 1, stage="encoding", eta_s=90.0)
    await home.resources.database.write(sql.set_running, failed, 1, stage="failed", problem="it is a text file")
    told = (await editor.get(JOBS)).json()
    assert [row["asset_id"] for row in (told[0], told[1], told[-1])] == [running, asset_id, failed]
    page = (await editor.get("/studio/jobs")).text
    assert "205 films" in page and "the first is done in about" in page
    assert "it is a text file" in (await editor.get("/studio")).text


async def enqueue(home: Composed, asset_id: AssetId, more: int) -> None:
    """Queue copies of an encode after it."""

    def write(connection: sa.Connection) -> None:
        row = sql.get_asset(connection, asset_id)
        assert row is not None
        for number in range(more):
            sql.put_asset(connection, {**row, "id": f"a{number:025}", "created_ms": row["created_ms"] + 1 + number})

    await home.resources.database.write(write)


async def test_encodes_are_followed_live(
    home: Composed, editor: httpx.AsyncClient, asset_id: AssetId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event for the state now, one for each change, until the process stops."""
    closing = live.Closing()
    monkeypatch.setattr(live, "closing", closing)
    following = asyncio.create_task(editor.get(JOBS + "stream"))
    for stage in ("probing", "encoding"):
        await asyncio.sleep(1.5)
        await home.resources.database.write(sql.set_running, asset_id, 1, stage=stage, updated_ms=1)
    await asyncio.sleep(1.5)
    closing.begin()
    response = await following
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert [event[0]["stage"] for event in events] == ["queued", "probing", "encoding"]


async def test_health_speaks_of_encodes_that_wait_or_fail(
    home: Composed, editor: httpx.AsyncClient, asset_id: AssetId
) -> None:
    """The operator reads why, and what to do."""
    system = next(system for system in home.wiring.systems if system.name == "media")
    assert (await system.health()).state == "ok"
    waiting = {"stage": "encoding", "problem": "waiting: the disk is full", "updated_ms": 1}
    await home.resources.database.write(sql.set_running, asset_id, 1, **waiting)
    health = await system.health()
    assert (health.state, "film.mp4" in health.says, "the disk is full" in health.says) == ("degraded", True, True)
    failed = {"stage": "failed", "problem": "film.mp4 is a text file", "updated_ms": 2}
    await home.resources.database.write(sql.set_running, asset_id, 1, **failed)
    health = await system.health()
    assert health.state == "degraded" and "text file" in health.says and "retry" in health.do


async def test_players_follow_a_film_while_it_is_encoded(home: Composed) -> None:
    """An EVENT playlist without an end grows into a VOD one with the same beginning; the package is read anew."""
    user = await home.person("Vic")
    client = await home.session(user, await home.profile(user, maturity_limit=100))
    _, (playable,) = await home.title(maturity=0)
    assert playable.asset_id is not None
    whole = package_of(playable.asset_id, playable.id)
    playlists = []
    for count in (1, 4, 10):
        tracks = tuple(msgspec.structs.replace(track, segments=track.segments[:count]) for track in whole.tracks)
        package = msgspec.structs.replace(whole, tracks=tracks, complete=count == 10)
        name = f"{package.folder}/{count}.json"
        home.resources.objects.put(name, msgspec.json.encode(package))
        await home.resources.database.write(_set_package, playable.asset_id, name)
        if count == 1:
            await home.resources.database.write(catalog_sql.set_playable, playable.id, state="watchable")
            body = {"playable_id": playable.id, "device": {"codecs": ["avc1", "mp4a"]}}
            response = await client.post("/api/v1/playback/sessions", json=body)
            assert response.status_code == 201, response.text
            session = response.json()
            assert session["complete"] is False and session["duration_s"] == 60.0
        master = m3u8.loads((await client.get(session["hls_url"])).text)
        playlists.append(m3u8.loads((await client.get(master.playlists[0].uri)).text))
    assert [len(playlist.segments) for playlist in playlists] == [1, 4, 10]
    assert [(playlist.playlist_type, playlist.is_endlist) for playlist in playlists] == [
        ("event", False),
        ("event", False),
        ("vod", True),
    ]
    names = [[segment.uri.rsplit("/", 1)[1] for segment in playlist.segments] for playlist in playlists]
    assert names[2][:4] == names[1] and names[1][:1] == names[0]


def _set_package(connection: sa.Connection, asset_id: AssetId, name: str) -> None:
    connection.execute(sql.ASSETS.update().where(sql.ASSETS.c.id == asset_id).values(package=name))
