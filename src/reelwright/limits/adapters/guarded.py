"""A shared store that may fail: then every limit goes on by its own rule, and nobody waits.

`share`: this node limits to its share of the last known number of nodes; `open`: all are admitted; `closed`: none.
The first call of an outage waits for the store's timeout, all later ones for nothing: a probe in the background finds
out when the store is back. What this node admits is always counted here too, so that no window holds the limit twice
when the store goes, and a store that comes back empty is told what was taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence

import msgspec

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.telemetry import counter, logger
from reelwright.limits.adapters.memory import MemoryStore
from reelwright.limits.contract import Ask, Limit, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome, compiled
from reelwright.limits.core.breaker import CLOSED, failed, succeeded
from reelwright.limits.core.shares import share_of
from reelwright.limits.ports import Store, SyncStore

LOG = logger(__name__)
OUTAGES = counter("limits_store_outages_total", "Times that the shared store of limits was given up for a while.")
HEARTBEAT_S = 5.0
_PRESENCE = Ask(Limit(name="nodes", count=1000, period_ns=2 * 10**9 * int(HEARTBEAT_S), algorithm="concurrency"), "|")
OWED_MOST = 100_000
PAID_AT_ONCE = 500
SETTLE_S = 1.0
"""How long nodes keep to their shares after the store came back empty, so that all can tell it what was taken."""
FEWER_BEATS = 4


class Alone:
    """How a node goes on without its store, and what it remembers for when that comes back. State, no I/O."""

    def __init__(self, *, nodes: int, clock: Clock | None) -> None:
        self._clock = clock or SystemClock()
        self._mirror = MemoryStore(clock=self._clock)
        self._breaker = CLOSED
        self._nodes = nodes
        self._shares: dict[Limit, Limit] = {}
        self._former: dict[Limit, list[tuple[Limit, int]]] = {}
        """Shares of other numbers of nodes, and until when something may still be counted under them."""
        self._seen = ""
        """The store's life that was seen last."""
        self._owed: dict[tuple[Limit, str], int] = {}

    @property
    def available(self) -> bool:
        """Whether the store is asked at all."""
        return self._breaker.closed

    @property
    def nodes(self) -> int:
        """How many nodes there are, as last known."""
        return self._nodes

    def decide_alone(self, asks: Sequence[Ask]) -> list[Outcome]:
        """The answer without the store, by each limit's own rule."""
        shut = any(ask.on_outage == "closed" and not ask.shadow for ask in asks)
        shared = [ask for ask in asks if ask.on_outage == "share"]
        if shut:
            looked = [msgspec.structs.replace(self._own(ask), cost=0) for ask in shared]
        else:
            looked = [self._own(ask) for ask in shared]
        outcomes = self._mirror.decide_now(looked) if looked else []
        if not shut and all(outcome[0] or ask.shadow for outcome, ask in zip(outcomes, shared, strict=True)):
            self._owe([ask for ask, outcome in zip(shared, outcomes, strict=True) if outcome[0]])
        told = iter(outcomes)
        wait_ns = max(1, self._breaker.probe_ns - self._clock.monotonic_ns())
        rest: dict[str, Outcome] = {"closed": (False, 0, wait_ns, wait_ns)}
        return [
            next(told) if ask.on_outage == "share" else rest.get(ask.on_outage, (True, ask.limit.most, 0, 0))
            for ask in asks
        ]

    def _own(self, ask: Ask) -> Ask:
        share = self._shares.get(ask.limit)
        if share is None:
            share = self._shares[ask.limit] = share_of(ask.limit, self._nodes)
        if self._former:
            self._take_over(ask, share)
        return Ask(share, ask.key, ask.cost, ask.shadow)

    def _take_over(self, ask: Ask, share: Limit) -> None:
        """What was counted for another number of nodes is counted for this one, when the key is asked for again."""
        former, now_ns = self._former.get(ask.limit, []), self._clock.monotonic_ns()
        for old, ends_ns in former:
            if old != share and share.count and now_ns < ends_ns:
                self._mirror.move(old, share, ask.key)
        if former and all(now_ns >= ends_ns for _, ends_ns in former):
            del self._former[ask.limit]

    def _give_up(self, error: StoreUnavailable) -> None:
        if self._breaker.closed:
            OUTAGES.inc()
            LOG.warning("store_given_up", reason=str(error), nodes=self._nodes)
        self._breaker = failed(self._breaker, self._clock.monotonic_ns())

    def _taken(self) -> list[tuple[Limit, str, int]]:
        """Every key of every limit of which something is taken here, and how much."""
        found: dict[tuple[Limit, str], int] = {}
        for limit in {*self._shares, *self._former}:
            shares = {self._shares.get(limit), *(old for old, _ in self._former.get(limit, ()))}
            for share in shares - {None}:
                for key, used in self._mirror.taken(share):  # type: ignore[arg-type]
                    found[limit, key] = found.get((limit, key), 0) + used
        return [(limit, key, used) for (limit, key), used in found.items()]

    def _owe(self, asks: Sequence[Ask]) -> None:
        if len(self._owed) < OWED_MOST:
            for ask in asks:
                known = (ask.limit, ask.key)
                self._owed[known] = self._owed.get(known, 0) + ask.cost

    def _count_own(self, asks: Sequence[Ask], outcomes: Sequence[Outcome]) -> None:
        """Count here, too, what the store admitted."""
        if all(outcome[0] or ask.shadow for outcome, ask in zip(outcomes, asks, strict=True)):
            admitted = [self._own(ask) for ask, outcome in zip(asks, outcomes, strict=True) if outcome[0]]
            self._mirror.settle_now(admitted)

    def _owe_all(self) -> None:
        """The store has lost everything: it is owed all that is still taken."""
        LOG.warning("store_came_back_empty")
        taken = [one for one in self._taken() if one[0].algorithm != "concurrency"]
        self._owed = {(limit, key): used for limit, key, used in taken}

    def _some_owed(self) -> list[tuple[tuple[Limit, str], int]]:
        return list(self._owed.items())[:PAID_AT_ONCE]

    def _paid(self, owed: Sequence[tuple[tuple[Limit, str], int]]) -> None:
        for known, cost in owed:
            left = self._owed.pop(known) - cost
            if left:
                self._owed[known] = left


class GuardedStore(Alone):
    """Implements `Store` on another one. Belongs to one event loop."""

    def __init__(self, store: Store, *, nodes: int = 1, clock: Clock | None = None) -> None:
        super().__init__(nodes=nodes, clock=clock)
        self._store = store
        self._fewer = 0
        self._epoch: Callable[[], str] = getattr(store, "epoch", str)
        self._beating: asyncio.Task[None] | None = None

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns; never raises StoreUnavailable."""
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())
        if not self._breaker.closed:
            return self.decide_alone(asks)
        try:
            outcomes = await self._store.decide(asks)
        except StoreUnavailable as error:
            self._give_up(error)
            return self.decide_alone(asks)
        if self._epoch() != self._seen:
            self._notice_epoch()
        self._count_own(asks, outcomes)
        return outcomes

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back); without the store, only here."""
        self._mirror.settle_now([self._own(ask) for ask in asks])
        if self._breaker.closed:
            try:
                await self._store.settle(asks)
            except StoreUnavailable as error:
                self._give_up(error)

    async def close(self) -> None:
        """End the heartbeat, and close the store."""
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        await self._store.close()

    async def _beat(self) -> None:
        """Say that this node is here, hear how many there are, and find out when the store is back."""
        present = False
        while True:
            await self._probe(present)
            present = self._breaker.closed
            pause_s = HEARTBEAT_S if self._breaker.closed else self._breaker.pause_ns / 1e9
            until = self._clock.monotonic_ns() + round(pause_s * 1e9)
            while self._clock.monotonic_ns() < until and self._breaker.closed == present:
                await asyncio.sleep(min(0.05, pause_s))

    async def _probe(self, present: bool) -> None:
        if not self._breaker.closed:
            await asyncio.sleep(max(0.0, (self._breaker.probe_ns - self._clock.monotonic_ns()) / 1e9))
        try:
            if present:
                await self._store.settle([msgspec.structs.replace(_PRESENCE, cost=-1)])
            outcome = (await self._store.decide([_PRESENCE]))[0]
            await self._come_back()
        except StoreUnavailable as error:
            self._give_up(error)
            return
        self._hear(_PRESENCE.limit.count - outcome[1])
        self._breaker = succeeded(self._breaker)

    async def _come_back(self) -> None:
        """Tell the store what was taken without it; one that has lost everything, all that is still taken.

        Then every node does so, and until then each keeps to its share.
        """
        if self._seen and self._epoch() != self._seen:
            self._owe_all()
            await self._pay()
            await asyncio.sleep(SETTLE_S)
        self._seen = self._epoch()
        await self._pay()

    async def _pay(self) -> None:
        while self._owed:
            owed = self._some_owed()
            await self._store.settle([Ask(limit, key, cost) for (limit, key), cost in owed])
            self._paid(owed)

    def _notice_epoch(self) -> None:
        """The store has lost everything: go on alone, until the heartbeat has told it."""
        if self._seen:
            self._breaker = failed(self._breaker, self._clock.monotonic_ns())
        else:
            self._seen = self._epoch()

    def _hear(self, nodes: int) -> None:
        """More nodes are believed at once, fewer after a while: an empty store knows of few at first."""
        self._fewer = self._fewer + 1 if nodes < self._nodes else 0
        if nodes > self._nodes or self._fewer >= FEWER_BEATS:
            now_ns = self._clock.monotonic_ns()
            for limit, share in self._shares.items():
                known = [one for one in self._former.get(limit, []) if one[0] != share and now_ns < one[1]]
                self._former[limit] = [(share, now_ns + compiled(share).lifetime), *known]
            self._nodes, self._shares, self._fewer = nodes, {}, 0


class SyncGuardedStore(Alone):
    """The same for a store that is asked without an event loop; the number of nodes is what it was told.

    Whoever comes first after the pause of an outage is the probe, and waits at most for the store's timeout.
    """

    blocks = True

    def __init__(self, store: SyncStore, *, nodes: int = 1, clock: Clock | None = None) -> None:
        super().__init__(nodes=nodes, clock=clock)
        self._store = store
        self._lock = threading.Lock()

    def decide_now(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns; never raises StoreUnavailable."""
        with self._lock:
            if not self._breaker.closed and self._clock.monotonic_ns() < self._breaker.probe_ns:
                return self.decide_alone(asks)
            try:
                if not self._breaker.closed:
                    self._come_back(asks)
                outcomes = self._store.decide_now(asks)
                self._seen = self._store.epoch()
            except StoreUnavailable as error:
                self._give_up(error)
                return self.decide_alone(asks)
            self._breaker = succeeded(self._breaker)
            self._count_own(asks, outcomes)
            return outcomes

    def settle_now(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back); without the store, only here."""
        with self._lock:
            self._mirror.settle_now([self._own(ask) for ask in asks])
            if self._breaker.closed:
                try:
                    self._store.settle_now(asks)
                except StoreUnavailable as error:
                    self._give_up(error)

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """`decide_now` in a thread."""
        return await asyncio.to_thread(self.decide_now, asks)

    async def settle(self, asks: Sequence[Ask]) -> None:
        """`settle_now` in a thread."""
        await asyncio.to_thread(self.settle_now, asks)

    async def close(self) -> None:
        """Close the store."""
        self._store.close_now()

    def _come_back(self, asks: Sequence[Ask]) -> None:
        """Look whether it is there, and tell it what was taken without it; one that has lost everything, all."""
        self._store.decide_now([msgspec.structs.replace(ask, cost=0) for ask in asks])
        if self._seen and self._store.epoch() != self._seen:
            self._owe_all()
        while self._owed:
            owed = self._some_owed()
            self._store.settle_now([Ask(limit, key, cost) for (limit, key), cost in owed])
            self._paid(owed)
