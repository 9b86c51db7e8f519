"""Sizes and durations as people read them, and whole numbers as clients send them."""

from __future__ import annotations

import re

LATEST_S = 10**12
"""No time in a signature lies beyond this, in seconds since 1970."""


def whole_number(text: str, most: int) -> int | None:
    """The number that a client sent, 0 to `most`; None for all else, signs, spaces and foreign digits included."""
    found = re.fullmatch("[0-9]{1,18}", text)
    return int(text) if found and int(text) <= most else None


def say_bytes(count: float) -> str:
    """`count` bytes for a person: three significant figures, decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def say_seconds(seconds: float) -> str:
    """`seconds` for a person: `42 s`, `3 min 05 s`, `1 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
