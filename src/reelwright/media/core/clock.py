"""The clocks of transport and program streams (ISO/IEC 13818-1), read without a demuxer.

Recordings that were joined byte by byte, and titles of some discs, begin theirs anew in the middle: what comes after
has the same times as what came before, and cannot be told apart from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

BLOCK_BYTES = 512 << 10
"""Holds a clock of any usual stream: they come ten times a second, or in every pack."""
_WRAP = 1 << 33
_SYNC = 0x47
_PACK = b"\x00\x00\x01\xba"


def clocks(demuxer: str, block: bytes) -> dict[int, int]:
    """The first time in a block of a stream, in ticks of 90 kHz, of each clock by its PID; 0 in a program stream."""
    return _program_clock(block) if demuxer == "mpeg" else _transport_clocks(block)


def begins_anew(samples: Iterable[Mapping[int, int]]) -> bool:
    """Whether a clock goes back between samples, in the file's order; one that is full goes on from 0."""
    last: dict[int, int] = {}
    for sample in samples:
        if any((ticks - last.get(pid, ticks)) % _WRAP > _WRAP // 2 for pid, ticks in sample.items()):
            return True
        last.update(sample)
    return False


def _transport_clocks(block: bytes) -> dict[int, int]:
    found: dict[int, int] = {}
    for size in (188, 192):
        starts = (at for at in range(min(size, len(block))) if set(block[at : at + 8 * size : size]) == {_SYNC})
        start = next(starts, None)
        if start is None:
            continue
        for at in range(start, len(block) - size + 1, size):
            packet = block[at : at + 11]
            if packet[0] == _SYNC and packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
                pid = (packet[1] & 0x1F) << 8 | packet[2]
                found.setdefault(pid, int.from_bytes(packet[6:11], "big") >> 7)
        break
    return found


def _program_clock(block: bytes) -> dict[int, int]:
    at = block.find(_PACK)
    bits = int.from_bytes(block[at + 4 : at + 9], "big")
    if at < 0 or len(block) < at + 9:
        return {}
    if bits >> 38 == 0b01:  # MPEG-2
        return {0: (bits >> 35 & 7) << 30 | (bits >> 19 & 0x7FFF) << 15 | bits >> 3 & 0x7FFF}
    if bits >> 36 == 0b0010:  # MPEG-1
        return {0: (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7FFF) << 15 | bits >> 1 & 0x7FFF}
    return {}
