"""Counters in memory: bounded, forgotten without a thread, and the same answers as without forgetting."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.limits.cases import S

from reelwright.kernel.clock import VirtualClock
from reelwright.limits import Ask, Limit, Limits, MemoryStore, TooManyRequests
from reelwright.limits.contract import Algorithm
from reelwright.limits.core.algorithms import compiled
from reelwright.limits.core.descriptors import Node, Rules, bounded, pair_of
from reelwright.limits.core.hotkeys import HotKeys
from reelwright.limits.core.rules import Domain

ONE = Limit(name="one", count=5, period_ns=10 * S)


def test_forgotten_keys_were_full_anyway() -> None:
    """Two lifetimes of silence leave nothing behind."""
    clock = VirtualClock()
    bucket = MemoryStore(clock=clock).bucket(ONE)
    for number in range(100):
        bucket.hit(f"{number}")
    assert len(bucket) == 100
    for _ in range(2):
        clock.advance(11)
        bucket.hit("x")
    assert len(bucket) <= 2


def test_memory_is_bounded_however_many_keys_come_and_no_thread_runs() -> None:
    """A flood of addresses cannot fill the machine; whoever is active is not forgotten over it."""
    bucket = MemoryStore(clock=VirtualClock(), keys_most=100).bucket(ONE)
    before = threading.active_count()
    for number in range(10_000):
        bucket.hit(f"{number}")
        allowed = bucket.hit("regular")[1]
        assert allowed == (number < 5)
        assert len(bucket) <= 102
    assert threading.active_count() == before


@pytest.mark.parametrize("algorithm", ["gcra", "window", "fixed", "counter", "log", "concurrency"])
@given(actions=st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.integers(0, 3)), max_size=80))
def test_the_store_answers_as_if_it_forgot_nothing(algorithm: Algorithm, actions: list[tuple[int, str, int]]) -> None:
    """Expiry changes no verdict: the same as the bare step function on states that are kept for ever."""
    limit = Limit(name="x", count=3, period_ns=20, algorithm=algorithm)
    rule, clock = compiled(limit), VirtualClock()
    bucket, states = MemoryStore(clock=clock).bucket(limit), {"a": rule.empty, "b": rule.empty}
    for gap, key, cost in actions:
        clock.advance(gap / 1e9)
        states[key], *expected = rule.step(states[key], clock.monotonic_ns(), cost)
        assert list(bucket.hit(key, cost)[1:]) == expected


def domain(*limits: Limit) -> dict[str, Domain]:
    """A domain whose one level has these limits."""
    node = Node(key="key", rules=Rules(limits=limits))
    return {"d": Domain(name="d", root=Node(children={pair_of("key", ""): node}), hierarchy=("key",))}


@pytest.mark.anyio
async def test_limits_and_keys_are_independent_and_a_wall_clock_that_steps_gives_nothing_away() -> None:
    """Nobody pays for another; only time that really passes fills a bucket."""
    clock = VirtualClock()
    limits = Limits(store=MemoryStore(clock=clock), domains=domain(Limit(name="a", count=1, period_ns=60 * S)))
    assert await limits.check({"key": "x"})
    assert not await limits.check({"key": "x"})
    assert await limits.check({"key": "y"})
    clock.step_wall(-7200)
    clock.step_wall(90_000)
    assert not await limits.check({"key": "x"})
    clock.advance(60)
    assert await limits.check({"key": "x"})


def test_without_an_event_loop_the_answers_are_the_same() -> None:
    """The plain API, for programs without asyncio."""
    limits = Limits(
        store=MemoryStore(clock=VirtualClock()), domains=domain(Limit(name="a", count=3, period_ns=60 * S))
    )
    assert [bool(limits.check_now({"key": "x"}, cost=cost)) for cost in (2, 2, 1)] == [True, False, True]
    assert limits.check_now({"other": "x"}).verdicts == ()


@pytest.mark.anyio
async def test_a_reservation_is_settled_by_what_it_really_cost() -> None:
    """Cost after the response: the rest is given back, more is charged, and failed work costs nothing."""
    tokens = Limit(name="tokens", count=100, period_ns=60 * S)
    held = Limit(name="held", count=1, period_ns=60 * S, algorithm="concurrency")
    store = MemoryStore(clock=VirtualClock())
    limits = Limits(store=store, domains=domain(tokens, held))

    async def left() -> list[int]:
        return [one[1] for one in await store.decide([Ask(tokens, ask_key, 0), Ask(held, ask_key, 0)])]

    ask_key = limits.policy("d", [(("key", "x"),)]).asks[0].key
    async with limits.reserve({"key": "x"}, cost=60) as reservation:
        assert await left() == [40, 0]
        with pytest.raises(TooManyRequests):
            async with limits.reserve({"key": "x"}, cost=1):
                pass
        reservation.settle(10)
    assert await left() == [90, 1]
    async with limits.reserve({"key": "x"}, cost=10) as reservation:
        reservation.settle(50)
    assert await left() == [40, 1]
    with pytest.raises(ZeroDivisionError):
        async with limits.reserve({"key": "x"}, cost=30):
            raise ZeroDivisionError
    assert await left() == [40, 1]


def test_a_strategy_that_changes_on_a_live_store_begins_anew() -> None:
    """PyPI limits shares one key between fixed and moving window, and raises WRONGTYPE until it expires."""
    store = MemoryStore(clock=VirtualClock())
    for algorithm in ("fixed", "window", "gcra", "log", "fixed"):
        limit = Limit(name="x", count=5, period_ns=60 * S, algorithm=algorithm)
        assert store.decide_now([Ask(limit, "k")])[0][0]


@pytest.mark.parametrize("key", ["x" * 10_000_000, "\x00", "🎬" * 1000, "\ud800", ""])
def test_hostile_keys_are_small_keys(key: str) -> None:
    """Ten megabytes of name cost no more than a digest, and two different ones stay different."""
    assert len(bounded(key).encode("utf-8", "surrogatepass")) <= 512
    assert bounded(key) != bounded(key + "y")
    assert MemoryStore(clock=VirtualClock()).decide_now([Ask(ONE, bounded(key))])[0][0]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=200), st.integers(1, 8))
def test_no_hot_key_is_missing_and_none_is_counted_too_low(keys: list[str], most: int) -> None:
    """Space-Saving's promise: a count is too high by at most what the coldest kept key has."""
    hot = HotKeys(most)
    for key in keys:
        hot.offer(key)
    top = dict(hot.top(most))
    least = min(top.values(), default=0) if len(top) == most else 0
    assert len(top) <= most
    for key in set(keys):
        true = keys.count(key)
        assert true <= top.get(key, least) and (key not in top or top[key] <= true + least)


@pytest.mark.anyio
async def test_what_limits_did_is_told_by_limit_and_by_key() -> None:
    """Admitted, denied and in shadow mode; and who was denied most."""
    limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=domain(Limit(name="told", count=2, period_ns=S)))
    for key in "aaaaab":
        await limits.check({"key": key})
    report = limits.report()
    assert [(one.limit, one.allowed, one.denied, one.shadow) for one in report.limits] == [("told", 3, 3, 0)]
    assert [count for _, count in report.hot] == [3] and report.store_available
