"""The worker looks after its sources: what comes into the library is queued, and what was away begins again."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from reelwright.app import worker_process
from reelwright.app.compose import open_resources
from reelwright.app.places import jobs_url
from reelwright.app.wiring import migrate, wire_sources
from reelwright.catalog.adapters.sql import find_playable
from reelwright.catalog.service import set_playable_state
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.kernel.jobs import JobsClient
from reelwright.kernel.principal import EVERYTHING, Principal
from reelwright.kernel.settings import Source
from reelwright.kernel.system import Resources
from reelwright.media.adapters.sql import ASSETS
from reelwright.media.contract import Package
from reelwright.media.service import WORKFLOW

pytestmark = pytest.mark.anyio
ADMIN = Principal(kind="session", role="admin", maturity_limit=EVERYTHING)


@pytest.fixture
def anyio_backend() -> str:
    """The worker runs on asyncio."""
    return "asyncio"


async def until(database: Database, stage: str, attempt: int) -> dict[str, Any]:
    """The one encode, once it is so."""
    while True:
        with database.reading() as connection:
            rows = [row._asdict() for row in connection.execute(sa.select(ASSETS))]
        if [(row["stage"], row["attempt"]) for row in rows] == [(stage, attempt)]:
            return rows[0]
        await asyncio.sleep(0.02)


async def test_films_are_taken_up_and_what_was_away_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a library that is mounted only later, through a disk that is unplugged, until the worker is stopped."""
    monkeypatch.setattr(worker_process, "RETURNED_EVERY_S", 0.05)
    library, unplugged = tmp_path / "library", tmp_path / "unplugged"
    settings = {"data": str(tmp_path / "data"), "library": [str(library)], "catalog": {"scan_s": 0.1}}
    resources = open_resources(Source(settings, {}, "test"), process="worker")
    migrate(resources.database)
    looking = asyncio.create_task(worker_process._look_after_sources(resources))
    try:
        library.mkdir()
        (library / "Lantern (1999).mp4").write_bytes(b"a film")
        async with asyncio.timeout(60):
            row = await until(resources.database, "queued", 1)
            assert row["backlog"]
            library.rename(unplugged)
            with resources.database.writing() as connection:
                connection.execute(ASSETS.update().values(stage="away"))
            shutil.copytree(unplugged, library)
            row = await until(resources.database, "queued", 2)
            await queued(resources, 2)
        assert row["source_name"] == "Lantern (1999).mp4" and not looking.done()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert looking.cancelled()
    resources.database.close()


async def test_an_encode_whose_job_was_lost_in_a_crash_is_queued_again(tmp_path: Path) -> None:
    """The row had been written, the job had not; whoever saw it in Studio would wait for ever."""
    resources = open_resources(Source({"data": str(tmp_path / "data")}, {}, "test"), process="worker")
    migrate(resources.database)
    film = tmp_path / "Lantern (1999).mp4"
    film.write_bytes(b"a film")
    _, catalog = wire_sources(resources, queue=Crashed())
    with pytest.raises(KeyboardInterrupt):
        await catalog.service.add(film, root=tmp_path)
    looking = asyncio.create_task(worker_process._look_after_sources(resources))
    try:
        async with asyncio.timeout(60):
            await queued(resources, 1)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    resources.database.close()


class Crashed:
    """A queue whose process is killed before it has written anything."""

    def enqueue(self, name: str, job_id: str, *args: Any, behind: bool = False) -> None:
        """Not any more."""
        raise KeyboardInterrupt


async def queued(resources: Resources, count: int) -> None:
    """Wait until so many encodes have jobs; there are no others."""
    jobs = JobsClient(jobs_url(resources.settings))
    try:
        while [job.name for job in await asyncio.to_thread(jobs.list)] != [WORKFLOW] * count:
            await asyncio.sleep(0.02)
    finally:
        jobs.close()


def encode(resources: Resources, playable_id: PlayableId, *, seconds: float) -> str:
    """What the encode that waits does at its end, without the pictures; returns its asset."""
    with resources.database.writing() as connection:
        row = connection.execute(sa.select(ASSETS).where(ASSETS.c.stage == "queued")).one()
        package = Package(
            asset_id=row.id,
            playable_id=playable_id,
            complete=True,
            duration_s=seconds,
            tracks=(),
            texts=(),
            sprites=None,
        )
        resources.objects.put(f"{package.folder}/whole.json", msgspec.json.encode(package))
        values = {"stage": "done", "package": f"{package.folder}/whole.json"}
        connection.execute(ASSETS.update().where(ASSETS.c.id == row.id).values(**values))
        set_playable_state(connection, playable_id, state="ready", asset_id=row.id, duration_s=seconds)
    return str(row.id)


async def test_a_film_that_is_put_back_in_the_place_of_another_is_what_plays(tmp_path: Path) -> None:
    """The file that lies there counts, not the one that was encoded last; nothing is encoded anew."""
    resources = open_resources(Source({"data": str(tmp_path / "data")}, {}, "test"), process="worker")
    migrate(resources.database)
    jobs = JobsClient(jobs_url(resources.settings))
    _, catalog = wire_sources(resources, queue=jobs)
    film = tmp_path / "Lantern (1999).mp4"

    film.write_bytes(b"the restored one")
    playable_id = await catalog.service.add(film, root=tmp_path)
    assert playable_id is not None
    restored = encode(resources, playable_id, seconds=90)
    film.write_bytes(b"the one with a scratch")
    assert await catalog.service.add(film, root=tmp_path) == playable_id
    scratched = encode(resources, playable_id, seconds=80)
    film.write_bytes(b"the restored one")
    assert await catalog.service.add(film, root=tmp_path) == playable_id

    playable = await resources.database.read(find_playable, playable_id)
    assert playable is not None and restored != scratched
    assert (playable.state, playable.asset_id, playable.duration_s) == ("ready", restored, 90)
    assert len(jobs.list()) == 2
    jobs.close()
    resources.database.close()


async def test_what_was_made_of_a_removed_film_goes_an_hour_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its encode ends, its objects give back their room; those of the films that stay are not touched."""
    clock = VirtualClock()
    resources = open_resources(Source({"data": str(tmp_path / "data")}, {}, "test"), process="worker")
    resources = msgspec.structs.replace(resources, clock=clock)
    migrate(resources.database)
    jobs = JobsClient(jobs_url(resources.settings))
    media, catalog = wire_sources(resources, queue=jobs)
    ids, assets = {}, {}
    for name in ("Stays", "Goes", "Waits"):
        film = tmp_path / f"{name} (1999).mp4"
        film.write_bytes(name.encode())
        playable_id = await catalog.service.add(film, root=tmp_path)
        assert playable_id is not None
        ids[name] = playable_id
        if name != "Waits":
            assets[name] = encode(resources, playable_id, seconds=60)

    def kept() -> set[str]:
        return {one.parts[-2] for one in (tmp_path / "data" / "media").rglob("whole.json")}

    for name in ("Goes", "Waits"):
        title, _ = await catalog.service.get_playable(ids[name], ADMIN)
        await catalog.service.delete_title(title.id, ADMIN)
    await media.service.reclaim(catalog.service.find_there)
    assert (await media.service.count_stages()) == {"done": 2, "cancelled": 1}
    assert kept() == {*assets.values()}, "whoever plays it has yet to hear"
    clock.advance(3_601)
    await media.service.reclaim(catalog.service.find_there)
    assert (await media.service.count_stages()) == {"done": 1} and kept() == {assets["Stays"]}
    assert (await media.service.get_package(AssetId(assets["Stays"]))).complete
    jobs.close()
    resources.database.close()
