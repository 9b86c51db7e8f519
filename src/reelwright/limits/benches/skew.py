"""Skewed clocks, and what they let through in a window, simulated and live."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import cast

import msgspec

from reelwright.kernel.bench import Row
from reelwright.limits.benches import NODES
from reelwright.limits.benches.peers import PEERS_LINE
from reelwright.limits.benches.processes import pressed_by_processes
from reelwright.limits.benches.redis_server import redis_program, redis_server
from reelwright.limits.contract import Ask, Limit
from reelwright.limits.replay import skewed

SKEWED = Limit(name="skewed", count=100, period_ns=10 * 10**9, algorithm="window", cells=240)
SKEW_SEEDS = 3
LIVE_SKEWS_S = (-2.0, 0.0, 0.0, 2.0)
LIVE_COUNT, LIVE_PERIOD_S = 200, 4
LIVE_SECONDS, LIVE_RATE = 12, 60
"""How long each process asks, and how often a second."""


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
    note = f"simulated, {SKEW_SEEDS} seeds of 40 min; {live_note}; {said or PEERS_LINE}"
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
    program = redis_program()
    found: dict[str, SkewedLive] = {}
    for name in SKEWED_LIMITERS if program else ():
        with redis_server(cast(str, program)) as url:
            replies = pressed_by_processes(press_skewed, [[url, name, str(skew_s)] for skew_s in LIVE_SKEWS_S])
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
