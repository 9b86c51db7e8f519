"""What is asked of a shared store in one go: the numbers that `decide.lua` and `decide.sql` take and give."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from reelwright.limits.contract import NEVER, Ask, Limit
from reelwright.limits.core.algorithms import Outcome, compiled
from reelwright.limits.core.store_time import TICK_NS, TICKS_A_SECOND, ServerTime

TTL_MARGIN_S = 4_000
"""Counters are kept this much longer than they say anything: Redis expires by a wall clock that may jump ahead."""
BATCH_KEYS_MOST = 2_000
_CODES = {"gcra": 1, "leaky": 2, "fixed": 3, "counter": 4, "window": 5, "log": 5, "concurrency": 6}
_NOTHING = 7


class Compiled(msgspec.Struct, frozen=True):
    """A limit as the script takes it."""

    prefix: bytes
    arguments: tuple[int, ...]


@functools.lru_cache(maxsize=10_000)
def compile_limit(limit: Limit) -> Compiled:
    """The script's numbers for a limit, and what its keys begin with: another strategy has other keys."""
    period = max(1, -(-limit.period_ns * TICKS_A_SECOND // 10**9))
    code = _CODES[limit.algorithm] if limit.most and limit.count else _NOTHING
    extra = 1
    if limit.algorithm in ("gcra", "leaky") and limit.count:
        extra = -(-period // limit.count) * limit.most
    elif limit.algorithm == "window":
        extra = max(1, -(-period // limit.cells))
    lifetime_ms = compiled(limit, TICKS_A_SECOND).lifetime * 1000 // TICKS_A_SECOND
    said = f"{limit.name}\0{limit.algorithm}\0{limit.period_ns}\0{limit.cells}"
    prefix = hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=6).hexdigest().encode()
    return Compiled(prefix + b":", (code, limit.count, period, extra, 0, lifetime_ms + TTL_MARGIN_S * 1000))


def _encoded(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return key.encode("utf-8", "surrogatepass")


class Batch:
    """What is asked in one tick, and how it is written and read."""

    __slots__ = ("_body", "_keys", "_limits", "_numbers", "_prefix", "redirects", "waiting")

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._limits: dict[Limit, tuple[int, bytes]] = {}
        self._numbers: list[int] = []
        self._keys: dict[bytes, int] = {}
        self._body: list[int] = []
        self.redirects = 0
        self.waiting: list[tuple[Any, Sequence[Ask] | None]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, future: Any, asks: Sequence[Ask], settles: bool = False) -> None:
        """One request more."""
        body, keys, limits = self._body, self._keys, self._limits
        body.append(-len(asks) if settles else len(asks))
        for ask in asks:
            known = limits.get(ask.limit)
            if known is None:
                made = compile_limit(ask.limit)
                known = limits[ask.limit] = len(limits) + 1, made.prefix
                self._numbers += made.arguments
            limit, prefix = known
            number = keys.setdefault(prefix + _encoded(ask.key), len(keys) + 2)
            body += (-limit if ask.shadow else limit, number, ask.cost)
        self.waiting.append((future, () if settles else asks))

    def add_take(self, future: Any, ask: Ask, back: tuple[int, int]) -> None:
        """One that takes what there is of one limit, up to its cost, and gives back what was taken at a tick."""
        self.add(future, (ask,))
        self._body[-4] = 0
        self._body += back
        self.waiting[-1] = (future, None)

    def keys(self) -> list[bytes]:
        """The clock's key, and that of every counter."""
        return [self._prefix + b"clock", *[self._prefix + key for key in self._keys]]

    def numbers(self) -> list[int]:
        """How many limits, the limits, and what is asked of them."""
        return [len(self._limits), *self._numbers, *self._body]

    def resolve(self, reply: Sequence[int], epoch: str, sent_ns: int, received_ns: int, clock: ServerTime) -> None:
        """Give every request its outcomes."""
        clock.told(reply[0], epoch, sent_ns, received_ns)
        place = 1
        for future, asks in self.waiting:
            if asks is None:
                if not future.done():
                    future.set_result((reply[place], max(0, reply[place + 2]) * TICK_NS, reply[0]))
                place += 4
                continue
            outcomes: list[Outcome] = []
            for _ in asks:
                allowed, left, wait, reset = reply[place : place + 4]
                wait_ns = wait * TICK_NS if wait > 0 else wait if wait == NEVER else 0
                outcomes.append((allowed == 1, left, wait_ns, reset * TICK_NS))
                place += 4
            if not future.done():
                future.set_result(outcomes)

    def fail(self, error: Exception) -> None:
        """Nobody gets an answer."""
        for future, _ in self.waiting:
            if not future.done():
                future.set_exception(error)
