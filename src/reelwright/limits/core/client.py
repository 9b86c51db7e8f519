"""The other side: a client that does not press on a service which refuses it, and retries only what it can afford.

Sources: "Handling Overload", Site Reliability Engineering (client-side throttling: p = max(0, (requests − K·accepts)
/ (requests + 1))); retry budgets as in Finagle. Pure: time and the random number are passed in.
"""

from __future__ import annotations

from collections import deque

import msgspec

SPAN_NS = 120 * 10**9
PARTS = 24


class Throttle:
    """Refuses locally what the service would refuse, in proportion; requests are counted before they are sent."""

    def __init__(self, *, k: float = 2.0, span_ns: int = SPAN_NS) -> None:
        self._k = k
        self._part_ns = max(1, span_ns // PARTS)
        self._parts: deque[list[int]] = deque()
        self._requests = self._accepts = 0

    def refuses(self, now_ns: int, drawn: float) -> bool:
        """Whether a request is refused before it is sent; `drawn` is from [0, 1)."""
        part = self._part(now_ns)
        chance = max(0.0, (self._requests - self._k * self._accepts) / (self._requests + 1))
        part[1] += 1
        self._requests += 1
        return drawn < chance

    def accepted(self, now_ns: int) -> None:
        """The service has answered, with whatever but a refusal."""
        self._part(now_ns)[2] += 1
        self._accepts += 1

    def _part(self, now_ns: int) -> list[int]:
        number = now_ns // self._part_ns
        while self._parts and self._parts[0][0] <= number - PARTS:
            _, requests, accepts = self._parts.popleft()
            self._requests -= requests
            self._accepts -= accepts
        if not self._parts or self._parts[-1][0] != number:
            self._parts.append([number, 0, 0])
        return self._parts[-1]


class RetryBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Retries are a part of requests, and a few a second for those who ask seldom."""

    ratio: float = 0.1
    least_a_s: float = 1.0
    most: float = 100.0
    tokens: float = 10.0
    at_ns: int = 0

    def requested(self, now_ns: int) -> RetryBudget:
        """After a first try."""
        filled = self._filled(now_ns)
        return msgspec.structs.replace(filled, tokens=min(self.most, filled.tokens + self.ratio))

    def retry(self, now_ns: int) -> tuple[RetryBudget, bool]:
        """Whether one more try may be made."""
        filled = self._filled(now_ns)
        if filled.tokens < 1:
            return filled, False
        return msgspec.structs.replace(filled, tokens=filled.tokens - 1), True

    def _filled(self, now_ns: int) -> RetryBudget:
        passed_s = max(0, now_ns - self.at_ns) / 1e9
        return msgspec.structs.replace(
            self, tokens=min(self.most, self.tokens + passed_s * self.least_a_s), at_ns=max(now_ns, self.at_ns)
        )


def pause_ns(attempt: int, retry_after_s: float | None, drawn: float, *, base_ns: int = 10**8) -> int:
    """How long to wait before a retry: what the service said, and jitter on top; else full jitter that doubles."""
    if retry_after_s is not None:
        return round(retry_after_s * 1e9 + drawn * base_ns)
    return round(drawn * base_ns * (1 << min(attempt, 10)))
