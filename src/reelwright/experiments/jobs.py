"""What the worker does for experiments, again and again: measure those that run, and stop what does harm.

Nothing durable: a round that a crash cut short is done by the next one.
"""

from __future__ import annotations

import asyncio

from reelwright.experiments.service import ExperimentsService
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.telemetry import logger

log = logger(__name__)


async def guard_for_ever(service: ExperimentsService, *, every_s: float) -> None:
    """Measure and guard every `every_s` seconds until cancelled."""
    while True:
        try:
            await service.look()
            for key in await service.guard():
                log.warning("experiment_stopped", experiment=key)
        except ReelwrightError as error:
            log.warning("experiments_not_measured", problem=str(error))
        await asyncio.sleep(every_s)
