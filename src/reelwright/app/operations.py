"""What the web process can say about the service it belongs to."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from reelwright.app.incidents import read_incidents
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.operations import Incident, ProcessState, read_processes
from reelwright.kernel.system import Health, System
from reelwright.kernel.units import say_bytes

ANSWER_S = 1.0
"""A part that has not said how it is within this time is down."""

LEAST_BYTES = 100 << 20
"""With less on the disk of the data folder it is soon full."""


class ServiceOperations:
    """Implements `Operations` from the supervisor's files and the systems of this process."""

    def __init__(self, run_folder: Path, systems: Sequence[System]) -> None:
        self._folder = run_folder
        self._systems = systems

    def processes(self) -> Sequence[ProcessState]:
        """The processes of this machine's supervisor."""
        return read_processes(self._folder)

    def incidents(self) -> Sequence[Incident]:
        """Deaths of processes, the newest first."""
        return read_incidents(self._folder)[::-1]

    async def health(self) -> Sequence[Health]:
        """One line a system; first the disk, where that is the cause of what the systems say."""
        return [*_disk(self._folder.parent), *await asyncio.gather(*(_ask(system) for system in self._systems))]


def _disk(data: Path) -> list[Health]:
    free = shutil.disk_usage(data).free
    if free >= LEAST_BYTES:
        return []
    says = f"the disk of {data} has {say_bytes(free)} left; once it is full nothing can be saved or signed in to"
    return [Health(system="disk", state="degraded", says=says, do="free some; all goes on by itself then")]


async def _ask(system: System) -> Health:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await system.health()
    except TimeoutError:
        return Health(
            system=system.name,
            state="down",
            says=f"no answer within {ANSWER_S:.0f} s",
            do="look at the log for what it waits for",
        )
    except ReelwrightError as error:
        return Health(system=system.name, state="down", says=str(error), do="the message says what is missing")
