"""How far each source's log is in a table: what every commit carries. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reelwright.events.core.frame import START, Position

PROPERTY = "reelwright.offsets"
"""Snapshot property that holds them."""
Offsets = Mapping[str, Position]


def encode(offsets: Offsets) -> str:
    """As a snapshot property."""
    return msgspec.json.encode(dict(sorted(offsets.items()))).decode()


def decode(text: str | None) -> dict[str, Position]:
    """From a snapshot property; none is the start of every log."""
    return msgspec.json.decode(text, type=dict[str, tuple[int, int]]) if text else {}


def place(offsets: Offsets, source: str) -> Position:
    """Where to go on in one source."""
    return offsets.get(source, START)


def covered(offsets: Offsets, source: str, segments: list[int]) -> list[int]:
    """Segments of which nothing is left to read."""
    return [number for number in segments if number < place(offsets, source)[0]]
