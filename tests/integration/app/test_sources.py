"""The worker looks after its sources: what comes into the library is queued, and what was away begins again."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reelwright.app import worker_process
from reelwright.app.compose import open_resources
from reelwright.app.places import jobs_url
from reelwright.app.wiring import migrate
from reelwright.kernel.database import Database
from reelwright.kernel.jobs import JobsClient
from reelwright.kernel.settings import Source
from reelwright.media.adapters.sql import ASSETS
from reelwright.media.service import WORKFLOW

pytestmark = pytest.mark.anyio


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
        assert row["source_name"] == "Lantern (1999).mp4" and not looking.done()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert looking.cancelled()
    jobs = JobsClient(jobs_url(resources.settings))
    assert [job.name for job in jobs.list()] == [WORKFLOW] * 2
    jobs.close()
    resources.database.close()
