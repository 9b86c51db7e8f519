"""Exact decisions, each of which is asked of one Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial

from reelwright.kernel.bench import Row
from reelwright.limits.benches import PLENTY, ROUNDS
from reelwright.limits.benches.peers import ASYNC_PEERS, PEERS_LINE, Decide, installed
from reelwright.limits.benches.redis_server import REDIS_LINE, redis_program, redis_server
from reelwright.limits.contract import Ask, Limit

TASKS = 64
EACH = 200


def redis_exact() -> Iterator[Row]:
    """A decision through one Redis, 64 tasks at once, against the peers' asyncio clients."""
    program = redis_program()
    if program is None:
        yield Row(id="redis_exact.rate", what="not measured", value=None, unit="", note=REDIS_LINE)
        return
    with redis_server(program) as url:
        measured, trips = asyncio.run(_through_redis(url))
    ours, peers = measured.pop("ours"), measured
    fastest = max(peers.values(), key=lambda one: one[0], default=None)
    leanest = min(peers.values(), key=lambda one: one[1], default=None)
    note = "; ".join(
        f"{name} {rate:.0f}/s {cpu * 1e6:.1f} µs" for name, (rate, cpu) in {"ours": ours, **peers}.items()
    )
    yield Row(
        id="redis_exact.rate",
        what=f"times the decisions/s of the better async peer, {TASKS} tasks",
        value=round(ours[0] / fastest[0], 2) if fastest else None,
        unit="times",
        op=">=",
        goal=8,
        peer="limits.aio, throttled.asyncio",
        peer_value=round(fastest[0]) if fastest else None,
        note=note if fastest else PEERS_LINE,
    )
    yield Row(
        id="redis_exact.client_cpu",
        what="times less client CPU a decision than the leaner async peer",
        value=round(leanest[1] / ours[1], 2) if leanest else None,
        unit="times",
        op=">=",
        goal=15,
        peer="limits.aio, throttled.asyncio",
        peer_value=round(leanest[1] * 1e6, 1) if leanest else None,
        note=note if leanest else PEERS_LINE,
    )
    yield Row(
        id="redis_exact.round_trips", what="round trips for 8 limits at once", value=trips, unit="", op="<=", goal=1
    )


async def _through_redis(url: str) -> tuple[dict[str, tuple[float, float]], int]:
    """By contender, the best decisions/s and CPU seconds a decision; and our round trips for 8 limits."""
    from reelwright.limits.adapters.redis import RedisStore

    store = RedisStore(url, timeout_s=10)
    contenders: dict[str, Decide] = {
        "ours": lambda key: store.decide([Ask(PLENTY, key)]),
        **installed({name: partial(make, url) for name, make in ASYNC_PEERS.items()}),
    }
    best: dict[str, tuple[float, float]] = {}
    for decide in contenders.values():  # connections are made, scripts are loaded
        await asyncio.gather(*(decide(f"key {number}") for number in range(TASKS)))
    for _ in range(ROUNDS):
        for name, decide in contenders.items():
            rate, cpu = await _pressed(decide, EACH * (10 if name == "ours" else 1))
            known = best.get(name, (0.0, float("inf")))
            best[name] = (max(known[0], rate), min(known[1], cpu))
    before = store.round_trips
    await store.decide([Ask(Limit(name=f"{number}", count=9, period_ns=10**9), "key") for number in range(8)])
    trips = store.round_trips - before
    await store.close()
    return best, trips


async def _pressed(decide: Decide, each: int) -> tuple[float, float]:
    async def work(task: int) -> None:
        for number in range(each):
            await decide(f"key {(task * each + number) % 1000}")

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(task) for task in range(TASKS)))
    count = each * TASKS
    return count / (time.perf_counter() - begun), (time.process_time() - cpu) / count
