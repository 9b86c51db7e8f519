"""Limits in Redis without an event loop: the same answers, by threads, and through every outage."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.engines import RedisServer

from reelwright.kernel.clock import VirtualClock
from reelwright.limits import Ask, Limit, Limits, TooManyRequests
from reelwright.limits.adapters.guarded import SyncGuardedStore
from reelwright.limits.adapters.redis import RedisStore
from reelwright.limits.adapters.redis_sync import SyncRedisStore
from reelwright.limits.contract import ALGORITHMS, Algorithm, StoreUnavailable
from reelwright.limits.core.rules import read_rules

HOUR = 3600 * 10**9
PATIENT_S = 10.0
LIMIT = Limit(name="x", count=40, period_ns=HOUR, algorithm="window")
RULES = "domain: d\nhierarchy: [user]\ndescriptors:\n  - {key: user, limit: 5/hour}\n"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that a test may break."""
    found = RedisServer()
    yield found
    found.remove()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.anyio
async def test_programs_with_and_without_a_loop_share_one_limit(server: RedisServer, algorithm: Algorithm) -> None:
    """Each sees what the other has taken, whatever the algorithm."""
    limit = Limit(name="x", count=10, period_ns=HOUR, algorithm=algorithm)
    sync, loop = SyncRedisStore(server.url, timeout_s=PATIENT_S), RedisStore(server.url, timeout_s=PATIENT_S)
    left = []
    for _ in range(3):
        left.append(sync.decide_now([Ask(limit, "k")])[0][1])
        left.append((await loop.decide([Ask(limit, "k")]))[0][1])
    assert left == [9, 8, 7, 6, 5, 4]
    sync.settle_now([Ask(limit, "k", -2)])
    assert (await sync.decide([Ask(limit, "k", 0)]))[0][1] == 6
    await loop.close()
    await sync.close()


def test_threads_take_turns(server: RedisServer) -> None:
    """Exactly the count is admitted."""
    store = SyncRedisStore(server.url, timeout_s=PATIENT_S)
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda _: store.decide_now([Ask(LIMIT, "k")])[0][0], range(100)))
    assert sum(admitted) == 40
    store.close_now()


def test_rules_are_asked_and_reservations_settled_without_a_loop(server: RedisServer) -> None:
    """`check_now` and `reserve_now`: what work did not cost, or failed, is given back."""
    limits = Limits(store=SyncRedisStore(server.url, timeout_s=PATIENT_S), domains=read_rules([("rules", RULES)]))
    with limits.reserve_now({"user": "u"}, cost=4) as reservation:
        reservation.settle(1)
    with pytest.raises(ZeroDivisionError), limits.reserve_now({"user": "u"}, cost=3):
        raise ZeroDivisionError
    answer = limits.check_now({"user": "u"}, cost=4)
    assert answer and answer.verdicts[0].remaining == 0
    with pytest.raises(TooManyRequests), limits.reserve_now({"user": "u"}):
        raise AssertionError


def test_a_server_that_forgot_the_script_or_was_restarted_is_asked_again(server: RedisServer) -> None:
    """NOSCRIPT costs one more call, a restart one failed one."""
    store = SyncRedisStore(server.url, timeout_s=PATIENT_S)
    assert store.decide_now([Ask(LIMIT, "k")])[0][1] == 39
    server.say("SCRIPT", "FLUSH")
    assert store.decide_now([Ask(LIMIT, "k")])[0][1] == 38
    server.stop()
    with pytest.raises(StoreUnavailable):
        store.decide_now([Ask(LIMIT, "k")])
    server.start()
    assert store.decide_now([Ask(LIMIT, "k")])[0][1] == 39
    store.close_now()


def test_without_the_store_nobody_gets_an_error_and_no_window_holds_more(server: RedisServer) -> None:
    """What was taken through it counts; it is told what was taken without it, also when it comes back empty."""
    clock = VirtualClock()
    store = SyncRedisStore(server.url, timeout_s=PATIENT_S, clock=clock)
    guarded = SyncGuardedStore(store, nodes=2, clock=clock)
    assert sum(guarded.decide_now([Ask(LIMIT, "k")])[0][0] for _ in range(15)) == 15
    server.stop()
    assert sum(guarded.decide_now([Ask(LIMIT, "k")])[0][0] for _ in range(15)) == 5, "its half of forty"
    assert not is_asked(guarded)
    guarded.settle_now([Ask(LIMIT, "k", -1)])
    server.start()
    clock.advance(60)
    assert guarded.decide_now([Ask(LIMIT, "k")])[0][:2] == (True, 20), "nineteen were taken, and this one"
    assert is_asked(guarded)


def is_asked(store: SyncGuardedStore) -> bool:
    """Whether the store behind it is asked at all."""
    return store.available


@pytest.mark.anyio
async def test_an_event_loop_does_not_wait_for_it() -> None:
    """Within a loop its answers come from a thread."""
    asked: list[int] = []

    class Slow:
        blocks = True

        def decide_now(self, asks: object) -> list[tuple[bool, int, int, int]]:
            asked.append(threading.get_ident())
            return [(True, 1, 0, 0)]

        def settle_now(self, asks: object) -> None:
            """Nothing."""

        def epoch(self) -> str:
            return ""

        def close_now(self) -> None:
            """Nothing."""

    limits = Limits(store=SyncGuardedStore(Slow()))
    assert await limits.decide([Ask(LIMIT, "k")])
    assert asked and asked[0] != threading.get_ident()


def test_a_black_hole_is_waited_for_once() -> None:
    """The first call waits for the timeout, the next ones for nothing."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        clock = VirtualClock()
        store = SyncRedisStore(f"redis://127.0.0.1:{hole.getsockname()[1]}", timeout_s=0.05)
        guarded = SyncGuardedStore(store, clock=clock)
        assert guarded.decide_now([Ask(LIMIT, "k")])[0][0]
        assert not guarded.available
        store.decide_now = None  # type: ignore[assignment,method-assign]  # whoever asked it now would fail
        assert all(guarded.decide_now([Ask(LIMIT, "k")])[0][0] for _ in range(30))
