"""How busy this process is: what the gate of load shedding is told of CPU."""

from __future__ import annotations

import asyncio
import os
import time

from reelwright.limits.core.shedding import Gate

EVERY_S = 0.5
NEWEST = 0.2
"""How much the newest measurement counts: a load of some seconds is seen, one page is not."""


class Cpu:
    """The part of its time that the calling thread was on a CPU, or this process on all it may use, if that is more.

    An event loop is full when its own thread is, however many cores are idle.
    """

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._last = self._read()
        self.lately = 0.0
        """From 0 to 1, an exponential average."""

    def measure(self) -> float:
        """Measure the time since the last call, and tell the average."""
        now, last = self._read(), self._last
        passed = max(1, now[0] - last[0])
        part = max((now[1] - last[1]) / passed, (now[2] - last[2]) / passed / self._cores)
        self._last = now
        self.lately += NEWEST * (min(1.0, part) - self.lately)
        return self.lately

    def _read(self) -> tuple[int, int, int]:
        return time.monotonic_ns(), time.thread_time_ns(), time.process_time_ns()


async def follow_cpu(gate: Gate, *, every_s: float = EVERY_S) -> None:
    """Tell the gate how busy this process is, until cancelled."""
    cpu = Cpu()
    while True:
        await asyncio.sleep(every_s)
        gate.cpu = cpu.measure()
