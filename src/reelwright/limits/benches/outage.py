"""Outages of the store: who waits, who is refused, what is admitted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec

from reelwright.kernel.bench import Row
from reelwright.limits.adapters.guarded import GuardedStore
from reelwright.limits.api import LimitsMiddleware
from reelwright.limits.benches import NODES, PLENTY
from reelwright.limits.benches.door import RULES, plain_app, request
from reelwright.limits.benches.faulty_store import FAULTS, FaultyStore
from reelwright.limits.benches.peers import ASYNC_PEERS, PEERS_LINE, Decide
from reelwright.limits.benches.redis_server import REDIS_LINE, redis_program, redis_server
from reelwright.limits.contract import Ask, Limit
from reelwright.limits.core.rules import read_rules
from reelwright.limits.service import Limits

OUTAGE_S = 1.5
PEER_MOST_S = 5.0
"""Nobody waits longer for a peer."""
OUTAGE_LIMIT = Limit(name="outage", count=400, period_ns=60 * 10**9, algorithm="window")


def outage() -> Iterator[Row]:
    """Four nodes at one limit, and a store that fails in five ways and once comes back empty."""
    program = redis_program()
    if program is None:
        yield Row(id="outage.first_call", what="not measured", value=None, unit="", note=REDIS_LINE)
        return
    with redis_server(program) as url:
        found = {fault: asyncio.run(_outage(url, fault)) for fault in FAULTS}
        peers = {name: asyncio.run(_peer_outages(url, make)) for name, make in ASYNC_PEERS.items()}
    restarted = asyncio.run(_empty_restart(program))
    worst = max(found, key=lambda fault: found[fault].first_ms)
    known = {name: max(ms for ms, _ in one.values()) for name, one in peers.items() if one}
    best = min(known, key=lambda name: known[name], default="")
    yield Row(
        id="outage.first_call",
        what="first call of an outage, the worst of " + ", ".join(FAULTS),
        value=round(found[worst].first_ms, 1),
        unit="ms",
        op="<=",
        goal=50,
        peer=best,
        peer_value=known[best] if best else None,
        note="; ".join(f"{fault} {one.first_ms:.1f}" for fault, one in found.items()),
    )
    yield Row(
        id="outage.later_calls",
        what="99 % of calls after the breaker opened",
        value=round(max(one.later_ms for one in found.values()), 3),
        unit="ms",
        op="<=",
        goal=1,
        note=f"worst of all {max(one.worst_ms for one in found.values()):.1f} ms",
    )
    yield Row(
        id="outage.admitted",
        what=f"admitted by {NODES} nodes in one window that the outage begins in / limit",
        value=max(one.admitted for one in found.values()) / OUTAGE_LIMIT.count,
        unit="of the limit",
        op="<=",
        goal=1.0,
    )
    yield Row(
        id="outage.after_empty_restart",
        what="admitted in one window in which the store lost everything / limit",
        value=restarted / OUTAGE_LIMIT.count,
        unit="of the limit",
        op="<=",
        goal=1.1,
    )
    yield Row(
        id="outage.errors",
        what="exceptions and 5xx at the door during all outages",
        value=sum(one.errors for one in found.values()),
        unit="",
        op="==",
        goal=0,
        peer="limits.aio, throttled.asyncio",
        note="; ".join(f"{name}: {_said(one)}" for name, one in peers.items() if one) or PEERS_LINE,
    )


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """What happened while the store failed."""

    first_ms: float
    later_ms: float
    worst_ms: float
    admitted: int
    errors: int


async def _outage(url: str, fault: str) -> Outage:
    """Half of the limit is used up through the store, then it fails while four nodes press on."""
    door_ = FaultyStore(url)
    await door_.start()
    nodes, key = await _nodes(door_.url), f"{fault} {time.monotonic_ns()}"
    ask = [Ask(OUTAGE_LIMIT, key)]
    admitted = 0
    for number in range(OUTAGE_LIMIT.count // 2):
        admitted += (await nodes[number % NODES].decide(ask))[0][0]
    await door_.fail(fault)
    first, later, errors = [], [], 0
    for node in nodes:
        begun = time.perf_counter()
        admitted += (await node.decide(ask))[0][0]
        first.append((time.perf_counter() - begun) * 1e3)
    until = time.monotonic() + OUTAGE_S
    while time.monotonic() < until:
        for node in nodes:
            begun = time.perf_counter()
            admitted += (await node.decide(ask))[0][0]
            later.append((time.perf_counter() - begun) * 1e3)
        errors += await _door_errors(nodes[0])
        await asyncio.sleep(0.001)
    for node in nodes:
        await node.close()
    await door_.stop()
    later.sort()
    return Outage(
        first_ms=max(first),
        later_ms=later[len(later) * 99 // 100],
        worst_ms=later[-1],
        admitted=admitted,
        errors=errors,
    )


async def _peer_outages(url: str, make: Callable[[str], Decide]) -> dict[str, tuple[float, str]]:
    """By fault, ms of a peer's first call, PEER_MOST_S at most, and what came of it; nothing where it is missing."""
    found = {}
    for fault in FAULTS:
        store = FaultyStore(url)
        await store.start()
        try:
            decide = make(store.url)
        except ImportError:
            return {}
        await decide("warm")
        await store.fail(fault)
        begun, came = time.perf_counter(), "an answer"
        try:
            async with asyncio.timeout(PEER_MOST_S):
                await decide("key")
        except TimeoutError:
            came = "nothing"
        except Exception as error:
            came = type(error).__name__
        found[fault] = (round((time.perf_counter() - begun) * 1e3, 1), came)
        await store.stop()
    return found


def _said(one: dict[str, tuple[float, str]]) -> str:
    return ", ".join(f"{fault} {came} after {ms:.0f} ms" for fault, (ms, came) in one.items())


async def _door_errors(node: GuardedStore) -> int:
    """1 where a request at the door ends in an exception or a 5xx."""
    limits = Limits(store=node, domains=read_rules([("bench", RULES)]))
    try:
        await request(LimitsMiddleware(plain_app, limits=limits))
    except Exception:
        return 1
    return 0


async def _empty_restart(program: str) -> int:
    """What is admitted in one window in which the store is killed and comes back empty."""
    with redis_server(program) as url:
        nodes, ask, admitted = await _nodes(url), [Ask(OUTAGE_LIMIT, "restart")], 0
        for number in range(OUTAGE_LIMIT.count * 3 // 4):
            admitted += (await nodes[number % NODES].decide(ask))[0][0]
        port = int(url.rsplit(":", 1)[1])
    with redis_server(program, port):
        for node in nodes:
            admitted += (await node.decide(ask))[0][0]
        until = time.monotonic() + 30
        while time.monotonic() < until and not all(node.available for node in nodes):
            for node in nodes:
                admitted += (await node.decide(ask))[0][0]
            await asyncio.sleep(0.001)
        for _ in range(OUTAGE_LIMIT.count):
            for node in nodes:
                admitted += (await node.decide(ask))[0][0]
        for node in nodes:
            await node.close()
    return admitted


async def _nodes(url: str) -> list[GuardedStore]:
    from reelwright.limits.adapters.redis import RedisStore

    nodes = [GuardedStore(RedisStore(url), nodes=NODES) for _ in range(NODES)]
    for node in nodes:
        await node.decide([Ask(PLENTY, "warm")])
    until = time.monotonic() + 10
    while not all(node.available for node in nodes) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    return nodes
