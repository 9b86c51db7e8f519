"""What limits need from outside: a place for counters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from reelwright.limits.contract import Ask
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.logged import Decided

Tell = Callable[[Sequence[Decided]], Awaitable[None]]
"""Takes decisions that were kept, for those who ask later why; bound to the log of events."""


class Store(Protocol):
    """Keeps counters and decides on them, by its own clock.

    All asks of one call are decided together and in one round trip: if one refuses, none is charged. A key that is
    asked twice in one call is undefined. Raises StoreUnavailable where no answer came in time.
    """

    def decide(self, asks: Sequence[Ask]) -> Awaitable[list[Outcome]]:
        """Each ask's outcome, times in ns."""
        ...

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...


class SyncStore(Protocol):
    """A shared store that is asked without an event loop. Raises StoreUnavailable where no answer came in time."""

    def decide_now(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns."""
        ...

    def settle_now(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking."""
        ...

    def epoch(self) -> str:
        """Which life of the store this is, as far as known: another one has lost all counters."""
        ...

    def close_now(self) -> None:
        """Let go of the connection."""
        ...
