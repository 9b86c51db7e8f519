"""A store that fails in every way: nobody waits, nobody gets an error, no window holds more than the limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.engines import RedisServer

from reelwright.kernel.clock import VirtualClock
from reelwright.limits import Ask, Limit
from reelwright.limits.adapters.guarded import GuardedStore
from reelwright.limits.adapters.redis import RedisStore
from reelwright.limits.benches.faulty_store import FAULTS, FaultyStore
from reelwright.limits.contract import Algorithm, Outage, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome

pytestmark = pytest.mark.anyio
S = 10**9
LIMIT = Limit(name="x", count=40, period_ns=3600 * 10**9, algorithm="window")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may break."""
    found = RedisServer()
    yield found
    found.remove()


@pytest.fixture
async def door(server: RedisServer) -> AsyncIterator[FaultyStore]:
    """A way to it that can be made to fail."""
    found = FaultyStore(server.url)
    await found.start()
    yield found
    await found.stop()


async def ready(url: str, nodes: int, timeout_s: float = 5.0) -> list[GuardedStore]:
    """Nodes that have reached the store."""
    found = [GuardedStore(RedisStore(url, timeout_s=timeout_s), nodes=nodes) for _ in range(nodes)]
    for node in found:
        await node.decide([Ask(Limit(name="warm", count=9, period_ns=10**9), "k")])
    return found


async def press(nodes: list[GuardedStore], ask: Ask, times: int) -> int:
    """What all nodes together admit."""
    admitted = 0
    for _ in range(times):
        for node in nodes:
            admitted += (await node.decide([ask]))[0][0]
    return admitted


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_window_in_which_the_store_fails_holds_the_limit_and_no_more(door: FaultyStore, fault: str) -> None:
    """What was admitted through the store counts against each node's share of what it may admit without."""
    nodes = await ready(door.url, 4, timeout_s=0.2)
    before = await press(nodes, Ask(LIMIT, fault), 5)
    await door.fail(fault)
    after = await press(nodes, Ask(LIMIT, fault), 30)
    assert (before, before + after) == (20, 40)
    assert not any(node.available for node in nodes)
    for node in nodes:
        await node.close()


@pytest.mark.parametrize(("rule", "admitted"), [("open", 30), ("closed", 0), ("share", 20)])
async def test_each_rule_says_what_happens_without_the_store(door: FaultyStore, rule: Outage, admitted: int) -> None:
    """All, none, or this node's share; a closed one says when to come again."""
    (node,) = await ready(door.url, 1)
    node._nodes = 2
    await door.fail("refused")
    ask = Ask(LIMIT, "k", 1, False, rule)
    outcomes = [(await node.decide([ask]))[0] for _ in range(30)]
    assert sum(outcome[0] for outcome in outcomes) == admitted
    assert all(outcome[0] or outcome[2] > 0 for outcome in outcomes)
    mixed = await node.decide([Ask(LIMIT, "other"), Ask(LIMIT, "k", 1, False, "closed")])
    again = await node.decide([Ask(LIMIT, "other")])
    assert [outcome[0] for outcome in mixed] == [True, False]
    assert again[0][1] == mixed[0][1] - 1, "what was refused as a whole was charged nowhere"
    await node.close()


async def test_nobody_waits_for_a_store_that_does_not_answer(door: FaultyStore) -> None:
    """The first call waits for the timeout; a hundred later ones do not even give the loop away."""
    (node,) = await ready(door.url, 1, timeout_s=0.2)
    await door.fail("black hole")
    await node.decide([Ask(LIMIT, "k")])
    others = 0

    async def count() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for _ in range(100):
        await node.decide([Ask(LIMIT, "k")])
    assert others == 0
    counting.cancel()
    await node.close()


async def test_a_store_that_comes_back_empty_is_told_what_was_taken(server: RedisServer) -> None:
    """After the restart, all nodes together get what the window still holds."""
    nodes = await ready(server.url, 2)
    assert await press(nodes, Ask(LIMIT, "k"), 15) == 30
    server.stop()
    during = await press(nodes, Ask(LIMIT, "k"), 2)
    server.start()
    while not all(node.available for node in nodes):
        await asyncio.sleep(0.05)
    assert during == 4 and await press(nodes, Ask(LIMIT, "k"), 20) == 6
    for node in nodes:
        await node.close()


async def test_nodes_hear_of_each_other_through_the_store(server: RedisServer) -> None:
    """A third node is counted when it comes; its presence ends with it."""
    nodes = await ready(server.url, 3)
    while any(node.nodes != 3 for node in nodes):
        await nodes[0]._probe(True)
        await asyncio.sleep(0.05)
    for node in nodes:
        await node.close()


@pytest.mark.parametrize("algorithm", ["window", "gcra", "fixed", "counter", "log"])
async def test_what_a_node_counted_stays_counted_when_nodes_come_and_go(algorithm: Algorithm) -> None:
    """Four nodes become two and three again: no node admits anew what it has admitted already."""
    clock = VirtualClock()
    limit = Limit(name="x", count=40, period_ns=3600 * S, algorithm=algorithm)
    node = GuardedStore(Down(), nodes=4, clock=clock)
    assert await press([node], Ask(limit, "k"), 30) == 10
    assert hear(node, 2) == 2
    assert await press([node], Ask(limit, "k"), 30) == 10, "twenty of forty, ten of which it had"
    assert hear(node, 3) == 3
    assert await press([node], Ask(limit, "k"), 30) == 0
    assert await press([node], Ask(limit, "another"), 30) == 13
    assert {key: used for _, key, used in node._taken()} == {"k": 20, "another": 13}
    clock.advance(3 * 3 * 3600)
    assert await press([node], Ask(limit, "k"), 30) == 13 and not node._former
    await node.close()


async def test_a_slot_that_is_held_while_nodes_come_is_given_back_once() -> None:
    """Concurrency is counted on, too."""
    limit = Limit(name="c", count=8, period_ns=3600 * S, algorithm="concurrency")
    node = GuardedStore(Down(), nodes=4, clock=VirtualClock())
    assert await press([node], Ask(limit, "k"), 3) == 2
    hear(node, 2)
    assert await press([node], Ask(limit, "k"), 3) == 2
    await node.settle([Ask(limit, "k", -1)] * 4)
    assert await press([node], Ask(limit, "k"), 9) == 4
    await node.close()


class Down:
    """A store that never answers."""

    async def decide(self, asks: object) -> list[Outcome]:
        """Not now."""
        raise StoreUnavailable("down")

    async def settle(self, asks: object) -> None:
        """Not now."""
        raise StoreUnavailable("down")

    async def close(self) -> None:
        """Nothing is held."""


def hear(node: GuardedStore, nodes: int) -> int:
    """Tell a node so often how many there are that it believes it."""
    for _ in range(5):
        node._hear(nodes)
    return node.nodes
