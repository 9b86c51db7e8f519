"""A circuit breaker: after a failure nobody waits for the store until a probe has succeeded.

Pure: states are immutable and time is passed in. The pause before each probe doubles from `FIRST_NS` to `MOST_NS`.
"""

from __future__ import annotations

import msgspec

FIRST_NS = 250 * 10**6
MOST_NS = 8 * 10**9


class Breaker(msgspec.Struct, frozen=True):
    """Closed while `pause_ns` is 0; otherwise open, and `probe_ns` is when the store may be tried again."""

    pause_ns: int = 0
    probe_ns: int = 0

    @property
    def closed(self) -> bool:
        """Whether the store is asked."""
        return self.pause_ns == 0


CLOSED = Breaker()


def failed(breaker: Breaker, now_ns: int) -> Breaker:
    """After a failure: open, for twice as long as before where the probe failed."""
    if not breaker.closed and now_ns < breaker.probe_ns:
        return breaker  # one of many that were under way when the first failed
    pause_ns = min(MOST_NS, breaker.pause_ns * 2) or FIRST_NS
    return Breaker(pause_ns, now_ns + pause_ns)


def succeeded(_breaker: Breaker) -> Breaker:
    """After a success: closed."""
    return CLOSED
