"""A decision in this process: its CPU, and the memory of a key."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reelwright.kernel.bench import Row
from reelwright.limits.adapters.memory import MemoryStore
from reelwright.limits.benches import PLENTY, ROUNDS
from reelwright.limits.benches.peers import PEERS_LINE, installed

CALLS = 100_000
SLOW_CALLS = 10_000
KEYS = 10_000
MEMORY_KEYS = 1_000_000
PEER_MEMORY_KEYS = 200_000
Hit = Callable[[str], Any]


def in_process() -> Iterator[Row]:
    """A decision in this process, in ns of CPU."""
    contenders: dict[str, Hit] = {
        "empty": _nothing,
        "fused": _fused(),
        "ours": MemoryStore().bucket(PLENTY).hit,
        **installed({"limits": _pypi_limits, "throttled-py": _throttled, "token-bucket": _token_bucket}),
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
            note=f"theirs {theirs:.0f} ns ({many[peer]:.0f} over {KEYS} keys)" if theirs else PEERS_LINE,
        )
    yield from _bytes_per_key()


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
        note="; ".join(f"{name} {value:.0f} B at {PEER_MEMORY_KEYS}" for name, value in known.items()) or PEERS_LINE,
    )


def _grown_in_a_new_process(make: str, keys: int) -> float | None:
    """What a process without a past grows by for each key; None where the peer is missing."""
    program = f"from {__name__} import {make}, grown_bytes; print(grown_bytes({make}, {keys}))"
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
