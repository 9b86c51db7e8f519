"""What an event must be before it is stored, and how a client's clock is corrected. Pure."""

from __future__ import annotations

import math
import re
from typing import Any

from reelwright.events.contract import MAX_EVENT_BYTES, Event

DEEPEST = 6
LONGEST_TEXT = 2000
FUTURE_MS = 5 * 60_000
"""A client's clock may run ahead by this much before it is taken to be wrong."""
ON_THE_WAY_MS = 30_000
"""A request may take this long."""
PAST_MS = 30 * 86_400_000
"""Events queued on a device for up to this long keep their own time."""

_IS_ID = re.compile("[0-9a-hjkmnp-tv-z]{26}").fullmatch
_NEEDS_PLAYABLE = frozenset({"play", "heartbeat", "stop", "seek", "quality_change", "stall"})
_NEEDS_TITLE = frozenset({"thumb", "list_change"})
_PLAIN = (bool, int, type(None))


def reason_to_refuse(event: Event) -> str:
    """Why an event cannot be stored; empty when it can."""
    if not _IS_ID(event.id):
        return "id: 26 characters of Crockford's base 32, made by the client"
    for name in (event.title_id, event.playable_id, event.session_id):
        if name is not None and not _IS_ID(name):
            return f"title_id, playable_id and session_id are ids as the service gave them, got {name[:40]!r}"
    if event.type in _NEEDS_PLAYABLE and not (event.playable_id and event.title_id):
        return f"a {event.type} event names title_id and playable_id"
    if event.type in _NEEDS_TITLE and not event.title_id:
        return f"a {event.type} event names title_id"
    position = event.position_s
    if position is not None and not 0 <= position <= 86_400:
        return f"position_s: 0 to 86400 seconds, got {position}"
    return _reason_in_data(event) if event.data or event.type in _NEEDS_TITLE else ""


def _reason_in_data(event: Event) -> str:
    if event.type == "thumb" and event.data.get("value") not in (-1, 0, 1):
        return "a thumb event carries data.value: 1 up, -1 down, 0 none"
    if event.type == "list_change" and not isinstance(event.data.get("saved"), bool):
        return "a list_change event carries data.saved: true or false"
    return _too_much(event.data, 0)


def _too_much(value: Any, depth: int) -> str:
    if isinstance(value, _PLAIN):
        return ""
    if isinstance(value, str):
        return f"a text in data has more than {LONGEST_TEXT} characters" if len(value) > LONGEST_TEXT else ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else "data holds a number that is not finite"
    if depth > DEEPEST:
        return f"data is nested deeper than {DEEPEST}"
    inner = value.values() if isinstance(value, dict) else value
    return next((reason for reason in (_too_much(item, depth + 1) for item in inner) if reason), "")


def clock_skew_ms(*, sent_ms: int | None, received_ms: int) -> int:
    """How much must be added to a client's times: what its clock said when it sent, against ours when that came.

    A difference that the way here may explain is none; nor is one of a client that does not say.
    """
    if sent_ms is None or abs(received_ms - sent_ms) <= ON_THE_WAY_MS:
        return 0
    return received_ms - sent_ms


def corrected_ms(at_ms: int, received_ms: int, skew_ms: int = 0) -> int:
    """When an event happened: the client's time without its clock's skew, unless that lies in the future or too far
    in the past.
    """
    at_ms += skew_ms
    return at_ms if received_ms - PAST_MS <= at_ms <= received_ms else received_ms


def is_oversized(raw: bytes | memoryview) -> bool:
    """Whether one event is larger than any honest one."""
    return len(raw) > MAX_EVENT_BYTES
