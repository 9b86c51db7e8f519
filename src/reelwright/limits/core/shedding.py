"""The gate in front of a service: who begins, who waits, who is shed.

One adaptive limit says how much is done at once; what comes beyond waits in a fair queue by priority and tenant, for
as long as it still can be in time. CPU above its target sheds the less important before they wait. Pure but for its
own state: time and measurements are passed in.
"""

from __future__ import annotations

from typing import Any, Literal

from reelwright.limits.core.adaptive import Gradient, Seen, average_rtt
from reelwright.limits.core.fair import FairQueue, Waiting

WINDOW_NS = 100 * 10**6
WINDOW_LEAST = 10
Entry = Literal["begins", "waits", "shed"]


class Gate:
    """Decides for each request when it comes, and for those who wait when another ends.

    CPU sheds nobody while fewer than `cpu_inflight_least` are inside: who uses a core alone is no overload.
    """

    def __init__(
        self,
        *,
        limit: Gradient | None = None,
        priorities: int = 2,
        queue: FairQueue | None = None,
        cpu_inflight_least: int = 0,
    ) -> None:
        self._adaptive = limit or Gradient()
        self._priorities = priorities
        self._cpu_inflight_least = cpu_inflight_least
        self._queue = queue or FairQueue(priorities=priorities)
        self.inflight = 0
        self._window_ns = 0
        self._rtts: list[int] = []
        self._busiest = 0
        self._dropped = False
        self.cpu = 0.0
        """Of all cores, lately; whoever measures it sets it."""

    @property
    def limit(self) -> int:
        """How much is done at once."""
        return self._adaptive.limit

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._queue.size

    def enter(self, now_ns: int, *, priority: int, tenant: str, item: Any) -> tuple[Entry, list[Any]]:
        """What becomes of a request, and whom it pushes out of the queue."""
        priority = min(priority, self._priorities - 1)
        if self.cpu > cpu_threshold(priority, self._priorities) and self.inflight >= self._cpu_inflight_least:
            return "shed", []
        if self.inflight < self.limit and not self._queue.size:
            self._begin()
            return "begins", []
        out = [waiting.item for waiting in self._queue.shed(now_ns)]
        pushed = self._queue.push(priority, Waiting(now_ns, tenant, item))
        if pushed is not None:
            out.append(pushed.item)
        return "waits", out

    def leave(self, now_ns: int, *, rtt_ns: int, dropped: bool = False) -> tuple[list[Any], list[Any]]:
        """A request has ended: who begins now, and who has waited in vain; 0 ns were not measured."""
        if rtt_ns:
            self._measure(now_ns, rtt_ns, dropped)
        return self.withdraw(now_ns)

    def withdraw(self, now_ns: int) -> tuple[list[Any], list[Any]]:
        """`leave` of one who went away before anything was done."""
        self.inflight -= 1
        out = [waiting.item for waiting in self._queue.shed(now_ns)]
        begins = []
        while self.inflight < self.limit and (waiting := self._queue.pop(now_ns)) is not None:
            self._begin()
            begins.append(waiting.item)
        return begins, out

    def _begin(self) -> None:
        self.inflight += 1
        self._busiest = max(self._busiest, self.inflight)

    def _measure(self, now_ns: int, rtt_ns: int, dropped: bool) -> None:
        self._rtts.append(rtt_ns)
        self._dropped = self._dropped or dropped
        if now_ns - self._window_ns < WINDOW_NS or len(self._rtts) < WINDOW_LEAST:
            return
        self._adaptive = self._adaptive.sample(Seen(average_rtt(self._rtts), self._busiest, self._dropped))
        self._window_ns, self._rtts, self._busiest, self._dropped = now_ns, [], self.inflight, False


def cpu_threshold(priority: int, priorities: int) -> float:
    """Above which part of all cores a priority is shed: the least important at 80 %, the most important never."""
    if priority == 0:
        return 2.0
    return 0.98 - 0.18 * priority / max(1, priorities - 1)
