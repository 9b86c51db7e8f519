"""A sample of decisions, told to whoever keeps them: one in so many, with what it was decided on.

Between two of them a decision costs one subtraction more. They wait a second and are told together; where they are
not taken, or more come than have room, they are lost, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.telemetry import logger
from reelwright.limits.contract import Ask
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.logged import Decided, decided
from reelwright.limits.core.step import State
from reelwright.limits.ports import Tell

TELL_S = 1.0
MOST = 500
LOG = logger(__name__)


class Sample:
    """Keeps every `every`th decision until it is told. Belongs to one event loop."""

    def __init__(self, tell: Tell, *, every: int) -> None:
        self._tell = tell
        self.every = every
        self.until = every
        """Decisions until the next that is kept."""
        self._kept: list[Decided] = []
        self._telling: asyncio.Task[None] | None = None

    def keep(self, now_ns: int, asks: Sequence[Ask], states: Sequence[State], outcomes: Sequence[Outcome]) -> None:
        """One decision; begins to count anew."""
        self.until = self.every
        if len(self._kept) < MOST:
            self._kept.append(decided(now_ns, asks, states, outcomes))

    async def start(self) -> None:
        """Begin to tell."""
        self._telling = asyncio.create_task(self._tell_for_ever())

    async def stop(self) -> None:
        """Tell what there is, and end."""
        if self._telling is not None:
            self._telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._telling
        await self.flush()

    async def flush(self) -> None:
        """Tell what was kept."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        try:
            await self._tell(kept)
        except ReelwrightError as error:
            LOG.warning("decisions_lost", count=len(kept), problem=str(error))

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            await self.flush()
