"""What events mean for a profile: how far it has watched, what it likes, what it keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from reelwright.events.contract import Event, Fact
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId

FINISHED_SHARE = 0.95
CREDITS_S = 90.0
VIEW_S = 30.0
"""A view is counted once this much was watched, or a quarter of a short film."""
SPEED_MOST = 2.0
DAY_MS = 86_400_000
POSITIONS = frozenset({"play", "heartbeat", "stop", "seek"})


class Watching(msgspec.Struct, frozen=True, kw_only=True):
    """How far a profile is in a playable."""

    title_id: TitleId
    position_s: float
    duration_s: float
    started_s: float
    """Where the stretch that is watched now began: views are counted from there."""
    finished: bool
    last_ms: int


def watch(before: Watching | None, event: Event) -> tuple[Watching, bool]:
    """What a position event makes of what was known, and whether it is a view; a late one moves nobody back."""
    assert event.title_id is not None, "reason_to_refuse lets no position event pass without its title"
    position_s = event.position_s or 0.0
    duration_s = _seconds(event.data.get("duration_s")) or (before.duration_s if before else 0.0)
    started_s = position_s if before is None or event.type in ("play", "seek") else before.started_s
    viewed = event.type in ("heartbeat", "stop") and is_view(position_s, started_s, duration_s)
    if before is not None and event.at_ms < before.last_ms:
        return before, viewed
    return Watching(
        title_id=event.title_id,
        position_s=position_s,
        duration_s=duration_s,
        started_s=started_s,
        finished=is_finished(position_s, duration_s),
        last_ms=event.at_ms,
    ), viewed


def watched_s(before: Watching | None, event: Event) -> float:
    """Seconds of the film that a heartbeat or stop adds to what was watched.

    Never more than the time that has passed allows at double speed: a jump whose event was lost is no watching.
    """
    if before is None or event.type not in ("heartbeat", "stop") or event.at_ms < before.last_ms:
        return 0.0
    possible_s = (event.at_ms - before.last_ms) / 1000 * SPEED_MOST + 1
    return min(max((event.position_s or 0.0) - before.position_s, 0.0), possible_s)


def was_view(before: Watching | None, event: Event) -> bool:
    """Whether the stretch had become a view already; a late event makes none."""
    if before is None:
        return False
    return event.at_ms < before.last_ms or is_view(before.position_s, before.started_s, before.duration_s)


def facts_of(told: Iterable[tuple[ProfileId, bool, Event]]) -> Iterator[Fact]:
    """What each event of these adds, in the order in which they were stored: (profile, whether simulated, event)."""
    known: dict[tuple[ProfileId, PlayableId | None], Watching | None] = {}
    for profile_id, synthetic, event in told:
        seconds, viewed = 0.0, False
        if event.type in POSITIONS:
            key = profile_id, event.playable_id
            before = known.get(key)
            known[key], viewed = watch(before, event)
            seconds, viewed = watched_s(before, event), viewed and not was_view(before, event)
        yield Fact(profile_id=profile_id, synthetic=synthetic, event=event, watched_s=seconds, viewed=viewed)


def is_finished(position_s: float, duration_s: float) -> bool:
    """Whether only the credits are left: 95 % seen, or less than 90 s to go in a film of over 15 minutes."""
    if duration_s <= 0:
        return False
    if position_s >= duration_s * FINISHED_SHARE:
        return True
    return duration_s > 900 and duration_s - position_s <= CREDITS_S


def is_view(position_s: float, started_s: float, duration_s: float) -> bool:
    """Whether a heartbeat at `position_s` makes a start at `started_s` a view."""
    return position_s - started_s >= min(VIEW_S, duration_s / 4 if duration_s > 0 else VIEW_S)


def day_of(at_ms: int) -> int:
    """Days since the epoch, UTC: a profile's views of a title count once a day."""
    return at_ms // DAY_MS


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 200_000 else 0.0
