"""One suite for every store of limits, on the real engine: the same answers as the step functions, all or nothing."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.engines import RedisCluster, drop_database, new_database

from reelwright.kernel.clock import VirtualClock
from reelwright.limits import Ask, Limit, Limits, MemoryStore
from reelwright.limits.adapters.cluster import RedisClusterStore
from reelwright.limits.adapters.postgres import PostgresStore, install
from reelwright.limits.adapters.redis import RedisStore
from reelwright.limits.adapters.sqlite import SqliteStore
from reelwright.limits.contract import ALGORITHMS, NEVER, Algorithm
from reelwright.limits.core.algorithms import compiled, decide
from reelwright.limits.core.rules import read_rules
from reelwright.limits.core.store_time import TICKS_A_SECOND
from reelwright.limits.ports import Store
from reelwright.limits.service import Described

pytestmark = pytest.mark.anyio
S = 10**9
SHARED_STORES = ("sqlite", "postgres", "redis", "cluster")
LONG_S = 30.0
"""Under a virtual clock nothing is late: the machine may be as slow as it likes."""


class Opened:
    """A store that lives by a virtual clock, and new stores on the same engine."""

    def __init__(self, name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.name = name
        self.clock = VirtualClock()
        self._request = request
        self._path = tmp_path / "limits.sqlite"
        self._stores: list[Store] = []
        self._database = ""

    async def open(self, clock: VirtualClock | None = None) -> Any:
        """One store more, on the same counters."""
        options: dict[str, Any] = {"clock": clock or self.clock, "timeout_s": LONG_S, "slack_s": 0}
        store: Any
        if self.name == "memory":
            store = MemoryStore(clock=clock or self.clock)
        elif self.name == "sqlite":
            store = SqliteStore(self._path, clock=clock or self.clock, boot="one")
        elif self.name == "redis":
            store = RedisStore(self._request.getfixturevalue("redis_server"), **options)
        elif self.name == "cluster":
            cluster: RedisCluster = self._request.getfixturevalue("redis_cluster")
            store = RedisClusterStore(cluster.urls, **options)
        else:
            if not self._database:
                self._database = new_database(self._request.getfixturevalue("postgres_server"))
                await install(self._database)
            store = PostgresStore(self._database, **options)
        self._stores.append(store)
        return store

    async def close(self) -> None:
        """Close all, and remove what was made."""
        for store in self._stores:
            await store.close()
        if self._database:
            drop_database(self._request.getfixturevalue("postgres_server"), self._database)


@pytest.fixture(params=("memory", *SHARED_STORES))
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """Each engine in turn."""
    found = Opened(request.param, request, tmp_path)
    yield found
    await found.close()


def some_key() -> str:
    """A key that no other test asks for."""
    return f"d|6:tenant8:{secrets.token_hex(4)}|k"


def a_limit(algorithm: Algorithm, count: int, period_ns: int, burst: int = 0) -> Limit:
    """A limit under a name of its own."""
    return Limit(
        name=secrets.token_hex(4), count=count, period_ns=period_ns, algorithm=algorithm, burst=burst, cells=7
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_store_answers_as_the_step_function_does(opened: Opened, algorithm: Algorithm) -> None:
    """Hundreds of requests, refunds and charges on a virtual clock: each number equal."""
    store, key = await opened.open(), some_key()
    dice = random.Random(7)
    burst = 4 if algorithm in ("gcra", "leaky") else 0
    limits = [a_limit(algorithm, 5, 10 * S, burst), a_limit(algorithm, 0, S)]
    await store.decide([Ask(a_limit("gcra", 1, S), key)])
    began = now_of(opened, store)
    rules = [compiled(limit, ticks_of(opened)) for limit in limits]
    states = [rule.empty for rule in rules]
    for turn in range(150):
        gap_ns = dice.choice((0, 0, 250, 10**8, 7 * 10**8, 3 * S, 25 * S)) if turn else 0
        opened.clock.advance(gap_ns / 1e9)
        began += gap_ns // tick_of(opened)
        which = 1 if dice.random() < 0.1 else 0
        if dice.random() < 0.2:
            delta = dice.choice((-2, -1, 1, 2))
            await store.settle([Ask(limits[which], key, delta)])
            states[which] = rules[which].settle(states[which], began, delta)
            continue
        cost = dice.choice((0, 1, 1, 1, 2, 3, 6))
        after, expected = decide([rules[which]], [states[which]], began, [cost], [False])
        states[which] = after[0] if after else states[which]
        told = (await store.decide([Ask(limits[which], key, cost)]))[0]
        assert told == in_ns(opened, expected[0]), f"turn {turn}"


def ticks_of(opened: Opened) -> int:
    """Ticks a second of the store's clock."""
    return 10**9 if opened.name == "memory" else TICKS_A_SECOND


def tick_of(opened: Opened) -> int:
    """Nanoseconds a tick."""
    return 10**9 // ticks_of(opened)


def in_ns(opened: Opened, outcome: tuple[bool, int, int, int]) -> tuple[bool, int, int, int]:
    """Ticks as nanoseconds."""
    allowed, remaining, wait, reset = outcome
    tick = tick_of(opened)
    return allowed, remaining, wait if wait == NEVER else wait * tick, reset * tick


def now_of(opened: Opened, store: Any) -> int:
    """The store's time in its ticks."""
    if opened.name in ("memory", "sqlite"):
        return opened.clock.monotonic_ns() // tick_of(opened)
    if opened.name == "cluster":
        (known,) = store._times.values()
        return cast(int, known.ticks)
    return cast(int, store.time().ticks)


async def test_a_denied_request_is_charged_nowhere(opened: Opened) -> None:
    """Eight limits in one trip: where one refuses, the others have what they had; a shadow refuses nothing."""
    store, key = await opened.open(), some_key()
    limits = [a_limit(ALGORITHMS[number % 6], 10, 3600 * S) for number in range(7)]
    tight = a_limit("gcra", 1, 3600 * S)
    asks = [*(Ask(limit, key) for limit in limits), Ask(tight, key)]
    first = await store.decide(asks)
    assert all(outcome[0] for outcome in first)
    for _ in range(3):
        again = await store.decide(asks)
        assert [outcome[0] for outcome in again] == [True] * 7 + [False]
        assert [outcome[1] for outcome in again[:7]] == [9] * 7
    shadowed = await store.decide([*asks[:7], Ask(tight, key, 1, True)])
    assert [outcome[0] for outcome in shadowed] == [True] * 7 + [False]
    assert [outcome[1] for outcome in shadowed[:7]] == [8] * 7


@pytest.mark.parametrize("opened", SHARED_STORES, indirect=True)
async def test_two_processes_share_one_limit(opened: Opened) -> None:
    """Under pressure from four connections, exactly the count is admitted."""
    key, limit = some_key(), a_limit("window", 50, 3600 * S)
    stores = [await opened.open() for _ in range(4)]

    async def press(store: Store) -> int:
        outcomes = [await store.decide([Ask(limit, key)]) for _ in range(40)]
        return sum(outcome[0][0] for outcome in outcomes)

    admitted = await asyncio.gather(*(press(store) for store in stores))
    assert sum(admitted) == 50


async def test_requests_of_one_tick_on_one_key_are_decided_one_after_another(opened: Opened) -> None:
    """What travels together still takes turns: five of twenty on one key, however they are batched."""
    store, key, limit = await opened.open(), some_key(), a_limit("gcra", 5, 3600 * S)
    outcomes = await asyncio.gather(*(store.decide([Ask(limit, key)]) for _ in range(20)))
    assert sorted(outcome[0][1] for outcome in outcomes if outcome[0][0]) == [0, 1, 2, 3, 4]
    assert sum(not outcome[0][0] for outcome in outcomes) == 15


@pytest.mark.parametrize("step_s", [-3600.0, -2.0, 2.0, 3600.0])
async def test_the_wall_clock_of_a_caller_enters_nothing(opened: Opened, step_s: float) -> None:
    """A caller whose wall clock is off by an hour, or steps, gets the same answers as one whose is right."""
    key, limit = some_key(), a_limit("window", 3, 60 * S)
    wrong = VirtualClock(wall_ns=opened.clock.wall_ns() + round(step_s * 1e9))
    store = await opened.open(opened.clock if opened.name == "memory" else wrong)
    outcomes = [(await store.decide([Ask(limit, key)]))[0][0] for _ in range(4)]
    wrong.step_wall(step_s)
    opened.clock.step_wall(step_s)
    outcomes += [(await store.decide([Ask(limit, key)]))[0][0] for _ in range(2)]
    assert outcomes == [True, True, True, False, False, False]


async def test_another_strategy_on_a_live_store_begins_anew(opened: Opened) -> None:
    """The defect of PyPI limits: fixed and moving window share a key, and the second raises WRONGTYPE."""
    store, key = await opened.open(), some_key()
    for algorithm in (*ALGORITHMS, *reversed(ALGORITHMS)):
        limit = Limit(name="x", count=50, period_ns=3600 * S, algorithm=algorithm)
        assert (await store.decide([Ask(limit, key)]))[0][0], algorithm


@pytest.mark.parametrize("key", ["\x00", "🎬", "\ud800", "", "a\r\n$1\r\nb", "'; DROP TABLE state; --", "{x}{y}"])
async def test_hostile_keys_are_keys(opened: Opened, key: str) -> None:
    """Each is counted under its own name."""
    store, limit = await opened.open(), a_limit("gcra", 2, 3600 * S)
    assert [(await store.decide([Ask(limit, key)]))[0][0] for _ in range(3)] == [True, True, False]
    assert (await store.decide([Ask(limit, key + "y")]))[0][0]


async def test_what_was_charged_beyond_a_lifetime_is_still_owed(opened: Opened) -> None:
    """A request that cost a hundred times its reservation is paid off by the time it was told, not by being away."""
    store, key = await opened.open(), some_key()
    for algorithm in ("gcra", "leaky"):
        limit = a_limit(algorithm, 10, 60 * S)
        await store.decide([Ask(limit, key)])
        await store.settle([Ask(limit, key, 999)])
        allowed, _, wait_ns, _ = (await store.decide([Ask(limit, key)]))[0]
        assert (allowed, wait_ns) == (False, 5946 * S)
        for _ in range(9):
            opened.clock.advance(600)
            await store.decide([Ask(limit, f"{key}{number}") for number in range(5)])  # others come and are forgotten
        assert (await store.decide([Ask(limit, key)]))[0][:3] == (False, 0, 546 * S), algorithm
        opened.clock.advance(546)
        assert (await store.decide([Ask(limit, key)]))[0][0], algorithm


async def test_a_cost_above_the_burst_can_never_be_admitted(opened: Opened) -> None:
    """And says so, whatever the algorithm; it charges nothing."""
    store, key = await opened.open(), some_key()
    for algorithm in ALGORITHMS:
        limit = a_limit(algorithm, 5, 3600 * S)
        assert (await store.decide([Ask(limit, key, 6)]))[0][:3] == (False, 5, NEVER), algorithm
        assert (await store.decide([Ask(limit, key, 10**9)]))[0][:3] == (False, 5, NEVER), algorithm


@pytest.mark.parametrize("cost", [10**13, 2**63, 10**30])
async def test_a_cost_of_any_size_is_refused(opened: Opened, cost: int) -> None:
    """2**63 wraps round where Redis reads MessagePack, and was admitted; larger numbers were an error."""
    rules = "domain: d\nhierarchy: [user]\ndescriptors: [{key: user, limit: 5/hour}]\n"
    limits = Limits(domains=read_rules([("rules", rules)]), store=await opened.open())
    user = some_key()
    answer = await limits.check({"user": user}, cost=cost)
    assert (answer.allowed, answer.wait_ns, answer.verdicts[0].remaining) == (False, NEVER, 5)
    assert not (await limits.decide_each("d", [Described((("user", user),), hits=cost)]))[0].allowed
