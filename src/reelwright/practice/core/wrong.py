"""What is wrong with a value that somebody typed, in words."""

from __future__ import annotations

import re
from collections.abc import Container

import msgspec

_BOUND = re.compile(r"Expected `(\w+)`( of length)? (>=|<=) (-?[\d.e+]+) - at `\$\.(\w+)`")
_NAMES = {
    "Expected `int`, got `float`": "a whole number is needed",
    "Expected `int`, got `str`": "a whole number is needed",
    "Expected `float`, got `str`": "a number is needed, like 5.5",
    "Invalid RFC3339 encoded date": "a date is needed, like 2026-12-31",
    r"Expected `str` matching regex '^([01]\\d|2[0-3]):[0-5]\\d$'": "a time is needed, like 18:00",
}
_KINDS = re.compile("|".join(map(re.escape, _NAMES)))
"""What the reader of structs says, and what a person is told."""


def say_wrong(error: msgspec.ValidationError, *, shares: Container[str] = ()) -> str:
    """What a value that was typed must be, in words; fields of `shares` are typed as percent."""
    found = _BOUND.fullmatch(str(error))
    if found is None:
        return _KINDS.sub(lambda one: _NAMES[one[0]], str(error)).replace(" - at `$.", ", in `").replace("_", " ")
    kind, length, sign, bound, field = found.groups()
    number = float(bound) * (100 if field in shares else 1)
    unit = " %" if field in shares else " characters" if length and kind == "str" else ""
    return f"{field.replace('_', ' ')}: {'at least' if sign == '>=' else 'at most'} {number:,.10g}{unit}"
