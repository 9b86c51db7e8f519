"""Sizes, durations and rates as people write and read them."""

from __future__ import annotations

import re

from reelwright.kernel.errors import Invalid

_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
LATEST_S = 10**12
"""No time in a signature lies beyond this, in seconds since 1970."""
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def whole_number(text: str, most: int) -> int | None:
    """The number that a client sent, 0 to `most`; None for all else, signs, spaces and foreign digits included."""
    found = re.fullmatch("[0-9]{1,18}", text)
    return int(text) if found and int(text) <= most else None


def parse_bytes(text: str | int) -> int:
    """The bytes in `10 GB`, `512MiB` or a plain number."""
    if isinstance(text, int):
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    unit = found[2].lower() or "b" if found else ""
    if not found or unit not in _BYTES:
        raise Invalid(f"a size looks like '10 GB' or '512 MiB', got {text!r}")
    return round(float(found[1]) * _BYTES[unit])


def parse_seconds(text: str | float) -> float:
    """The seconds in `500ms`, `90s`, `12h` or a plain number."""
    if isinstance(text, int | float):
        return float(text)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)\s*", text)
    if not found:
        raise Invalid(f"a duration looks like '500ms', '90s' or '12h', got {text!r}")
    return float(found[1]) * _SECONDS[found[2] or "s"]


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
