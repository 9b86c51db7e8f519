"""Leases of one Redis that several processes press on, and of a simulation with faults."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import msgspec

from reelwright.kernel.bench import Row
from reelwright.limits.benches import NODES, PLENTY
from reelwright.limits.benches.processes import pressed_by_processes
from reelwright.limits.benches.redis_server import REDIS_LINE, redis_program, redis_server
from reelwright.limits.contract import Ask, Limit
from reelwright.limits.core.lease import bound
from reelwright.limits.replay import Faults, fullest_window, leases

LEASED = Limit(name="leased", count=1000, period_ns=10**9, burst=100)
LEASE_HOLD_S = 0.05
LEASE_SECONDS = 5
SPENT_NS = 10**6
"""Spent tokens are told by the millisecond; the windows counted are as much longer, so that none is missed."""


def lease() -> Iterator[Row]:
    """Four processes that press on one limit by leases of one Redis, for some seconds."""
    program = redis_program()
    if program is None:
        yield Row(id="lease.rate", what="not measured", value=None, unit="", note=REDIS_LINE)
        return
    with redis_server(program) as url:
        replies = pressed_by_processes(press_by_leases, [[url]] * NODES)
    told = [msgspec.json.decode(reply, type=Pressed) for reply in replies]
    spent = sorted((when, much) for one in told for when, much in one.spent)
    admitted = sum(much for _, much in spent)
    decisions, calls = sum(one.decisions for one in told), max(one.calls for one in told)
    window_ns = LEASED.period_ns
    most = bound(LEASED.count, LEASED.period_ns, LEASED.most, window_ns, round(LEASE_HOLD_S * 1e9))
    fullest = fullest_window(spent, window_ns + 2 * SPENT_NS)
    yield Row(
        id="lease.rate",
        what=f"decisions/s of {NODES} processes on one Redis, limit {LEASED.count}/s",
        value=round(decisions / LEASE_SECONDS),
        unit="/s",
        op=">=",
        goal=1_000_000,
        note=f"{sum(one.cpu_s for one in told) / decisions * 1e9:.0f} ns client CPU a decision",
    )
    yield Row(
        id="lease.calls",
        what="store calls per H per node and key",
        value=round(calls / (LEASE_SECONDS / LEASE_HOLD_S), 2),
        unit="calls",
        op="<=",
        goal=2,
    )
    yield Row(
        id="lease.bound",
        what="fullest window of 1 s / (L·(W + H) + burst), and the worst of simulations with faults",
        value=round(max(fullest / most, _worst_simulated_lease()), 4),
        unit="of the bound",
        op="<=",
        goal=1.0,
        note=f"live {fullest} of {most:.0f}",
    )
    yield Row(
        id="lease.used",
        what="of L admitted under overload",
        value=round(admitted / (LEASED.count * LEASE_SECONDS), 4),
        unit="of L",
        op=">=",
        goal=0.99,
    )


class Pressed(msgspec.Struct, frozen=True, kw_only=True):
    """What one process did by leases."""

    decisions: int
    calls: int
    cpu_s: float
    spent: list[tuple[int, int]]


def press_by_leases() -> None:
    """One of the processes: it is given a URL, says that it is ready, is told when to begin, and says what it did."""
    print(msgspec.json.encode(asyncio.run(_press_by_leases(sys.argv[1]))).decode())


async def _press_by_leases(url: str) -> Pressed:
    from reelwright.limits.adapters.leased import LeasedStore
    from reelwright.limits.adapters.redis import RedisStore

    store = LeasedStore(RedisStore(url, timeout_s=1), hold_s=LEASE_HOLD_S)
    await store.decide([Ask(PLENTY, "warm")])
    print("ready", flush=True)
    begin_ns = int(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(max(0.0, (begin_ns - time.monotonic_ns()) / 1e9))
    spent: dict[int, int] = {}
    decisions, calls, hit, now_ns = 0, store.calls, store.hit, time.monotonic_ns
    cpu_s, end_ns = time.process_time(), begin_ns + LEASE_SECONDS * 10**9
    while (now := now_ns()) < end_ns:
        admitted = 0
        for _ in range(1000):
            admitted += hit(LEASED, "key")
        decisions += 1000
        if admitted:
            when = now // SPENT_NS * SPENT_NS
            spent[when] = spent.get(when, 0) + admitted
        await asyncio.sleep(0)
    cpu_s = time.process_time() - cpu_s
    calls = store.calls - calls
    await store.close()
    return Pressed(decisions=decisions, calls=calls, cpu_s=cpu_s, spent=sorted(spent.items()))


def _worst_simulated_lease() -> float:
    faults = [
        Faults(),
        Faults(lost=0.3, doubled=0.3),
        Faults(slowest_ns=100 * 10**6, partition=True, crash=True),
    ]
    return max(
        leases(
            LEASED,
            seed=seed,
            nodes=NODES,
            hold_ns=round(LEASE_HOLD_S * 1e9),
            span_ns=4 * 10**9,
            offered_a_s=2000.0,
            faults=fault,
        ).worst
        for seed, fault in enumerate(faults)
    )
