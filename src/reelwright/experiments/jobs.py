"""What the worker does for experiments, again and again: measure those that run, and stop what does harm.

Nothing durable: a round that a crash cut short is done by the next one.
"""

from __future__ import annotations

import asyncio

from reelwright.experiments.service import ExperimentsService
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.telemetry import logger

log = logger(__name__)


async def guard_for_ever(service: ExperimentsService, *, every_s: float, calibrate_s: float) -> None:
    """Measure and guard every `every_s` seconds, and make A/A tests every `calibrate_s`, until cancelled."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        try:
            await service.look()
            for key in await service.guard():
                log.warning("experiment_stopped", experiment=key)
            if loop.time() >= due:
                due = loop.time() + calibrate_s
                for one in await service.calibrate():
                    if one.is_off:
                        log.warning("tests_not_calibrated", metric=one.metric, called=one.called, p=one.p)
        except ReelwrightError as error:
            log.warning("experiments_not_measured", problem=str(error))
        await asyncio.sleep(every_s)
