"""Cutting a sound track into segments while an encoder still writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reelwright.media.core import cmaf

SEGMENT_S = 2
PIECE_SEGMENTS = 15


class Cut(NamedTuple):
    """Samples of some whole segments."""

    number: int
    """Of the first segment within the track, from 0."""
    ticks: int
    """Where it begins."""
    step: int
    """Samples of a segment."""
    samples: list[cmaf.Sample]


class Cutter:
    """Cuts pieces of 15 segments, the first segment alone: at the same places however often a track is made.

    The encoder's priming is left out, so that time 0 is where the source's sound begins; the first 20 ms fade in.
    """

    def __init__(self) -> None:
        self.reader = cmaf.Reader()
        self._waiting: list[cmaf.Sample] = []
        self._begun = False
        self._number = 0
        self._ticks = 0

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Cut]:
        """Take the next bytes of the encoder's file; yields what is whole, and with `last` also the rest."""
        self._waiting += self.reader.feed(data)
        if not self._begun and len(self._waiting) > 1:
            self._begun = True
            del self._waiting[: cmaf.priming_packets(self.reader.entry)]
        if not (self._begun or last):
            return
        while self._waiting:
            step = max(1, SEGMENT_S * self.reader.timescale // max(1, self._waiting[0].duration))
            count = step * (PIECE_SEGMENTS if self._number else 1)
            if len(self._waiting) < count and not last:
                return
            yield self._take(step, count)

    def _take(self, step: int, count: int) -> Cut:
        cut = Cut(self._number, self._ticks, step, self._waiting[:count])
        del self._waiting[:count]
        self._number += -(-len(cut.samples) // step)
        self._ticks += sum(sample.duration for sample in cut.samples)
        return cut
