"""What devices say they sent, held against what came. Pure.

Both sides count an event for the hour that its id tells, so that neither a clock that is wrong nor a batch that comes
a week later makes them differ. A device's numbers never fall, so that batches that come twice or out of order change
nothing. What it says is bounded, and kept by profile: nobody can spoil another's account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from reelwright.events.contract import FailedEvent, StoredBatch, Tally
from reelwright.kernel.ids import is_id, made_ms

HOUR_MS = 3_600_000
OLDEST_H = 45 * 24
"""Older hours are not accounted for any more; ids are forgotten after as long."""
MOST = 50_000
"""No device makes so many events in an hour; one that says so is not believed."""
SETTLE_MS = 600_000
"""What a device calls done came before it said so, but perhaps to another collector, which is projected by itself."""
Key = tuple[str, str, int]
"""Profile, sender, hour."""


class Change(msgspec.Struct):
    """What a batch adds to the account of one sender and hour."""

    synthetic: bool
    made: int = 0
    done: int = 0
    stored: int = 0
    failed: int = 0
    told_ms: int = 0


def hour_of(event_id: str) -> int:
    """Hours since the epoch when an event was made."""
    return made_ms(event_id) // HOUR_MS


def refused_hours(failed: Iterable[FailedEvent], received_ms: int) -> dict[int, int]:
    """By hour, how many events were refused; one whose id cannot be read counts for the hour in which it came."""
    hours: dict[int, int] = {}
    for event in failed:
        claimed = _claimed_id(event.raw)
        hour = hour_of(claimed) if is_id(claimed) else received_ms // HOUR_MS
        hours[hour] = hours.get(hour, 0) + 1
    return hours


def changes(batches: Iterable[StoredBatch], fresh: Mapping[int, Iterable[str]]) -> dict[Key, Change]:
    """What batches add to the accounts; `fresh` are, by a batch's place, the ids that came for the first time."""
    found: dict[Key, Change] = {}
    for place, batch in enumerate(batches):
        tally, profile_id = batch.tally, batch.profile_id
        if tally is None or profile_id is None:
            continue
        newest = batch.received_ms // HOUR_MS + 1

        def change(hour: int, batch: StoredBatch = batch, tally: Tally = tally, newest: int = newest) -> Change:
            if (
                not newest - OLDEST_H <= hour <= newest
            ):  # a clock that is so wrong tells nothing: counted, and not kept
                return Change(batch.synthetic)
            return found.setdefault((str(batch.profile_id), tally.sender, hour), Change(batch.synthetic))

        for told in tally.hours:
            if told.made <= MOST:
                one = change(told.hour)
                one.made = max(one.made, told.made)
                one.done = max(one.done, min(told.done, told.made))
                one.told_ms = max(one.told_ms, batch.received_ms)
        for event_id in fresh.get(place, ()):
            change(hour_of(event_id)).stored += 1
        for hour, count in batch.refused.items():
            change(hour).failed += count
    return found


def _claimed_id(raw: bytes) -> str:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return str(found.get("id", ""))[:26] if isinstance(found, dict) else ""
