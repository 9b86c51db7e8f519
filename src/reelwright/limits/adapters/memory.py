"""Counters in this process: bounded, and forgotten in O(1) without a thread.

Two generations of a dictionary a limit: every lifetime the older one is dropped and the younger becomes the older.
A key that was not asked for during a lifetime says the same as a new one: forgetting changes nothing. When more keys
come than are kept, the generation ends early: then those are forgotten that have been idle for longest. Who was
charged afterwards for more than a lifetime gives back is kept until it is paid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.limits.contract import Ask, Limit
from reelwright.limits.core.algorithms import Outcome, compiled, decide
from reelwright.limits.core.step import Rule, State, Stepped, owed_ticks

KEYS_MOST = 1_000_000


class Bucket:
    """One limit's counters, by key."""

    __slots__ = ("_generations", "hit", "rule")

    def __init__(self, limit: Limit, now_ns: Callable[[], int], keys_most: int = KEYS_MOST) -> None:
        self.rule: Rule = compiled(limit)
        self._generations = _Generations(self.rule, max(1, keys_most // 2))
        self.hit: Callable[..., Stepped] = _hit(self.rule, self._generations, now_ns)
        """`hit(key, cost=1)` takes `cost`, if there is enough, else nothing; the first of the five is the state."""

    def get(self, key: str, now: int) -> State:
        """The key's state."""
        return self._generations.get(key, now)

    def put(self, key: str, state: State) -> None:
        """Keep the key's state."""
        self._generations.young[key] = state

    def settle(self, key: str, now: int, delta: int) -> None:
        """Charge (positive) or give back (negative) without asking."""
        state = self.rule.settle(self.get(key, now), now, delta)
        self.put(key, state)
        if owed_ticks(self.rule, state, now) > self.rule.lifetime:
            self._generations.owe(key)

    def states(self) -> dict[str, State]:
        """All states that are kept."""
        return self._generations.old | self._generations.young

    def __len__(self) -> int:
        return len(self._generations.young) + len(self._generations.old)


class _Generations:
    """The states that were touched lately, and those of the generation before."""

    __slots__ = ("_keys_most", "_rule", "old", "owing", "turn_ns", "young")

    def __init__(self, rule: Rule, keys_most: int) -> None:
        self._rule = rule
        self._keys_most = keys_most
        self.young: dict[str, State] = {}
        self.old: dict[str, State] = {}
        self.owing: set[str] = set()
        """Keys that owe for longer than a lifetime."""
        self.turn_ns = 0

    def get(self, key: str, now: int) -> State:
        """The key's state, after which there is room for it among the young."""
        if now >= self.turn_ns:
            self._turn(now)
        state = self.young.get(key)
        if state is None:
            if len(self.young) >= self._keys_most:
                self._turn(now)
            state = self.old.get(key, self._rule.empty)
        return state

    def owe(self, key: str) -> None:
        """Keep the key's state for as long as it owes, where there is room."""
        if len(self.owing) < self._keys_most:
            self.owing.add(key)

    def _turn(self, now: int) -> None:
        stale = now >= self.turn_ns + self._rule.lifetime
        owing = {key: self.young.get(key, self.old.get(key, self._rule.empty)) for key in self.owing}
        owing = {key: state for key, state in owing.items() if owed_ticks(self._rule, state, now)}
        self.old, self.young = ({} if stale else self.young) | owing, {}
        self.owing = set(owing)
        self.turn_ns = now + self._rule.lifetime


def _hit(rule: Rule, generations: _Generations, now_ns: Callable[[], int]) -> Callable[..., Stepped]:
    """A closure, since looking up attributes would cost a fifth of the decision."""
    step, find = rule.step, generations.get

    def hit(key: str, cost: int = 1) -> Stepped:
        now = now_ns()
        young = generations.young
        if key in young and now < generations.turn_ns:
            stepped = step(young[key], now, cost)
            young[key] = stepped[0]
            return stepped
        stepped = step(find(key, now), now, cost)
        generations.young[key] = stepped[0]
        return stepped

    return hit


class MemoryStore:
    """Implements `Store`, by this process's monotonic clock."""

    def __init__(self, *, clock: Clock | None = None, keys_most: int = KEYS_MOST) -> None:
        self._now = (clock or SystemClock()).monotonic_ns
        self._keys_most = keys_most
        self._buckets: dict[Limit, Bucket] = {}

    def bucket(self, limit: Limit) -> Bucket:
        """The limit's own counters: the fastest way to ask one limit."""
        found = self._buckets.get(limit)
        if found is None:
            found = self._buckets[limit] = Bucket(limit, self._now, self._keys_most)
        return found

    def keep(self, limits: set[Limit]) -> None:
        """Forget the counters of all other limits: rules have changed."""
        self._buckets = {limit: bucket for limit, bucket in self._buckets.items() if limit in limits}

    def decide_now(self, asks: Sequence[Ask]) -> list[Outcome]:
        """`decide`, without an event loop."""
        if len(asks) == 1:
            ask = asks[0]
            return [self.bucket(ask.limit).hit(ask.key, ask.cost)[1:]]
        return self.decide_openly(asks)[2]

    def decide_openly(self, asks: Sequence[Ask]) -> tuple[int, list[State], list[Outcome]]:
        """`decide_now`, with the time and the states that it was decided on."""
        now = self._now()
        buckets = [self.bucket(ask.limit) for ask in asks]
        states = [bucket.get(ask.key, now) for bucket, ask in zip(buckets, asks, strict=True)]
        rules = [bucket.rule for bucket in buckets]
        after, outcomes = decide(rules, states, now, [ask.cost for ask in asks], [ask.shadow for ask in asks])
        if after is not None:
            for bucket, ask, state in zip(buckets, asks, after, strict=True):
                bucket.put(ask.key, state)
        return now, states, outcomes

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns."""
        return self.decide_now(asks)

    def settle_now(self, asks: Sequence[Ask]) -> None:
        """`settle`, without an event loop."""
        now = self._now()
        for ask in asks:
            self.bucket(ask.limit).settle(ask.key, now, ask.cost)

    def move(self, old: Limit, new: Limit, key: str) -> None:
        """Count what a key has taken of one limit under another one."""
        source, target, now = self.bucket(old), self.bucket(new), self._now()
        used = source.rule.used(source.get(key, now), now)
        if used:
            source.put(key, source.rule.empty)
            target.settle(key, now, used)

    def taken(self, limit: Limit) -> list[tuple[str, int]]:
        """Every key of a limit of which something is taken, and how much."""
        bucket, now = self.bucket(limit), self._now()
        used = bucket.rule.used
        return [(key, found) for key, state in bucket.states().items() if (found := used(state, now))]

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking."""
        self.settle_now(asks)

    async def close(self) -> None:
        """Nothing is held."""
