"""How the lake is wired: asked in the web process, kept in the worker."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reelwright.events.adapters.bus import bus_of, open_reader
from reelwright.events.adapters.reader import Reader
from reelwright.events.core.frame import Position
from reelwright.events.settings import EventsSettings
from reelwright.kernel.database import Database
from reelwright.kernel.system import Health, Resources
from reelwright.kernel.telemetry import logger
from reelwright.lake.adapters import sql
from reelwright.lake.service import LakeService, is_installed
from reelwright.lake.settings import LakeSettings

if TYPE_CHECKING:
    from reelwright.lake.jobs import Keeper

MIGRATIONS = "reelwright.lake"
TIDY_S = 60.0
FORGET_S = 120.0
ERASE_S = 20.0
GRACE_S = 600.0
"""How old a file must be that no snapshot names, before an erasure takes it for nobody's."""
AGAIN_S = 5.0
ANSWER_S = 0.8
"""How long health waits for what may be on other machines; within the second that all of it may take."""
Projected = Callable[[], Awaitable[Mapping[str, Position]]]
"""How far the projections of events are in each log."""
log = logger(__name__)


class LakeSystem:
    """The lake for those who ask."""

    name = "lake"

    def __init__(self, resources: Resources) -> None:
        self.service = LakeService(
            folder=resources.data / "lake",
            events=bus(resources),
            settings=resources.source.section("lake", LakeSettings),
            clock=resources.clock,
            database=resources.database,
        )
        self._asked: asyncio.Task[str] | None = None

    def routes(self) -> Sequence[Any]:
        """Analytics."""
        from reelwright.lake.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Nothing runs until somebody asks."""

    async def stop(self) -> None:
        """End the process that answers questions."""
        await self.service.stop()

    async def health(self) -> Health:
        """Degraded while acknowledged events do not reach the tables, or where they lie does not answer."""
        problem = await self._problem() if self.service.is_kept else ""
        if problem:
            do = "look at the worker's log; the events stay in their log, and nothing is lost meanwhile"
            return Health(system=self.name, state="degraded", says=problem, do=do)
        return Health(system=self.name, state="ok")

    async def _problem(self) -> str:
        """One question at a time: a store that hangs would take all threads, of which others need some, too."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(asyncio.to_thread(self.service.problem))
        answered, _ = await asyncio.wait({self._asked}, timeout=ANSWER_S)
        return self._asked.result() if answered else "the bus, the catalog or the warehouse does not answer"


def bus(resources: Resources) -> str:
    """Where events lie."""
    return bus_of(resources.source.section("events", EventsSettings), resources.data / "events")


async def keep(resources: Resources, projected: Projected) -> None:
    """Keep the tables, for ever; where the extra is missing or the lake is off, wait and do nothing."""
    settings = resources.source.section("lake", LakeSettings)
    reader = open_reader(bus(resources))
    if not settings.enabled or not is_installed():
        await asyncio.Event().wait()
    while not await asyncio.to_thread(_has_events, reader):
        await asyncio.sleep(settings.commit_s)
    while True:
        try:
            keeper = await asyncio.to_thread(_open, resources, settings, reader)
            await _keep(keeper, settings, projected, resources.database)
        except Exception as error:
            # Whatever is wrong, the log keeps everything: open the tables anew and go on from their offsets.
            log.warning("the lake waits", problem=str(error))
            await asyncio.sleep(AGAIN_S)


def _has_events(reader: Reader) -> bool:
    return any(
        reader.durable(source) > (1, 0) for failed in (False, True) for source in reader.sources(failed=failed)
    )


def _open(resources: Resources, settings: LakeSettings, reader: Reader) -> Keeper:
    from reelwright.lake.jobs import Keeper

    return Keeper(resources.data / "lake", events=reader, settings=settings, clock=resources.clock)


async def _keep(keeper: Keeper, settings: LakeSettings, projected: Projected, database: Database) -> None:
    last = {"tidy": time.monotonic(), "forget": time.monotonic(), "compute": 0.0, "erase": 0.0}

    def due(what: str, every_s: float) -> bool:
        now = time.monotonic()
        is_due = now - last[what] >= every_s or last[what] == 0
        if is_due:
            last[what] = now
        return is_due

    while True:
        began = time.monotonic()
        await asyncio.to_thread(keeper.commit_all)
        if due("tidy", TIDY_S):
            await asyncio.to_thread(keeper.tidy)
        if due("compute", settings.compute_s):
            await asyncio.to_thread(keeper.compute)
        if due("erase", ERASE_S):
            await erase_all(keeper, projected, database)
        if due("forget", FORGET_S):
            await asyncio.to_thread(keeper.forget, await projected())
        await asyncio.sleep(max(0.0, settings.commit_s - (time.monotonic() - began)))


async def erase_all(keeper: Keeper, projected: Projected, database: Database, *, grace_s: float = GRACE_S) -> None:
    """Go on with every erasure that is not done; one that was cut off begins anew, and finds less to do."""
    for profile_id in await database.read(sql.open_erasures):
        step = functools.partial(keeper.erase, profile_id, await projected(), database, grace_s=grace_s)
        says = await asyncio.to_thread(step)
        await database.write(sql.note_erasure, profile_id, says, time.time_ns() // 1_000_000)
        if not says:
            await asyncio.to_thread(database.scrub)
