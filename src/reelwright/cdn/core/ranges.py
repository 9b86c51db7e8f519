"""Byte ranges (RFC 9110 section 14), as pure functions."""

from __future__ import annotations

import re

import msgspec

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Slice(msgspec.Struct, frozen=True):
    """Bytes [start, end) of an object; `partial` answers 206."""

    start: int
    end: int
    partial: bool


def slice_of(header: str | None, size: int) -> Slice | None:
    """What to send for a Range header; None when it cannot be satisfied (416).

    A header that is malformed, in another unit or with several ranges is ignored, as section 14.2 allows: no player
    asks for several, and the whole object is always a right answer.
    """
    match = _ONE.fullmatch(header.strip()) if header else None
    if match is None or match[1] == match[2] == "":
        return Slice(0, size, partial=False)
    if match[1] == "":
        length = min(int(match[2]), size)
        return Slice(size - length, size, partial=True) if length else None
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return Slice(0, size, partial=False)
    return Slice(start, end, partial=True) if start < size else None


class Part(msgspec.Struct, frozen=True):
    """Bytes [start, end) of an object of `size` bytes."""

    start: int
    end: int
    size: int


_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


def content_range_of(header: str | None) -> Part | None:
    """What a 206 says it holds; None where it says nothing possible."""
    match = _CONTENT_RANGE.fullmatch((header or "").strip())
    if match is None:
        return None
    start, last, size = (int(group) for group in match.groups())
    return Part(start, last + 1, size) if start <= last < size else None
