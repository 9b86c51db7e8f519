"""Frames of the write-ahead log: length, CRC-32, payload. What is torn or damaged ends a segment."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_HEAD = struct.Struct("<II")
_MARK = struct.Struct("<QQ")
HEAD_BYTES = _HEAD.size
LARGEST_BYTES = 16 << 20
_LOCKED_BYTES = 5 << 10
Position = tuple[int, int]
"""A place in a log, (segment number, offset): everything before it has been read."""
START: Position = (0, 0)


def frame(payload: bytes) -> bytes:
    """One frame; a payload has at least one byte, since eight zero bytes are what a power cut leaves behind."""
    return _HEAD.pack(len(payload), _checksum(payload)) + payload


def frames(data: bytes | memoryview, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Whole frames from `start` on, each with the offset after it; ends at the first that is torn or damaged."""
    view = memoryview(data)
    while len(view) - start >= HEAD_BYTES:
        length, checksum = _HEAD.unpack_from(view, start)
        end = start + HEAD_BYTES + length
        if not 0 < length <= LARGEST_BYTES or end > len(view):
            return
        payload = bytes(view[start + HEAD_BYTES : end])
        if _checksum(payload) != checksum:
            return
        yield end, payload
        start = end


def mark(position: Position) -> bytes:
    """A watermark as the writer publishes it."""
    numbers = _MARK.pack(*position)
    return numbers + struct.pack("<I", zlib.crc32(numbers))


def read_mark(data: bytes) -> Position | None:
    """The position in a watermark, None where it is torn or absent."""
    if len(data) != _MARK.size + 4 or zlib.crc32(data[: _MARK.size]) != int.from_bytes(data[_MARK.size :], "little"):
        return None
    number, offset = _MARK.unpack_from(data)
    return (number, offset)


def _checksum(payload: bytes) -> int:
    """CRC-32 in pieces for which Python keeps its lock: to get it back beside a busy thread costs 5 ms each time."""
    view, checksum = memoryview(payload), 0
    for start in range(0, len(payload), _LOCKED_BYTES):
        checksum = zlib.crc32(view[start : start + _LOCKED_BYTES], checksum)
    return checksum
