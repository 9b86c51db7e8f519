"""What other limiters get wrong, one test each: reproduced, or read in their code and threads."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import hiredis
import httpx
import pytest
from litestar import Litestar, Router, get
from litestar.plugins.problem_details import ProblemDetailsPlugin
from tests.engines import RedisServer

from reelwright.kernel.clock import VirtualClock
from reelwright.limits import Ask, Limit, Limits, MemoryStore, parse_limit
from reelwright.limits.adapters.redis import RedisStore
from reelwright.limits.adapters.sqlite import SqliteStore
from reelwright.limits.api import LimitsMiddleware, limit_guard
from reelwright.limits.contract import ALGORITHMS
from reelwright.limits.core.adaptive import Gradient, Gradient2, Seen, Vegas
from reelwright.limits.core.fair import FairQueue, Waiting
from reelwright.limits.core.rules import read_rules
from reelwright.limits.replay import Request, try_limits
from reelwright.limits.service import Described

pytestmark = pytest.mark.anyio
HOUR = 3600 * 10**9
PATIENT_S = 30.0
MS = 10**6


async def test_limits_of_pypi_a_strategy_that_changes_on_a_live_redis_is_no_error(redis_server: str) -> None:
    """Its fixed and moving windows share a key: WRONGTYPE, a 500, until the key expires."""
    store = RedisStore(redis_server, timeout_s=PATIENT_S)
    for algorithm in (*ALGORITHMS, *reversed(ALGORITHMS)):
        limit = Limit(name="switched", count=100, period_ns=HOUR, algorithm=algorithm)
        assert (await store.decide([Ask(limit, "switched")]))[0][0]
    await store.close()


@pytest.mark.parametrize(
    ("rule", "every_s", "requests", "admitted"), [("30/minute", 1.0, 120, 89), ("90/minute", 0.4, 300, 269)]
)
@pytest.mark.parametrize("algorithm", ["gcra", "leaky"])
def test_throttled_py_no_token_is_lost_to_a_whole_second_clock(
    rule: str, every_s: float, requests: int, admitted: int, algorithm: str
) -> None:
    """Its token and leaky buckets admit 75 and 209 of these: they round the refill down on every grant."""
    limit = parse_limit(f"{rule} {algorithm}")
    tried = try_limits([limit], [Request(number * every_s, "k") for number in range(requests)])
    assert tried.admitted == admitted


async def test_throttled_py_no_crash_leaves_an_immortal_key_and_pyrate_limiter_no_key_lives_for_ever() -> None:
    """One adds and expires in two round trips, the other never expires: here one script does both at once."""
    server = RedisServer()
    store = RedisStore(server.url, timeout_s=PATIENT_S)
    for algorithm in ALGORITHMS:
        await store.decide([Ask(Limit(name=algorithm, count=9, period_ns=10**9, algorithm=algorithm), "k")])
    counters = [key for key in keys_of(server) if not key.endswith("clock")]
    assert len(counters) == len(ALGORITHMS)
    assert all(int(server.say("PTTL", key).removeprefix(":")) > 0 for key in counters)
    await store.close()
    server.remove()


def keys_of(server: RedisServer) -> list[str]:
    """All keys of a server."""
    reader = hiredis.Reader(notEnoughData=None)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n")
        while (found := reader.gets()) is None:
            reader.feed(connection.recv(65536))
    return [key.decode() for key in found]


@pytest.mark.parametrize("algorithm", [one for one in ALGORITHMS if one != "concurrency"])
def test_throttled_py_what_is_denied_first_costs_nothing(algorithm: Any) -> None:
    """Its sliding window in memory stores the cost of a denied first request of a window."""
    store = MemoryStore(clock=VirtualClock())
    limit = Limit(name="x", count=10, period_ns=HOUR, algorithm=algorithm)
    assert store.decide_now([Ask(limit, "k", 11)])[0][0] is False
    assert [store.decide_now([Ask(limit, "k", 5)])[0][0] for _ in range(3)] == [True, True, False]


def test_pyrate_limiter_names_share_no_bucket_and_limits_of_pypi_no_thread_or_timer_runs() -> None:
    """One shares a bucket among names unless a factory is written; the other has timer threads."""
    before, clock = threading.active_count(), VirtualClock()
    store = MemoryStore(clock=clock, keys_most=1000)
    for turn in range(5):
        for number in range(1000):
            outcome = store.decide_now([Ask(Limit(name=f"{turn}", count=1, period_ns=10**9), f"{turn} {number}")])
            assert outcome[0][0]
        clock.advance(10)
    assert threading.active_count() == before


async def test_slowapi_fields_are_there_once_and_an_error_of_the_application_stays_one() -> None:
    """It writes its fields twice, and answers 500 where its store is gone although told to swallow errors."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    rules = read_rules([("rules", "domain: d\ndescriptors:\n  - {key: door, value: a, limit: 9/hour; 99/day}\n")])
    door = LimitsMiddleware(app, limits=Limits(domains=rules), domain="d", identify=lambda _scope: ("a", "x"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://x") as client:  # type: ignore[arg-type]
        answer = await client.get("/")
    assert answer.status_code == 204
    assert [name for name, _ in answer.headers.raw if name.lower().startswith(b"ratelimit")] == [
        b"ratelimit-policy",
        b"ratelimit",
    ]
    assert answer.headers["ratelimit"].count("r=") == 2


async def test_slowapi_a_whole_router_can_be_limited() -> None:
    """It limits decorated routes only (its issue 283)."""

    @get("/a")
    async def one() -> str:
        return "a"

    @get("/b")
    async def other() -> str:
        return "b"

    guard = limit_guard(Limits(store=MemoryStore(clock=VirtualClock())), "2/hour", name="both")
    app = Litestar([Router("/r", route_handlers=[one, other], guards=[guard])], plugins=[ProblemDetailsPlugin()])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:  # type: ignore[arg-type]
        codes = [(await client.get(path)).status_code for path in ("/r/a", "/r/b", "/r/a")]
    assert codes == [200, 200, 429]


async def test_envoy_ratelimit_no_border_of_a_window_admits_twice_and_no_descriptor_is_counted_for_another() -> None:
    """It has fixed windows only, and charges the descriptors of a request that another one refuses."""
    text = "domain: d\ndescriptors:\n" + "".join(
        f"  - key: {key}\n    rate_limit: {{unit: minute, requests_per_unit: {count}}}\n"
        for key, count in (("wide", 100), ("tight", 10))
    )
    clock = VirtualClock()
    limits = Limits(store=MemoryStore(clock=clock), domains=read_rules([("rules", text)]))
    both = [Described((("wide", ""),)), Described((("tight", ""),))]
    admitted = 0
    clock.advance(59)
    for _ in range(4):
        for _ in range(10):
            admitted += all(one.allowed for one in await limits.decide_each("d", both))
        clock.advance(0.5)
    assert admitted == 10
    (wide,) = await limits.decide_each("d", both[:1], hits=0)
    assert wide.verdict is not None and wide.verdict.remaining == 90


async def test_envoy_ratelimit_a_cost_by_descriptor_and_a_limit_of_the_request_go_together() -> None:
    """There, one excludes the other (envoy issue 45611)."""
    rules = read_rules([("rules", "domain: d\ndescriptors:\n  - {key: k, limit: 5/hour}\n")])
    limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=rules)
    own = (Limit(name="own", count=100, period_ns=HOUR, algorithm="window"),)
    (status,) = await limits.decide_each("d", [Described((("k", "v"),), own, 30)])
    assert status.allowed and status.verdict is not None and status.verdict.remaining == 70


async def test_gubernator_counts_survive_a_restart_and_every_node_says_over_limit(tmp_path: Path) -> None:
    """Its owner keeps counts in memory only, and other nodes long said UNDER_LIMIT (its issue 208)."""
    clock, limit = VirtualClock(), Limit(name="x", count=3, period_ns=HOUR, algorithm="window")
    first = SqliteStore(tmp_path / "limits.sqlite", clock=clock, boot="one")
    assert [(await first.decide([Ask(limit, "k")]))[0][0] for _ in range(3)] == [True] * 3
    other = SqliteStore(tmp_path / "limits.sqlite", clock=clock, boot="one")
    assert (await other.decide([Ask(limit, "k")]))[0][0] is False
    await first.close()
    again = SqliteStore(tmp_path / "limits.sqlite", clock=clock, boot="one")
    assert (await again.decide([Ask(limit, "k")]))[0][0] is False
    await other.close()
    await again.close()


def test_netflix_our_limit_does_not_drift_under_modest_overload_and_one_slow_sample_does_not_break_it() -> None:
    """Gradient2 adds its queue always and drifts up (its PR 134); Vegas believes one lucky sample (its issue 37)."""
    ours, theirs = Gradient(), Gradient2()
    ours, theirs = ours.sample(Seen(100 * MS, 20)), theirs.sample(Seen(100 * MS, 20))
    for _ in range(200):
        ours = ours.sample(Seen(round(100 * MS * (1 + ours.limit / 100)), ours.limit))
        theirs = theirs.sample(Seen(round(100 * MS * (1 + theirs.limit / 100)), theirs.limit))
    assert ours.limit < theirs.limit
    vegas, steady = Vegas(), Gradient()
    before = {}
    for turn in range(150):
        if turn == 50:
            before = {"vegas": vegas.limit, "ours": steady.limit}
        rtt_ns = MS if turn == 50 else 100 * MS
        vegas, steady = vegas.sample(Seen(rtt_ns, vegas.limit)), steady.sample(Seen(rtt_ns, steady.limit))
    assert vegas.limit < before["vegas"], "the defect"
    assert steady.limit >= before["ours"]


def test_doorman_priorities_count_and_cloud_armor_a_preview_counts_and_refuses_nothing() -> None:
    """One ignores priorities; the other's preview mode is our shadow mode."""
    queue = FairQueue(priorities=2)
    for number in range(10):
        queue.push(1, Waiting(0, "a", f"background {number}"))
    queue.push(0, Waiting(0, "a", "play"))
    first = queue.pop(1)
    assert first is not None and first.item == "play"
    store, limit = MemoryStore(clock=VirtualClock()), Limit(name="x", count=1, period_ns=HOUR)
    limits = Limits(store=store)
    answers = [limits._answer([ask], store.decide_now([ask])) for ask in [Ask(limit, "k", 1, True)] * 3]
    assert all(answers)
    (told,) = limits.report().limits
    assert (told.allowed, told.denied, told.shadow) == (1, 0, 2)
