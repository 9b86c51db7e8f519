"""Identifiers: time-ordered, unguessable, safe in URLs and file names."""

from __future__ import annotations

import secrets
from typing import NewType

from reelwright.kernel.clock import Clock, SystemClock

UserId = NewType("UserId", str)
ProfileId = NewType("ProfileId", str)
TitleId = NewType("TitleId", str)
PlayableId = NewType("PlayableId", str)
AssetId = NewType("AssetId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_VALUE = {letter: number for number, letter in enumerate(_ALPHABET)}
LENGTH = 26


def new_id(clock: Clock | None = None, *, entropy: int | None = None) -> str:
    """A new id of 26 characters: 48 bits of milliseconds, then 80 random bits, so that ids sort by age."""
    milliseconds = (clock or SystemClock()).wall_ns() // 1_000_000
    number = (milliseconds & ((1 << 48) - 1)) << 80 | (secrets.randbits(80) if entropy is None else entropy)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def made_ms(identifier: str) -> int:
    """When an id was made: its first ten characters are 50 bits, of which 48 are milliseconds."""
    number = 0
    for character in identifier[:10]:
        number = number << 5 | _VALUE.get(character, 0)
    return number


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id."""
    return len(text) == LENGTH and all(character in _ALPHABET for character in text)
