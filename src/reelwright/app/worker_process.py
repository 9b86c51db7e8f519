"""The worker role: durable jobs, and the watched library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from reelwright.app.compose import open_resources
from reelwright.app.demand import HouseDemand
from reelwright.app.places import jobs_url
from reelwright.app.wiring import migrate, wire_sources
from reelwright.catalog.adapters.library import LibraryWatcher
from reelwright.catalog.service import set_playable_state
from reelwright.cdn.control import ControlPlane
from reelwright.cdn.jobs import keep as keep_cdn
from reelwright.cdn.settings import CdnSettings
from reelwright.events.adapters.sql import get_offsets
from reelwright.experiments.adapters.lake import viewing_of
from reelwright.experiments.jobs import guard_for_ever
from reelwright.experiments.service import ExperimentsService
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.ids import PlayableId
from reelwright.kernel.jobs import JobsClient, Worker
from reelwright.kernel.keys import follow
from reelwright.kernel.settings import Source
from reelwright.kernel.system import Resources
from reelwright.kernel.telemetry import logger
from reelwright.lake.system import LakeSystem, keep
from reelwright.media.contract import Package
from reelwright.media.system import open_worker

log = logger(__name__)
RETURNED_EVERY_S = 10.0
"""Between two looks for sources that were away."""
RECLAIM_EVERY_S = 600.0
"""Between two looks for what was made of films that were removed since."""


async def run(stopping: asyncio.Event) -> None:
    """Take jobs and watch the library until told to stop."""
    resources = open_resources(Source.open(), process="worker")
    await asyncio.to_thread(migrate, resources.database)
    settings = open_worker(resources, CataloguePublisher(resources))
    # An executor goes on with the jobs of its former run: no two may share a name, and a restart must keep it.
    worker = Worker(jobs_url(resources.settings), executor_id=resources.instance, concurrency=settings.concurrency)
    await asyncio.to_thread(worker.start)
    try:
        await _until_stopped(stopping, resources)
    finally:
        await asyncio.to_thread(worker.stop)
        resources.database.close()


async def _until_stopped(stopping: asyncio.Event, resources: Resources) -> None:
    """Wait for the signal; a watcher that fails ends the process, so that the supervisor tells of it and restarts."""
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(stopping.wait()),
        asyncio.create_task(follow(resources.keys)),
        asyncio.create_task(keep(resources, lambda: resources.database.read(get_offsets))),
        asyncio.create_task(_guard_experiments(resources)),
        asyncio.create_task(_plan_cdn(resources)),
        asyncio.create_task(_look_after_sources(resources)),
    ]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


async def _guard_experiments(resources: Resources) -> None:
    """Measure what runs, and stop what does harm; exposures are the web processes' to report."""
    settings = resources.source.section("experiments", ExperimentsSettings)
    service = ExperimentsService(
        database=resources.database,
        clock=resources.clock,
        events=None,
        settings=settings,
        viewing=viewing_of(LakeSystem(resources).service) if settings.source == "lake" else None,
    )
    await guard_for_ever(service, every_s=settings.measure_s, calibrate_s=settings.calibrate_s)


async def _plan_cdn(resources: Resources) -> None:
    """Price full edges, and plan what each is to hold tomorrow."""
    settings = resources.source.section("cdn", CdnSettings)
    control = ControlPlane(database=resources.database, clock=resources.clock, keys=resources.keys, settings=settings)
    jobs = await asyncio.to_thread(JobsClient, jobs_url(resources.settings))
    media, catalog = wire_sources(resources, queue=jobs)
    try:
        await keep_cdn(control, HouseDemand(resources, catalog.service, media.service), settings)
    finally:
        jobs.close()


class CataloguePublisher:
    """Binds `RenditionPublished` to the catalogue."""

    def __init__(self, resources: Resources) -> None:
        self._database = resources.database

    def __call__(
        self,
        *,
        package: Package | None,
        playable_id: PlayableId,
        state: Literal["encoding", "watchable", "ready", "failed"],
        still: str = "",
        poster: str = "",
        backdrop: str = "",
        problem: str = "",
    ) -> None:
        """Tell the catalogue what can be played now."""
        self._database.transact(
            set_playable_state,
            playable_id,
            state=state,
            asset_id=package.asset_id if package else None,
            duration_s=package.duration_s if package else None,
            still=still,
            poster=poster,
            backdrop=backdrop,
            problem=problem,
        )


async def _look_after_sources(resources: Resources) -> None:
    """Watch the library, and encode what could not be found once it is back."""
    jobs = await asyncio.to_thread(JobsClient, jobs_url(resources.settings))
    media, catalog = wire_sources(resources, queue=jobs)
    folders = resources.settings.library
    if folders:
        log.info("watching the library", folders=folders)
    watchers = [LibraryWatcher(Path(one), catalog.service, every_s=catalog.settings.scan_s) for one in folders]
    try:
        await media.service.queue_again()
        await asyncio.gather(
            _for_ever(media.service.retry_returned, every_s=RETURNED_EVERY_S),
            _for_ever(lambda: media.service.reclaim(catalog.service.find_there), every_s=RECLAIM_EVERY_S),
            *(watcher.watch() for watcher in watchers),
        )
    finally:
        jobs.close()


async def _for_ever(work: Callable[[], Awaitable[None]], *, every_s: float) -> None:
    while True:
        try:
            await work()
        except ReelwrightError as error:
            log.warning("the sources and what was made of them are not looked after", problem=str(error))
        await asyncio.sleep(every_s)
