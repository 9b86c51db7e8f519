"""The whole web application in this process, as the web role composes it, but without a port and without encoders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar import Litestar

from reelwright.accounts.contract import Profile, ProfileDraft, UserRole
from reelwright.accounts.service import AccountsService
from reelwright.app.asgi import build
from reelwright.app.compose import open_resources
from reelwright.app.wiring import Wiring, migrate, wire
from reelwright.catalog.adapters import sql as catalog_sql
from reelwright.catalog.contract import Playable, Title
from reelwright.kernel.ids import AssetId, PlayableId, TitleId, UserId, new_id
from reelwright.kernel.objects import DirectoryObjects, content_name
from reelwright.kernel.settings import Source
from reelwright.media.adapters import sql as media_sql
from reelwright.media.contract import Package, Segment, TextTrack, Track, asset_folder

PASSWORD = "correct horse battery"
URL = "http://127.0.0.1:8000"


class Queue:
    """Remembers what was queued; nothing is encoded."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Any, ...]] = []

    def enqueue(self, name: str, job_id: str, *args: Any, behind: bool = False) -> None:
        """One more job."""
        self.jobs.append((name, job_id, *args))


class Composed:
    """The application, its systems, and people who use it."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.resources = open_resources(Source({"data": str(data), **settings}, {}, "test"), process="test")
        migrate(self.resources.database)
        self.queue = Queue()
        self.wiring: Wiring = wire(self.resources, queue=self.queue)
        self.application: Litestar = build(self.resources, self.wiring)
        self.accounts: AccountsService = self.wiring.dependencies["accounts"]

    def client(self, **headers: str) -> httpx.AsyncClient:
        """Somebody unknown."""
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=URL, headers=headers, timeout=30)

    async def person(self, name: str, role: UserRole = "viewer") -> UserId:
        """Somebody who could sign in."""
        return (await self.accounts.create_user(name=name, password=PASSWORD, role=role)).id

    async def session(self, user_id: UserId, profile: Profile | None = None) -> httpx.AsyncClient:
        """A browser of somebody, watching as `profile`, with CSRF value and viewer cookie."""
        value = await self.accounts.open_session(user_id, profile.id if profile else None)
        name = self.wiring.dependencies["cookie_jar"].session_name
        viewer = f"; rw_viewer={self.accounts.viewer_name(profile.id)}" if profile else ""
        client = self.client(Cookie=f"{name}={value}{viewer}")
        client.headers["X-CSRF-Token"] = (await client.get("/api/v1/session")).json()["csrf"]
        return client

    async def profile(self, user_id: UserId, **draft: Any) -> Profile:
        """A new profile in somebody's household."""
        caller = await self.accounts.authenticate(cookie=await self.accounts.open_session(user_id), bearer=None)
        return await self.accounts.create_profile(caller, ProfileDraft(**{"name": "Somebody", **draft}))

    async def title(self, name: str = "A Film", *, episodes: int = 0, **more: Any) -> tuple[Title, list[Playable]]:
        """A title that can be played: a film, or a series with episodes."""
        kind: Any = "series" if episodes else "film"
        title = Title(id=TitleId(new_id()), kind=kind, name=name, added_ms=_now_ms(self), **more)
        await self.resources.database.write(catalog_sql.put_title, title, f"{kind}|{title.id}|")
        playables = []
        for number in range(1, episodes + 1) if episodes else (None,):
            playable = Playable(
                id=PlayableId(new_id()),
                title_id=title.id,
                name=f"Episode {number}" if number else name,
                season=1 if number else None,
                episode=number,
                state="ready",
                asset_id=AssetId(new_id()),
                duration_s=60.0,
            )
            await self.resources.database.write(catalog_sql.put_playable, playable)
            await self._publish(playable)
            playables.append(playable)
        return title, playables

    async def _publish(self, playable: Playable) -> None:
        assert playable.asset_id is not None
        package = package_of(playable.asset_id, playable.id)
        name = f"{package.folder}/package.json"
        self.resources.objects.put(name, msgspec.json.encode(package))
        row = {"subtitles": [], "stage": "done", "percent": 100.0, "problem": "", "package": name, "attempt": 1}
        await self.resources.database.write(
            media_sql.put_asset,
            {
                "id": playable.asset_id,
                "playable_id": playable.id,
                "source_path": f"/films/{playable.name}.mp4",
                "source_name": f"{playable.name}.mp4",
                "created_ms": _now_ms(self),
                "updated_ms": _now_ms(self),
                **row,
            },
        )


def package_of(asset_id: AssetId, playable_id: PlayableId) -> Package:
    """Two rungs in two codecs and one language of sound; the segments are names only."""
    tracks = [
        _track(f"v{height}-{codec}", f"{codec}.x", height=height)
        for codec in ("avc1", "av01")
        for height in (360, 1080)
    ]
    return Package(
        asset_id=asset_id,
        playable_id=playable_id,
        complete=True,
        duration_s=60.0,
        tracks=(*tracks, _track("a-en-mp4a", "mp4a.40.2"), _track("a-en-opus", "opus")),
    )


def _track(track_id: str, codec: str, *, height: int = 0) -> Track:
    sound = {"language": "eng", "channels": 2, "sample_rate": 48_000}
    picture = {"width": height * 16 // 9, "height": height, "frame_rate": (24, 1)}
    more: dict[str, Any] = picture if height else sound
    segments = tuple(Segment(f"{track_id}-{number}.m4s", 6000, 1000) for number in range(10))
    return Track(
        id=track_id,
        kind="video" if height else "audio",
        codec=codec,
        timescale=1000,
        init=f"{track_id}-init.mp4",
        segments=segments,
        peak_bps=1_000_000 + height,
        average_bps=900_000 + height,
        **more,
    )


def _now_ms(home: Composed) -> int:
    return home.resources.clock.wall_ns() // 1_000_000


@asynccontextmanager
async def composed(data: Path, **settings: Any) -> AsyncIterator[Composed]:
    """The application with its systems started."""
    home = Composed(data, **settings)
    async with home.application.lifespan():
        yield home
    home.resources.database.close()


def publish(objects: DirectoryObjects) -> tuple[Package, str]:
    """A film whose segments say who they are, as `media` stores it; and its package's name."""
    asset_id = AssetId("0123456789ABCDEFGHJKMNPQRS")
    folder = asset_folder(asset_id)

    def put(data: bytes, suffix: str) -> str:
        name = content_name(folder, data, suffix)
        objects.put(name, data)
        return name

    bare = package_of(asset_id, PlayableId("p"))
    tracks = tuple(
        msgspec.structs.replace(
            track,
            init=put(f"{track.id} init".encode(), ".mp4"),
            segments=tuple(Segment(put(f"{track.id} {n}".encode(), ".m4s"), 6000, 9) for n in range(2)),
        )
        for track in bare.tracks
    )
    text = TextTrack(id="t-en", language="eng", label="English", name=put(b"WEBVTT", ".vtt"))
    package = msgspec.structs.replace(bare, tracks=tracks, texts=(text,))
    return package, put(msgspec.json.encode(package), ".json")
