"""`reelwright bench limits`: what a decision costs, alone, through Redis and at the door, beside the peers.

Method: CPU time of this process (`process_time`), contenders taken in turn for several rounds, the best round of each
counted, since whatever else runs on the machine only ever adds. Peers come from the dependency group `peers`
(`make peers`); a row whose peer or engine is missing says so and has no value. Each contender makes one decision on
one key that is admitted; ours is always the whole one (allowed, remaining, wait, reset).
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from reelwright.kernel.bench import Row, measured
from reelwright.kernel.processes import free_port, wait_for_port
from reelwright.limits.adapters.guarded import GuardedStore
from reelwright.limits.adapters.memory import MemoryStore
from reelwright.limits.api import LimitsMiddleware
from reelwright.limits.contract import Ask, Limit
from reelwright.limits.core.lease import bound
from reelwright.limits.core.rules import read_rules
from reelwright.limits.replay import POLICIES, Faults, fullest_window, leases, scenarios, shed, skewed
from reelwright.limits.service import Limits

NODES = 4
FAULTS = ("refused", "black hole", "slow", "LOADING", "READONLY")
SLOW_S = 0.5
OUTAGE_S = 1.5
PEER_MOST_S = 5.0
"""Nobody waits longer for a peer."""
OUTAGE_LIMIT = Limit(name="outage", count=400, period_ns=60 * 10**9, algorithm="window")
LEASED = Limit(name="leased", count=1000, period_ns=10**9, burst=100)
LEASE_HOLD_S = 0.05
LEASE_SECONDS = 5
LEASE_START_NS = 200 * 10**6
SPENT_NS = 10**6
"""Spent tokens are told by the millisecond; the windows counted are as much longer, so that none is missed."""
SKEWED = Limit(name="skewed", count=100, period_ns=10 * 10**9, algorithm="window", cells=240)
SKEW_SEEDS = 3
LIVE_SKEWS_S = (-2.0, 0.0, 0.0, 2.0)
LIVE_COUNT, LIVE_PERIOD_S = 200, 4
LIVE_SECONDS, LIVE_RATE = 12, 60
"""How long each process asks, and how often a second."""
ROUNDS = 5
CALLS = 100_000
SLOW_CALLS = 10_000
KEYS = 10_000
MEMORY_KEYS = 1_000_000
PEER_MEMORY_KEYS = 200_000
TASKS = 64
EACH = 200
DOOR_REQUESTS = 3_000
PLENTY = Limit(name="bench", count=10**6, period_ns=10**9, burst=10**6)
_PEERS_LINE = "make peers"
Hit = Callable[[str], Any]


def rows(only: str = "") -> Iterator[Row]:
    """All rows, or those whose id starts with `only`."""
    parts = (
        ("in_process", in_process),
        ("redis_exact", redis_exact),
        ("door", door),
        ("lease", lease),
        ("skew", skew),
        ("outage", outage),
        ("shed", shed_rows),
    )
    yield from measured(parts, only)


def in_process() -> Iterator[Row]:
    """A decision in this process, in ns of CPU."""
    contenders: dict[str, Hit] = {
        "empty": _nothing,
        "fused": _fused(),
        "ours": MemoryStore().bucket(PLENTY).hit,
        **_peers({"limits": _pypi_limits, "throttled-py": _throttled, "token-bucket": _token_bucket}),
    }
    hot = _best_ns(contenders, ["key"] * CALLS)
    many = _best_ns(contenders, [f"key {number % KEYS}" for number in range(CALLS)])
    note = (
        f"ours {hot['ours']:.0f} ns ({many['ours']:.0f} over {KEYS} keys), hand-fused closure {hot['fused']:.0f} "
        f"({many['fused']:.0f}), empty call {hot['empty']:.0f}"
    )
    yield Row(
        id="in_process.cpu", what="CPU a full decision, one hot key", value=round(hot["ours"]), unit="ns", note=note
    )
    goals = {"vs_limits": ("limits", 6), "vs_throttled": ("throttled-py", 6), "vs_token_bucket": ("token-bucket", 1)}
    for name, (peer, goal) in goals.items():
        theirs = hot.get(peer)
        yield Row(
            id=f"in_process.{name}",
            what=f"times less CPU a decision than {peer}",
            value=round(theirs / hot["ours"], 2) if theirs else None,
            unit="times",
            op=">=",
            goal=goal,
            peer=peer,
            peer_value=round(theirs) if theirs else None,
            note=f"theirs {theirs:.0f} ns ({many[peer]:.0f} over {KEYS} keys)" if theirs else _PEERS_LINE,
        )
    yield from _bytes_per_key()


def redis_exact() -> Iterator[Row]:
    """A decision through one Redis, 64 tasks at once, against the peers' asyncio clients."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield Row(
            id="redis_exact.rate", what="not measured", value=None, unit="", note="sudo apt install redis-server"
        )
        return
    with _redis(program) as url:
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
        note=note if fastest else _PEERS_LINE,
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
        note=note if leanest else _PEERS_LINE,
    )
    yield Row(
        id="redis_exact.round_trips", what="round trips for 8 limits at once", value=trips, unit="", op="<=", goal=1
    )


def door() -> Iterator[Row]:
    """What the middleware adds to a request, header fields included; the application is called directly."""
    measured = asyncio.run(_doors())
    bare = measured.pop("bare")
    added = {name: (cpu - measured.get(f"{name} bare", bare)) * 1e6 for name, cpu in measured.items()}
    peers = {name: value for name, value in added.items() if name in ("slowapi", "fastapi-limiter")}
    best = min(peers, key=lambda name: peers[name], default="")
    yield Row(
        id="door",
        what="CPU that limits and their header fields add to a request",
        value=round(added["ours"], 2),
        unit="µs",
        op="<=",
        goal=8,
        peer=best,
        peer_value=round(peers[best], 1) if best else None,
        note="; ".join(f"{name} {value:.1f} µs" for name, value in peers.items()) or _PEERS_LINE,
    )


def lease() -> Iterator[Row]:
    """Four processes that press on one limit by leases of one Redis, for some seconds."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield Row(id="lease.rate", what="not measured", value=None, unit="", note="sudo apt install redis-server")
        return
    with _redis(program) as url:
        replies = _pressed_by_processes("press_by_leases", [[url]] * NODES)
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


def _pressed_by_processes(function: str, arguments: Sequence[Sequence[str]]) -> list[bytes]:
    """What processes print that run a function of this module and begin together; nothing where one cannot."""
    program = f"from reelwright.limits import bench; bench.{function}()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for given in arguments
    ]
    if not all(cast(IO[bytes], process.stdout).readline() for process in started):  # ready
        for process in started:
            process.kill()
            process.wait()
        return []
    begin = f"{time.monotonic_ns() + LEASE_START_NS}\n".encode()
    for process in started:
        cast(IO[bytes], process.stdin).write(begin)
        cast(IO[bytes], process.stdin).flush()
    return [process.communicate()[0] for process in started]


def skew() -> Iterator[Row]:
    """A simulation: nodes off by 2 s and by 1 h, a store whose clock steps by as much, either way.

    And live: four processes whose wall clocks are off by up to 2 s on one Redis, the peers in the same way.
    """
    runs = [
        skewed(
            SKEWED,
            seed=seed,
            skews_ns=[0, 2 * 10**9, -2 * 10**9, 3600 * 10**9],
            steps_ns=[round(step * 1e9) for step in (2, -2, 3600, -3600)],
            minutes=40,
            offered_a_s=20.0,
        )
        for seed in range(SKEW_SEEDS)
    ]
    live = _skewed_live()
    ours, peers = live.pop("ours", None), live
    said = "; ".join(f"{name} {one.worst:.2f}, parts {one.least}:{one.most}" for name, one in peers.items())
    live_note = (
        f"live, {NODES} processes: ours {ours.worst:.2f}, parts {ours.least}:{ours.most}" if ours else "not live"
    )
    note = f"simulated, {SKEW_SEEDS} seeds of 40 min; {live_note}; {said or _PEERS_LINE}"
    best = min(peers, key=lambda name: peers[name].worst, default="")
    yield Row(
        id="skew.worst_window",
        what="fullest true window / limit",
        value=max([run.worst_window for run in runs] + ([ours.worst] if ours else [])),
        unit="of the limit",
        op="<=",
        goal=1.0,
        peer=best,
        peer_value=round(peers[best].worst, 2) if best else None,
        note=note,
    )
    yield Row(
        id="skew.admitted",
        what="least admitted in any minute / limit",
        value=round(min(run.least_minute for run in runs), 4),
        unit="of the limit",
        op=">=",
        goal=0.95,
        note=note,
    )
    fairest = min(peers, key=lambda name: peers[name].share, default="")
    yield Row(
        id="skew.share",
        what="largest deviation of a node's part",
        value=round(max(run.share for run in runs), 4),
        unit="of a part",
        op="<=",
        goal=0.05,
        peer=fairest,
        peer_value=round(peers[fairest].share, 4) if fairest else None,
        note=f"{note}; the live parts of ours deviate by {ours.share:.3f}" if ours else note,
    )


class SkewedLive(msgspec.Struct, frozen=True, kw_only=True):
    """What four processes with wrong clocks were admitted by one limiter."""

    worst: float
    """The fullest window / limit: of what was asked and answered within it, so surely decided in it."""
    least: int
    most: int
    """The smallest and the largest part of a process."""
    share: float
    """The largest deviation of a part."""


def _skewed_live() -> dict[str, SkewedLive]:
    """By limiter; those whose packages are installed, each on a Redis of its own."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    found: dict[str, SkewedLive] = {}
    for name in SKEWED_LIMITERS if program else ():
        with _redis(cast(str, program)) as url:
            replies = _pressed_by_processes("press_skewed", [[url, name, str(skew_s)] for skew_s in LIVE_SKEWS_S])
        if replies and all(replies):
            found[name] = _live([msgspec.json.decode(reply, type=list[tuple[int, int]]) for reply in replies])
    return found


def _live(told: Sequence[Sequence[tuple[int, int]]]) -> SkewedLive:
    admitted = sorted(one for process in told for one in process)
    window_ns = round(LIVE_PERIOD_S * 1e9)
    fullest = 0
    for place, (first, _) in enumerate(admitted):
        within = (got < first + window_ns for sent, got in admitted[place:] if sent < first + window_ns)
        fullest = max(fullest, sum(within))
    parts, equal = [len(process) for process in told], len(admitted) / len(told)
    share = max(abs(part - equal) for part in parts) / equal if equal else 1.0
    return SkewedLive(worst=fullest / LIVE_COUNT, least=min(parts), most=max(parts), share=share)


def press_skewed() -> None:
    """One of the processes: its wall clock is wrong before any limiter is imported; it prints what was admitted."""
    url, name, skew_s = sys.argv[1:]
    wall_ns, off_ns = time.time_ns, round(float(skew_s) * 1e9)
    time.time_ns = lambda: wall_ns() + off_ns
    time.time = lambda: time.time_ns() / 1e9
    try:
        admits = SKEWED_LIMITERS[name](url)
    except ImportError:
        return
    print("ready", flush=True)
    begin_ns, told = int(sys.stdin.readline()), []
    for number in range(round(LIVE_SECONDS * LIVE_RATE)):
        at_ns = begin_ns + round(number * 1e9 / LIVE_RATE)
        time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))
        sent_ns = time.monotonic_ns()
        if admits():
            told.append((sent_ns, time.monotonic_ns()))
    print(msgspec.json.encode(told).decode())


def _our_skewed(url: str) -> Callable[[], bool]:
    from reelwright.limits.adapters.redis_sync import SyncRedisStore

    store = SyncRedisStore(url, timeout_s=5)
    period_ns = round(LIVE_PERIOD_S * 1e9)
    ask = [Ask(Limit(name="live", count=LIVE_COUNT, period_ns=period_ns, algorithm="window", cells=240), "key")]
    return lambda: store.decide_now(ask)[0][0]


def _throttled_skewed(url: str) -> Callable[[], bool]:
    throttled = importlib.import_module("throttled")
    quota = throttled.rate_limiter.per_duration(timedelta(seconds=LIVE_PERIOD_S), limit=LIVE_COUNT)
    limiter = throttled.Throttled(using="sliding_window", quota=quota, store=throttled.store.RedisStore(server=url))
    return lambda: not limiter.limit("key").limited


def _pyrate_skewed(url: str) -> Callable[[], bool]:
    pyrate, redis = importlib.import_module("pyrate_limiter"), importlib.import_module("redis")
    rates = [pyrate.Rate(LIVE_COUNT, pyrate.Duration.SECOND * LIVE_PERIOD_S)]
    limiter = pyrate.Limiter(pyrate.RedisBucket.init(rates, redis.Redis.from_url(url), "key"))
    return lambda: bool(limiter.try_acquire("key", blocking=False))


SKEWED_LIMITERS: dict[str, Callable[[str], Callable[[], bool]]] = {
    "ours": _our_skewed,
    "throttled-py": _throttled_skewed,
    "pyrate-limiter": _pyrate_skewed,
}


def outage() -> Iterator[Row]:
    """Four nodes at one limit, and a store that fails in five ways and once comes back empty."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        line = "sudo apt install redis-server"
        yield Row(id="outage.first_call", what="not measured", value=None, unit="", note=line)
        return
    with _redis(program) as url:
        found = {fault: asyncio.run(_outage(url, fault)) for fault in FAULTS}
        peers = {name: asyncio.run(_peer_outages(url, make)) for name, make in _ASYNC_PEERS.items()}
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
        note="; ".join(f"{name}: {_said(one)}" for name, one in peers.items() if one) or _PEERS_LINE,
    )


def shed_rows() -> Iterator[Row]:
    """The frozen scenarios in a simulation, beside the same arrivals under other policies."""
    found = {policy: _shed_worst(policy) for policy in POLICIES}
    ours, peers = found["ours"], {name: one for name, one in found.items() if name != "ours"}
    best = max(peers, key=lambda name: peers[name].success)
    told = (
        ("user_initiated", "success of what people wait for in the 12x spike", "success", "", ">=", 0.999),
        ("p99", "p99 of it in the spike / unloaded p99", "p99", "times", "<=", 2.0),
        ("recovery", "until it is as unloaded after the spike", "recovery_s", "s", "<=", 10),
        ("fairness", "Jain's index of tenants, one of whom asks for ten times as much", "fairness", "", ">=", 0.99),
    )
    for row, what, field, unit, op, goal in told:
        note = "; ".join(f"{name} {getattr(one, field):.3f}" for name, one in peers.items())
        yield Row(
            id=f"shed.{row}",
            what=what,
            value=round(getattr(ours, field), 4),
            unit=unit,
            op=op,  # type: ignore[arg-type]
            goal=goal,
            peer=best,
            peer_value=round(getattr(peers[best], field), 4),
            note=f"simulated, the worse of two spikes; {note}",
        )


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """The worst of the scenarios of one policy."""

    success: float
    p99: float
    recovery_s: float
    fairness: float


def _shed_worst(policy: str) -> Worst:
    known = scenarios()
    spikes = [shed(scenario, policy, seed=1) for scenario in known.values() if scenario.spike]
    greedy = shed(known["greedy_tenant"], policy, seed=1)
    return Worst(
        success=min(run.success["play"] for run in spikes),
        p99=max(run.p99_ms["play"] / run.unloaded_p99_ms for run in spikes),
        recovery_s=max(run.recovery_s for run in spikes),
        fairness=greedy.fairness,
    )


def _nothing(_key: str) -> None:
    return None


def _best_ns(contenders: dict[str, Hit], keys: list[str]) -> dict[str, float]:
    """CPU ns a call: the best of all rounds, contenders in turn."""
    best: dict[str, float] = {}
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for name, hit in contenders.items():
                some = keys if name in ("empty", "fused", "ours", "token-bucket") else keys[:SLOW_CALLS]
                begun = time.process_time_ns()
                for one in some:
                    hit(one)
                spent = (time.process_time_ns() - begun) / len(some)
                best[name] = min(spent, best.get(name, spent))
    finally:
        gc.enable()
    return best


def _fused() -> Hit:
    """The floor of the language: the same decision written by hand for one limit, without a store."""
    interval, tolerance = PLENTY.period_ns // PLENTY.count, PLENTY.period_ns // PLENTY.count * PLENTY.burst
    now_ns, tats = time.monotonic_ns, dict[str, int]()
    find = tats.get

    def hit(key: str, cost: int = 1) -> tuple[bool, int, int, int]:
        now = now_ns()
        ahead = find(key, 0) - now
        if ahead < 0:
            ahead = 0
        after = ahead + cost * interval
        if after <= tolerance:
            tats[key] = now + after
            return True, (tolerance - after) // interval, 0, after
        return False, (tolerance - ahead) // interval, after - tolerance, ahead

    return hit


def _peers(makers: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Those peers that are installed."""
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except ImportError:
            continue
    return found


def _ours() -> Hit:
    return MemoryStore(keys_most=4 * MEMORY_KEYS).bucket(PLENTY).hit


def _pypi_limits() -> Hit:
    limits, storage = importlib.import_module("limits"), importlib.import_module("limits.storage")
    limiter = importlib.import_module("limits.strategies").FixedWindowRateLimiter(storage.MemoryStorage())
    item = limits.parse("100000000/hour")
    return lambda key: limiter.hit(item, key)


_ROOM = {"MAX_SIZE": MEMORY_KEYS}
"""Its default forgets all but 1024 keys."""


def _throttled() -> Hit:
    throttled = importlib.import_module("throttled")
    quota = throttled.rate_limiter.per_sec(10**6, burst=10**6)
    limiter = throttled.Throttled(using="gcra", quota=quota, store=throttled.store.MemoryStore(options=_ROOM))
    return lambda key: limiter.limit(key)


def _token_bucket() -> Hit:
    token_bucket = importlib.import_module("token_bucket")
    found: Hit = token_bucket.Limiter(10**6, 10**6, token_bucket.MemoryStorage()).consume
    return found


def _bytes_per_key() -> Iterator[Row]:
    ours = _grown_in_a_new_process("_ours", MEMORY_KEYS)
    peers = {
        name: _grown_in_a_new_process(make, PEER_MEMORY_KEYS)
        for name, make in (("limits", "_pypi_limits"), ("throttled-py", "_throttled"))
    }
    known = {name: value for name, value in peers.items() if value is not None}
    best = min(known, key=lambda name: known[name], default="")
    yield Row(
        id="in_process.bytes_per_key",
        what=f"resident bytes a key at {MEMORY_KEYS} keys, the key's text not counted",
        value=round(ours, 1) if ours is not None else None,
        unit="B",
        op="<=",
        goal=100,
        peer=best,
        peer_value=round(known[best]) if best else None,
        note="; ".join(f"{name} {value:.0f} B at {PEER_MEMORY_KEYS}" for name, value in known.items()) or _PEERS_LINE,
    )


def _grown_in_a_new_process(make: str, keys: int) -> float | None:
    """What a process without a past grows by for each key; None where the peer is missing."""
    program = f"from reelwright.limits import bench; print(bench.grown_bytes(bench.{make}, {keys}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def grown_bytes(make: Callable[[], Hit], keys: int) -> float:
    """What this process grows by for each key."""
    hit, names = make(), [f"address {number:09d}" for number in range(keys)]
    gc.collect()
    before = _resident_bytes()
    for name in names:
        hit(name)
    return (_resident_bytes() - before) / keys


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _redis(program: str, port: int = 0) -> Iterator[str]:
    """A Redis of our own, empty, on a free port or the given one."""
    port = port or free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


Decide = Callable[[str], Awaitable[Any]]


async def _through_redis(url: str) -> tuple[dict[str, tuple[float, float]], int]:
    """By contender, the best decisions/s and CPU seconds a decision; and our round trips for 8 limits."""
    from reelwright.limits.adapters.redis import RedisStore

    store = RedisStore(url, timeout_s=10)
    contenders: dict[str, Decide] = {
        "ours": lambda key: store.decide([Ask(PLENTY, key)]),
        **_peers({name: partial(make, url) for name, make in _ASYNC_PEERS.items()}),
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


def _aio_limits(url: str) -> Decide:
    limits, aio = importlib.import_module("limits"), importlib.import_module("limits.aio")
    importlib.import_module("redis")
    storage = aio.storage.RedisStorage(f"async+{url}", implementation="redispy")
    limiter, item = aio.strategies.FixedWindowRateLimiter(storage), limits.parse("100000000/hour")
    return lambda key: limiter.hit(item, key)


def _aio_throttled(url: str) -> Decide:
    throttled = importlib.import_module("throttled.asyncio")
    quota = throttled.rate_limiter.per_sec(10**6, burst=10**6)
    limiter = throttled.Throttled(using="gcra", quota=quota, store=throttled.store.RedisStore(server=url))
    return lambda key: limiter.limit(key)


_ASYNC_PEERS: dict[str, Callable[[str], Decide]] = {
    "limits.aio": _aio_limits,
    "throttled.asyncio": _aio_throttled,
}
_RULES = """
domain: reelwright
descriptors:
  - key: door
    value: api
    descriptors:
      - {key: caller, limit: 1000000/second}
"""
App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


async def _doors() -> dict[str, float]:
    """By application, CPU seconds a request."""
    limits = Limits(domains=read_rules([("bench", _RULES)]))
    apps: dict[str, App] = {"bare": _plain_app, "ours": LimitsMiddleware(_plain_app, limits=limits)}
    for name, app in _peers({"slowapi": _slowapi_app, "fastapi-limiter": _fastapi_limiter_app}).items():
        apps[name], apps[f"{name} bare"] = app
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            begun = time.process_time()
            for _ in range(DOOR_REQUESTS):
                await _request(app)
            spent = (time.process_time() - begun) / DOOR_REQUESTS
            best[name] = min(spent, best.get(name, spent))
    return best


async def _request(app: App) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "path": "/api/v1/x", "raw_path": b"/api/v1/x"},
        **{"query_string": b"", "root_path": "", "scheme": "http", "server": ("127.0.0.1", 80)},
        **{"headers": [(b"host", b"x")], "client": ("10.0.0.1", 5000), "asgi": {"version": "3.0"}, "state": {}},
    }
    await app(scope, receive, send)
    if sent[0]["status"] != 200:
        raise AssertionError(f"the application answered {sent[0]['status']}")


async def _plain_app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


def _slowapi_app() -> tuple[App, App]:
    fastapi, slowapi = importlib.import_module("fastapi"), importlib.import_module("slowapi")
    limiter = slowapi.Limiter(
        key_func=importlib.import_module("slowapi.util").get_remote_address, headers_enabled=True
    )
    app = fastapi.FastAPI()
    app.state.limiter = limiter

    async def answer(request: Any, response: Any) -> dict[str, str]:  # noqa: ARG001 (slowapi asks for both)
        return {}

    answer.__annotations__.update(request=fastapi.Request, response=fastapi.Response)
    app.get("/api/v1/x")(limiter.limit("1000000/second")(answer))
    return app, _fastapi_app()


def _fastapi_limiter_app() -> tuple[App, App]:
    fastapi, pyrate = importlib.import_module("fastapi"), importlib.import_module("pyrate_limiter")
    depends = importlib.import_module("fastapi_limiter.depends")
    limiter = depends.RateLimiter(limiter=pyrate.Limiter(pyrate.Rate(10**6, pyrate.Duration.SECOND)))
    app = fastapi.FastAPI()
    app.get("/api/v1/x", dependencies=[fastapi.Depends(limiter)])(_empty)
    return app, _fastapi_app()


def _fastapi_app() -> App:
    app = importlib.import_module("fastapi").FastAPI()
    app.get("/api/v1/x")(_empty)
    bare: App = app
    return bare


async def _empty() -> dict[str, str]:
    return {}


class FaultyStore:
    """A door in front of a Redis that can be made to fail while connections are open."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self.fault = ""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port, or on the same one again."""
        port = int(self.url.rsplit(":", 1)[1]) if self.url else 0
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def fail(self, fault: str) -> None:
        """Fail in one of the ways of FAULTS."""
        self.fault = fault
        if fault == "refused":
            await self.stop()

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, forth}
        answers = asyncio.create_task(self._answers(back, writer))
        try:
            while data := await reader.read(1 << 16):
                if self.fault in ("", "slow"):
                    forth.write(data)
                elif self.fault == "LOADING":
                    writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
                elif self.fault == "READONLY":
                    writer.write(b"-READONLY You can't write against a read only replica.\r\n")
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            forth.transport.abort()
            writer.transport.abort()
            self._writers -= {writer, forth}

    async def _answers(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await back.read(1 << 16):
            if self.fault == "slow":
                await asyncio.sleep(SLOW_S)
            if self.fault in ("", "slow"):
                writer.write(data)


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
    limits = Limits(store=node, domains=read_rules([("bench", _RULES)]))
    try:
        await _request(LimitsMiddleware(_plain_app, limits=limits))
    except Exception:
        return 1
    return 0


async def _empty_restart(program: str) -> int:
    """What is admitted in one window in which the store is killed and comes back empty."""
    with _redis(program) as url:
        nodes, ask, admitted = await _nodes(url), [Ask(OUTAGE_LIMIT, "restart")], 0
        for number in range(OUTAGE_LIMIT.count * 3 // 4):
            admitted += (await nodes[number % NODES].decide(ask))[0][0]
        port = int(url.rsplit(":", 1)[1])
    with _redis(program, port):
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
