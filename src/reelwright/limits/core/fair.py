"""A queue that is fair to tenants and strict between priorities, and that lets nobody wait in vain.

Within a priority: deficit round robin (Shreedhar, Varghese 1995). A tenant who was here lately keeps what it is
owed, up to a bound, so that one whose queue was empty when its turn came is served next. Between priorities: the
more important first, but each lower one is given `share` of the turns if it waits. Who has waited for longer than
the queue's time is shed (CoDel, RFC 8289, as applied to request queues): `interval_ns` while the queue empties now
and then, `target_ns` once it has not been empty for an interval. While it is overloaded the newest are served first:
they can still be in time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

OWED_MOST = 50.0
SEEN_NS = 10**9


class Waiting(msgspec.Struct):
    """Someone in the queue."""

    since_ns: int
    tenant: str
    item: Any
    cost: float = 1.0


class _Tenant:
    __slots__ = ("owed", "queue", "seen_ns")

    def __init__(self) -> None:
        self.queue: deque[Waiting] = deque()
        self.owed = 0.0
        self.seen_ns = 0


class RoundRobin:
    """The tenants of one priority, in turn; memory is bounded by `most` waiting."""

    def __init__(self, *, most: int = 1000, quantum: float = 1.0) -> None:
        self._most = most
        self._quantum = quantum
        self._tenants: dict[str, _Tenant] = {}
        self._turns: deque[str] = deque()
        self.size = 0

    def push(self, waiting: Waiting) -> Waiting | None:
        """Wait; where the queue is full, the oldest of the longest queue is shed and returned."""
        tenant = self._tenants.get(waiting.tenant)
        if tenant is None:
            tenant = self._tenants[waiting.tenant] = _Tenant()
            self._turns.append(waiting.tenant)
        tenant.seen_ns = waiting.since_ns
        tenant.queue.append(waiting)
        self.size += 1
        if self.size <= self._most:
            return None
        longest = max(self._tenants.values(), key=lambda one: len(one.queue))
        self.size -= 1
        return longest.queue.popleft()

    def pop(self, now_ns: int, *, newest: bool = False) -> Waiting | None:
        """Whose turn it is."""
        if not self.size:
            return None
        while True:
            for _ in range(len(self._turns)):
                tenant = self._tenants[self._turns[0]]
                ready = tenant.queue[-1 if newest else 0] if tenant.queue else None
                if ready is not None and tenant.owed >= ready.cost:
                    tenant.owed -= ready.cost
                    self.size -= 1
                    if tenant.owed < ready.cost:
                        self._turns.rotate(-1)
                    return tenant.queue.pop() if newest else tenant.queue.popleft()
                self._turns.rotate(-1)
            self._begin_round(now_ns)

    def shed(self, before_ns: int) -> Iterator[Waiting]:
        """Those who have waited since before `before_ns`."""
        if not self.size:
            return
        for tenant in self._tenants.values():
            while tenant.queue and tenant.queue[0].since_ns < before_ns:
                self.size -= 1
                yield tenant.queue.popleft()

    def _begin_round(self, now_ns: int) -> None:
        """Everybody who is or was here lately is owed a quantum more; the others are forgotten."""
        for name in list(self._turns):
            tenant = self._tenants[name]
            if not tenant.queue and tenant.seen_ns < now_ns - SEEN_NS:
                del self._tenants[name]
                self._turns.remove(name)
            else:
                tenant.owed = min(OWED_MOST, tenant.owed + self._quantum)


class FairQueue:
    """All priorities: 0 is the most important."""

    def __init__(
        self,
        *,
        priorities: int,
        share: float = 0.05,
        target_ns: int = 20 * 10**6,
        interval_ns: int = 100 * 10**6,
        most: int = 1000,
    ) -> None:
        self._queues = [RoundRobin(most=most) for _ in range(priorities)]
        self._share = share
        self._target_ns = target_ns
        self._interval_ns = interval_ns
        self._emptied_ns = [0] * priorities
        self._lent = 0.0

    @property
    def size(self) -> int:
        """How many wait."""
        return sum(queue.size for queue in self._queues)

    def push(self, priority: int, waiting: Waiting) -> Waiting | None:
        """Wait; returns who is shed for it, if anybody."""
        queue = self._queues[priority]
        if not queue.size:
            self._emptied_ns[priority] = waiting.since_ns
        return queue.push(waiting)

    def pop(self, now_ns: int) -> Waiting | None:
        """Whose turn it is."""
        order = [number for number, queue in enumerate(self._queues) if queue.size]
        if not order:
            return None
        chosen = order[0]
        if len(order) > 1:
            self._lent += self._share
            if self._lent >= 1 - 1e-9:
                self._lent -= 1
                chosen = order[1]
        return self._queues[chosen].pop(now_ns, newest=self._overloaded(chosen, now_ns))

    def shed(self, now_ns: int) -> list[Waiting]:
        """Those who have waited too long."""
        found: list[Waiting] = []
        for number, queue in enumerate(self._queues):
            patience = self._target_ns if self._overloaded(number, now_ns) else self._interval_ns
            found += queue.shed(now_ns - patience)
            if not queue.size:
                self._emptied_ns[number] = now_ns
        return found

    def _overloaded(self, priority: int, now_ns: int) -> bool:
        return now_ns - self._emptied_ns[priority] > self._interval_ns
