"""Rows of the tables `events` and `failed_events` from what lies in the log. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from reelwright.events.contract import Event, FailedBatch, StoredBatch
from reelwright.events.core.check import PAST_MS
from reelwright.events.core.frame import Position
from reelwright.kernel.ids import made_ms

DAY_MS = 86_400_000
AHEAD_MS = 2 * DAY_MS
"""So much later than its own event a session may have begun, by clocks that are wrong."""
_EPOCH = datetime.date(1970, 1, 1)
_NUMBERS = {
    "duration_s": "duration_s", "start_ms": "start_ms", "stall_ms": "ms", "watched_ms": "watched_ms",
    "stalled_ms": "stalled_ms", "bitrate_bps": "bitrate_bps",
}  # fmt: skip
_COUNTS = {"stalls": "stalls", "height": "height"}
_TEXTS = {"edge": "edge", "device": "device", "experiment": "experiment", "cell": "cell", "code": "code"}
_LONGEST_TEXT = 200
Row = dict[str, Any]


def event_rows(batch: StoredBatch) -> Iterable[Row]:
    """One row an event, times in microseconds and days since the epoch."""
    for event in batch.events:
        yield {
            "id": event.id,
            "day": day_of(event),
            "happened_at": event.at_ms * 1000,
            "received_at": batch.received_ms * 1000,
            "type": event.type,
            "version": event.version,
            "source": batch.source,
            "synthetic": batch.synthetic,
            "profile_id": batch.profile_id,
            "session_id": event.session_id,
            "title_id": event.title_id,
            "playable_id": event.playable_id,
            "position_s": event.position_s,
            **_measures(event.data),
            "value": _value(event),
            "data": msgspec.json.encode(event.data).decode() if event.data else None,
        }


def failed_rows(source: str, position: Position, batch: FailedBatch) -> Iterable[Row]:
    """One row a refused event."""
    for place, event in enumerate(batch.events):
        yield {
            "id": f"{source}:{position[0]}:{position[1]}:{place}",
            "day": batch.received_ms // DAY_MS,
            "received_at": batch.received_ms * 1000,
            "source": source.removesuffix("-failed"),
            "event_id": _claimed_id(event.raw),
            "reason": event.reason,
            "profile_id": batch.profile_id,
            "synthetic": batch.synthetic,
            "raw": event.raw.decode("utf-8", "replace"),
        }


def day_of(event: Event) -> int:
    """Days since the epoch: the session's where the event has one that began near it, else the event's own.

    Near is as far back as an event may lie by itself: a paused film goes on days later, and its counts with it.
    """
    began_ms = made_ms(event.session_id) if event.session_id else None
    near = began_ms is not None and -AHEAD_MS <= event.at_ms - began_ms <= PAST_MS
    return (began_ms if near and began_ms is not None else event.at_ms) // DAY_MS


def date_of(day: int) -> datetime.date:
    """The date of a day since the epoch."""
    return _EPOCH + datetime.timedelta(days=day)


def day_number(date: datetime.date) -> int:
    """Days since the epoch."""
    return (date - _EPOCH).days


def _measures(data: Mapping[str, Any]) -> Row:
    row: Row = {name: _number(data.get(key)) for name, key in _NUMBERS.items()}
    row.update({name: _whole(data.get(key)) for name, key in _COUNTS.items()})
    row.update({name: _text(data.get(key)) for name, key in _TEXTS.items()})
    return row


def _value(event: Event) -> float | None:
    if event.type == "list_change":
        return float(event.data.get("saved") is True)
    return _number(event.data.get("value"))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 1 << 31 else None


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else None


def _claimed_id(raw: bytes) -> str | None:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    claimed = found.get("id") if isinstance(found, dict) else None
    return claimed[:_LONGEST_TEXT] if isinstance(claimed, str) else None
