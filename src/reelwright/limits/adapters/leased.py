"""A shared store asked through leases: most decisions cost nothing but arithmetic in this process.

Only buckets (`gcra`) can be leased; every other limit of a request is asked at the store. See core/lease.py for what
is promised: in any window W at most L·(W + H) + burst. What a slice holds when it ends goes back to the store where
that may be more than flowed into the bucket meanwhile; a store that is closed gives back all it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.limits.adapters.redis import RedisStore
from reelwright.limits.contract import NEVER, Ask, Limit, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.lease import Lease

HOLD_S = 0.05
LEASES_MOST = 100_000


class LeasedStore:
    """Implements `Store` on a Redis. Belongs to one event loop."""

    def __init__(self, store: RedisStore, *, hold_s: float = HOLD_S, clock: Clock | None = None) -> None:
        if hold_s <= 0:
            raise Invalid(f"a lease is held for some time, got {hold_s} s")
        self._store = store
        self._hold_ns = round(hold_s * 1e9)
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._leases: dict[tuple[Limit, str], Lease] = {}
        self._calls: dict[tuple[Limit, str], asyncio.Task[None]] = {}
        self._returns: set[asyncio.Task[None]] = set()
        self.calls = 0
        """Leases asked for: what a benchmark counts."""

    def hit(self, limit: Limit, key: str, cost: int = 1) -> bool:
        """Spend `cost` of what is held, at once; where it is not enough, a call begins that later hits gain from."""
        lease = self._leases.get((limit, key))
        if lease is None:
            lease = self._lease(limit, key)
        now_ns = self._now_ns()
        if lease.spend(now_ns, cost):
            return True
        if now_ns >= lease.next_ns:
            self._call(limit, key, lease)
        return False

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns; what is left is what this node holds. Raises StoreUnavailable."""
        leased = [ask for ask in asks if ask.limit.algorithm == "gcra" and ask.limit.count]
        rest = [ask for ask in asks if ask.limit.algorithm != "gcra" or not ask.limit.count]
        await self._fill(leased)
        now_ns = self._now_ns()
        enough = {id(ask): self._holds(ask, now_ns) for ask in leased}
        told: list[Outcome] = []
        if rest and all(enough[id(ask)] or ask.shadow for ask in leased):
            told = await self._store.decide(rest)
        elif rest:
            told = await self._store.decide([Ask(ask.limit, ask.key, 0) for ask in rest])
        passes = all(enough[id(ask)] or ask.shadow for ask in leased) and all(
            outcome[0] or ask.shadow for outcome, ask in zip(told, rest, strict=True)
        )
        outcomes, others = [], iter(told)
        for ask in asks:
            spend = passes and enough.get(id(ask), False)
            outcomes.append(self._outcome(ask, enough[id(ask)], spend) if id(ask) in enough else next(others))
        return outcomes

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) at the store. Raises StoreUnavailable."""
        await self._store.settle(asks)

    def epoch(self) -> str:
        """Which life of the store this is, as far as known."""
        return self._store.epoch()

    async def close(self) -> None:
        """End calls, give back what is held, and close the store."""
        for call in list(self._calls.values()):
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
        for (limit, key), lease in self._leases.items():
            if lease.tokens:
                self._give_back(limit, key, lease.rest())
        await asyncio.gather(*self._returns)
        await self._store.close()

    async def _fill(self, asks: Sequence[Ask]) -> None:
        now_ns, waiting = self._now_ns(), []
        for ask in asks:
            lease = self._lease(ask.limit, ask.key)
            if not self._holds(ask, now_ns) and (lease.may_call(now_ns) or (ask.limit, ask.key) in self._calls):
                waiting.append(self._call(ask.limit, ask.key, lease))
        for call in waiting:
            await asyncio.shield(call)

    def _holds(self, ask: Ask, now_ns: int) -> bool:
        lease = self._lease(ask.limit, ask.key)
        return ask.cost == 0 or (ask.cost <= lease.tokens and now_ns < lease.ends_ns)

    def _outcome(self, ask: Ask, enough: bool, spend: bool) -> Outcome:
        lease, now_ns = self._lease(ask.limit, ask.key), self._now_ns()
        if spend or not enough:
            lease.spend(now_ns, ask.cost)
        if enough:
            return True, lease.tokens, 0, max(0, lease.ends_ns - now_ns)
        wait_ns = NEVER if ask.cost > ask.limit.most else max(1, lease.next_ns - now_ns)
        return False, lease.tokens, wait_ns, max(0, lease.ends_ns - now_ns)

    def _lease(self, limit: Limit, key: str) -> Lease:
        found = self._leases.get((limit, key))
        if found is None:
            if len(self._leases) >= LEASES_MOST:
                self._leases.clear()  # what they hold is lost, as with a node that dies
            found = self._leases[limit, key] = Lease(self._hold_ns, limit.most)
        return found

    def _call(self, limit: Limit, key: str, lease: Lease) -> asyncio.Task[None]:
        known = (limit, key)
        call = self._calls.get(known)
        if call is None:
            call = self._calls[known] = asyncio.get_running_loop().create_task(self._ask(limit, key, lease))
            call.add_done_callback(lambda done: self._ended(known, done))
        return call

    def _ended(self, known: tuple[Limit, str], call: asyncio.Task[None]) -> None:
        self._calls.pop(known, None)
        if not call.cancelled():
            call.exception()  # a failure is told to those who wait; a hit only finds nothing there

    async def _ask(self, limit: Limit, key: str, lease: Lease) -> None:
        sent_ns = self._now_ns()
        want = lease.call(sent_ns)
        self.calls += 1
        taken, wait_ns, since = await self._store.take(Ask(limit, key, want))
        now_ns = self._now_ns()
        over = lease.granted(sent_ns, now_ns, taken, wait_ns, since)
        if self._is_worth(limit, over[0]):
            self._give_back(limit, key, over)
        asyncio.get_running_loop().call_later(max(0, lease.ends_ns - now_ns) / 1e9, self._end, limit, key, lease)

    def _end(self, limit: Limit, key: str, lease: Lease) -> None:
        if self._now_ns() >= lease.ends_ns and self._is_worth(limit, lease.tokens):
            self._give_back(limit, key, lease.rest())

    def _is_worth(self, limit: Limit, tokens: int) -> bool:
        """Whether more than what flows into the bucket in one H."""
        return tokens * limit.period_ns > limit.count * self._hold_ns

    def _give_back(self, limit: Limit, key: str, over: tuple[int, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._return(limit, key, over))
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)

    async def _return(self, limit: Limit, key: str, over: tuple[int, int]) -> None:
        self.calls += 1
        with contextlib.suppress(StoreUnavailable):  # then it is lost, as with a node that dies
            await self._store.take(Ask(limit, key, 0), back=over)
