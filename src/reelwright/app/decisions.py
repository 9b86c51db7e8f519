"""Decisions of limits as events: limits know nothing of events, and so cannot tell them themselves."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.events.contract import Event, EventsClient
from reelwright.kernel.clock import Clock
from reelwright.kernel.ids import EventId, new_id
from reelwright.limits.core.logged import Decided, decision_of
from reelwright.limits.ports import Tell

SOURCE = "limits"
"""What the ledger counts them under."""


def telling(events: EventsClient, clock: Clock) -> Tell:
    """Takes decisions of limits into the log of events."""

    async def tell(decided: Sequence[Decided]) -> None:
        at_ms = clock.wall_ns() // 1_000_000
        data = [told for one in decided if (told := decision_of(one)) is not None]
        found = [Event(id=EventId(new_id(clock)), type="decision", at_ms=at_ms, data=one) for one in data]
        if found:
            await events.record(found, profile_id=None, source=SOURCE)

    return tell
