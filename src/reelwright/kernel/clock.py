"""Time, passed in: no decision reads the machine's clock by itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a system reads the time."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch; may step either way."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back. Durations use this one."""
        ...


class SystemClock:
    """The machine's clock."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start."""
        return time.monotonic_ns()


class VirtualClock:
    """A clock that moves only when told, for tests and simulations."""

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = 0

    def wall_ns(self) -> int:
        """The wall time last set or reached."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Time passed since the clock was made."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks; negative values are refused."""
        if seconds < 0:
            raise ValueError(f"time passes forwards, got {seconds} s; use step_wall to move the wall clock back")
        passed = round(seconds * 1e9)
        self._wall_ns += passed
        self._monotonic_ns += passed

    def step_wall(self, seconds: float) -> None:
        """Step only the wall clock, either way, as NTP or an operator does."""
        self._wall_ns += round(seconds * 1e9)


def utc(wall_ns: int) -> datetime:
    """The UTC date and time of `wall_ns`, to the microsecond."""
    return datetime.fromtimestamp(wall_ns / 1e9, UTC)
