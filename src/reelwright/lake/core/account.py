"""The ledger: what the collectors' projections say they acknowledged, against what the lake holds. Pure.

Both sides read the same logs by ways of their own, so that a loss on either shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reelwright.events.contract import SentHour
from reelwright.lake.contract import Entry, Gap

Key = tuple[int, str, bool]
"""Hour since the epoch, source, synthetic."""


def entries(
    acknowledged: Iterable[Mapping[str, Any]], stored: Mapping[Key, int], failed: Mapping[Key, int]
) -> list[Entry]:
    """One entry an hour and source, newest first; `acknowledged` are the rows of the events' own ledger."""
    known = {(row["hour"], row["source"], bool(row["synthetic"])): row for row in acknowledged}
    found = []
    for key in sorted({*known, *stored, *failed}, key=lambda key: (-key[0], key[1], key[2])):
        row = known.get(key, {})
        fresh, again, refused = row.get("stored", 0), row.get("duplicate", 0), failed.get(key, 0)
        found.append(
            Entry(
                hour=key[0],
                source=key[1],
                synthetic=key[2],
                received=fresh + again + refused,
                acknowledged=fresh,
                duplicate=again,
                failed=refused,
                stored=stored.get(key, 0),
            )
        )
    return found


def gaps(ledger: Iterable[Entry], *, open_hour: int) -> list[Gap]:
    """Hours whose books do not agree; from `open_hour` on the lake may be ahead, since it was read later.

    An event that was sent to two sources counts for the one that a reader met first, which need not be the same for
    both readers: hours are compared over all sources.
    """
    hours: dict[int, int] = {}
    for entry in ledger:
        hours[entry.hour] = hours.get(entry.hour, 0) + entry.stored - entry.acknowledged
    found = []
    for hour, over in sorted(hours.items(), reverse=True):
        if over < 0:
            says = f"{-over} acknowledged events are not in the lake"
            found.append(Gap(hour=hour, kind="lost", count=-over, says=says))
        elif over > 0 and hour < open_hour:
            says = f"{over} events are in the lake that the projections have not counted"
            found.append(Gap(hour=hour, kind="uncounted", count=over, says=says))
    return found


def missing(sent: Iterable[SentHour]) -> list[Gap]:
    """Hours of which devices say that they sent more than came."""
    found = []
    for one in sent:
        if one.missing:
            says = f"{one.missing} events that {_devices(one.missing_senders)} sent have not come"
            found.append(Gap(hour=one.hour, kind="missing", count=one.missing, says=says))
    return found


def _devices(count: int) -> str:
    return "a device says it" if count == 1 else f"{count} devices say they"
