"""How media is wired: a service in every process that asks, a workshop in workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.kernel.system import Health, Resources
from reelwright.media.contract import ENDED, RenditionPublished
from reelwright.media.ports import JobQueue
from reelwright.media.service import MediaService
from reelwright.media.settings import MediaSettings

MIGRATIONS = "reelwright.media"


class MediaSystem:
    """Media in a process that queues and looks."""

    name = "media"

    def __init__(self, resources: Resources, *, queue: JobQueue) -> None:
        self.service = MediaService(
            database=resources.database, objects=resources.objects, clock=resources.clock, queue=queue
        )

    def routes(self) -> Sequence[Any]:
        """The routes of encodes."""
        from reelwright.media.api import MediaJobs

        return [MediaJobs]

    async def start(self) -> None:
        """Nothing runs in the background here."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        """Degraded while an encode waits for something, or the last encodes failed."""
        encodes = await self.service.list_progress(limit=5)
        waiting = next((row for row in encodes if row.stage not in ENDED and row.problem), None)
        if waiting:
            return Health(
                system=self.name,
                state="degraded",
                says=f"the encode of {waiting.source_name} is {waiting.problem}",
                do="do what it says; the encode goes on by itself",
            )
        ended = [row for row in encodes if row.stage in ENDED]
        failed = [row for row in ended if row.stage == "failed"]
        if ended and len(failed) == len(ended):
            return Health(
                system=self.name,
                state="degraded",
                says=f"the last {len(failed)} encodes failed: {failed[0].problem}",
                do="open Studio → Jobs, see the reason, then retry",
            )
        return Health(system=self.name, state="ok")


def open_worker(resources: Resources, published: RenditionPublished) -> MediaSettings:
    """Prepare this process to run encodes; returns the settings that say how many at once."""
    from reelwright.media import jobs
    from reelwright.media.core.ladder import LADDERS
    from reelwright.media.core.plan import LadderPlanner

    settings = resources.source.section("media", MediaSettings)
    jobs.open_workshop(
        jobs.Workshop(
            database=resources.database,
            objects=resources.objects,
            clock=resources.clock,
            planner=LadderPlanner(
                ladder=LADDERS[settings.ladder](),
                codecs=settings.codecs,
                preset=settings.preset,
                threads=settings.threads,
            ),
            fitted=settings.ladder == "fitted",
            published=published,
            work=resources.data / "work",
        )
    )
    return settings
