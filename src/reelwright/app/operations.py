"""What the web process can say about the service it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from reelwright.app.incidents import read_incidents
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.operations import Incident, ProcessState, read_processes
from reelwright.kernel.system import Health, System

ANSWER_S = 1.0
"""A part that has not said how it is within this time is down."""


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
        """One line a system."""
        return await asyncio.gather(*(_ask(system) for system in self._systems))


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
