"""A plan as an iCalendar file (RFC 5545): CRLF, lines of at most 75 octets, escaped text, times that float."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reelwright.practice.core.plan import Action, Plan

OCTETS = 75


def write_calendar(plan: Plan, *, now_ms: int, url: str = "", owner: str = "") -> bytes:
    """One event for each action, one after the other from the hour asked for. Source: RFC 5545, 3.1 to 3.6."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Reelwright//Practice//EN", "CALSCALE:GREGORIAN"]
    seen: Counter[str] = Counter()
    for action, begins in _scheduled(plan):
        named = f"{owner}/{action.kind}/{action.href}"
        seen[named] += 1
        lines += _event(action, begins, f"{named}/{seen[named]}", stamp, now_ms // 60_000, url)
    lines.append("END:VCALENDAR")
    return b"".join(fold(line) + b"\r\n" for line in lines)


def escape(text: str) -> str:
    """A value of type TEXT (3.3.11); control characters are left out."""
    plain = "".join(one for one in text if one == "\n" or one >= " ")
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def fold(line: str) -> bytes:
    """A content line in pieces of at most 75 octets, no character cut apart (3.1)."""
    pieces, piece = [], b""
    for one in line:
        encoded = one.encode()
        if len(piece) + len(encoded) > OCTETS:
            pieces.append(piece)
            piece = b" "
        piece += encoded
    return b"\r\n".join([*pieces, piece])


def _scheduled(plan: Plan) -> Iterator[tuple[Action, datetime]]:
    hour, minute = map(int, plan.wish.begins_at.split(":"))
    for day in plan.days:
        begins = datetime(day.date.year, day.date.month, day.date.day, hour, minute)
        for action in day.actions:
            yield action, begins
            begins += timedelta(minutes=action.minutes)


def _event(action: Action, begins: datetime, key: str, stamp: str, revision: int, url: str) -> Iterator[str]:
    """The UID follows from owner, action and how many of it came before, not from the day: importing a later plan
    moves events and doubles none, the interview least of all. The revision (3.8.7.4) is in minutes since 1970."""
    yield "BEGIN:VEVENT"
    yield f"UID:{hashlib.sha256(key.encode()).hexdigest()[:32]}@reelwright"
    yield f"DTSTAMP:{stamp}"
    yield f"SEQUENCE:{revision}"
    if action.kind == "interview":
        yield f"DTSTART;VALUE=DATE:{begins:%Y%m%d}"
    else:
        yield f"DTSTART:{begins:%Y%m%dT%H%M%S}"
        yield f"DURATION:PT{action.minutes}M"
    yield f"SUMMARY:{escape(action.title)}"
    yield f"DESCRIPTION:{escape(action.why)}"
    if url:
        yield f"URL:{url}{action.href}"
    yield "END:VEVENT"
