"""Fill ahead of demand: what it saves upstream, and whether the agent keeps its rate and its window."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from reelwright.cdn.adapters.cache import DiskCache
from reelwright.cdn.adapters.fill import Filler
from reelwright.cdn.adapters.upstream import HttpFetcher, ObjectFetcher
from reelwright.cdn.contract import FillItem, FillPlan
from reelwright.cdn.core.eviction import make_policy
from reelwright.cdn.core.fill_replay import FillRule, by_day, run_days
from reelwright.cdn.core.traces import VodScenario
from reelwright.kernel.bench import Row
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import DirectoryObjects, content_name

FILL_SEEDS, FILL_DAYS, FILL_FROM = (31, 32), 6, 3
FILL_RATE_BPS = 24e6


def fill() -> Iterator[Row]:
    """An edge that is filled ahead beside one of LRU, on held-out days; and the real agent's pace and window."""
    found = [_filled(seed) for seed in FILL_SEEDS]
    note = (
        f"generated VOD, 20 % of all distinct bytes, {FILL_DAYS - FILL_FROM} held-out days after {FILL_FROM}, seeds "
        f"{FILL_SEEDS}; known before a day: plays until then and its promotions; peak: mean of each day's "
        f"busiest hour; {FillRule().policy} has what the plan leaves"
    )
    for name, at, goal in (("peak", 0, 0.6), ("total", 1, 1.05)):
        yield Row(
            id=f"fill.{name}",
            what=f"{name} upstream of a filled edge / LRU's, worst of the seeds",
            value=round(max(one[at] for one in found), 3),
            unit="share",
            op="<=",
            goal=goal,
            note=note,
        )
    error, seconds = asyncio.run(_fill_pace())
    yield Row(
        id="fill.cap_error",
        what="bytes of a real fill above rate x time, and outside of its window, as a share",
        value=round(error, 4),
        unit="share",
        op="<=",
        goal=0.01,
        note=f"{FILL_RATE_BPS / 1e6:.0f} Mb/s for {seconds:.1f} s, then the window closes for 2 s",
    )


def _filled(seed: int) -> tuple[float, float]:
    scenario = VodScenario(days=FILL_DAYS, segment_s=60.0)
    days = by_day(scenario, np.random.default_rng(seed))
    capacity = int(0.2 * sum({visit.key: visit.size for day in days for visit in day}.values()))
    run = partial(run_days, days, capacity, counts_from=FILL_FROM, scenario=scenario)
    lru, ours = run(rule=None), run(rule=FillRule())
    return ours.peak / lru.peak, ours.total / lru.total


async def _fill_pace() -> tuple[float, float]:
    """How far a fill over loopback goes beyond its rate or its window, and how long it was watched."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        objects = DirectoryObjects(folder / "media")
        items = []
        for number in range(40):
            data = bytes([number]) * 500_000
            name = content_name("assets/a", data, ".m4s")
            objects.put(name, data)
            items.append(FillItem(name, len(data)))
        minute = [10.0]
        cache = DiskCache(
            folder / "cache",
            policy=make_policy("lru", 1 << 30),
            fetcher=ObjectFetcher(objects),
            monotonic_ns=time.monotonic_ns,
            budget_bytes=1 << 30,
        )
        clock = SystemClock()
        peers = HttpFetcher((), keys=KeyRing.generate(), clock=clock)
        filler = Filler(
            cache, ObjectFetcher(objects), peers=peers, folder=folder / "f", clock=clock, minute=lambda: minute[0]
        )
        filler.follow(FillPlan(id="p", items=items, window=(0, 20), rate_bps=FILL_RATE_BPS))
        task = asyncio.create_task(filler.run())
        began = time.monotonic()
        await asyncio.sleep(4)
        seconds, inside = time.monotonic() - began, filler.fetched_bytes
        minute[0] = 30.0
        await asyncio.sleep(2)
        outside = filler.fetched_bytes - inside
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cache.close()
        await peers.close()
    allowed = seconds * FILL_RATE_BPS / 8
    return max(0.0, inside - allowed) / allowed + outside / allowed, seconds
