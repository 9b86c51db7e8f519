"""A player's buffer, filled segment by segment over a link, with the rung of each chosen by a rule. Pure.

The player itself is TypeScript; this is the model of it that the closed loop, the benchmark and the lab share. The
rule of our own player is `playback.core.bitrate`, which the player runs as well.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Protocol

import msgspec

from reelwright.playback.core.bitrate import next_rung

SEGMENT_S = 4.0
BUFFER_MOST_S = 30.0
KNOWN_SPEEDS = 20
"""Segments whose speed a player remembers."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a player knows before it asks for a segment."""

    rungs_bps: tuple[float, ...]
    """The ladder, lowest first."""
    buffer_s: float
    rung: int
    """Of the segment before; -1 for the first."""
    speeds_bps: tuple[float, ...]
    """Measured with the segments before, the latest last."""
    segment_s: float = SEGMENT_S
    buffer_most_s: float = BUFFER_MOST_S


class Bitrate(Protocol):
    """Chooses the rung of each segment."""

    def choose(self, known: Known) -> int:
        """The place in the ladder."""
        ...


class OurRule:
    """What the product's player does; the lowest rung before anything was measured."""

    def choose(self, known: Known) -> int:
        """By throughput and buffer."""
        return next_rung(known.rungs_bps, known.speeds_bps, known.buffer_s, known.rung)


class Link(Protocol):
    """What carries segments, one after the other."""

    def took_s(self, bits: float, at_s: float) -> float:
        """Seconds from asking for a segment of so many bits, at a time since the play began, to its last byte."""
        ...


class BySegment:
    """A link that carries each segment at a speed of its own, whatever the time."""

    def __init__(self, speeds_bps: Iterable[float], rtt_s: float) -> None:
        self._speeds_bps = iter(speeds_bps)
        self._rtt_s = rtt_s

    def took_s(self, bits: float, at_s: float) -> float:  # noqa: ARG002 (the port's)
        """At the next speed."""
        return bits / next(self._speeds_bps) + self._rtt_s


class Recorded:
    """A recorded link: spans of (seconds, bits a second), which begin anew when they are over. O(log spans)."""

    def __init__(self, spans: Sequence[tuple[float, float]], rtt_s: float) -> None:
        kept = [(seconds, bps) for seconds, bps in spans if seconds > 0]
        if not any(bps > 0 for _, bps in kept):
            raise ValueError("a link that carries nothing")
        self._bps = [bps for _, bps in kept]
        self._ends_s = list(accumulate(seconds for seconds, _ in kept))
        self._ends_bits = list(accumulate(seconds * bps for seconds, bps in kept))
        self._rtt_s = rtt_s

    def took_s(self, bits: float, at_s: float) -> float:
        """After a round trip, through as many spans as it takes."""
        begun_s = at_s + self._rtt_s
        rounds, within_s = divmod(begun_s, self._ends_s[-1])
        span = bisect.bisect_right(self._ends_s, within_s)
        carried = self._ends_bits[span] - (self._ends_s[span] - within_s) * self._bps[span]
        more = math.ceil((carried + bits) / self._ends_bits[-1]) - 1
        within_bits = carried + bits - more * self._ends_bits[-1]
        span = bisect.bisect_left(self._ends_bits, within_bits)
        while self._bps[span] <= 0:
            span += 1
        within_s = self._ends_s[span] - (self._ends_bits[span] - within_bits) / self._bps[span]
        return (rounds + more) * self._ends_s[-1] + within_s - at_s


class Buffer:
    """Seconds of film that are there and not yet played."""

    def __init__(self, seconds: float = 0.0, most_s: float = BUFFER_MOST_S, *, segment_s: float = SEGMENT_S) -> None:
        self.seconds = seconds
        self._most_s = most_s
        self._segment_s = segment_s

    def take(self, took_s: float) -> float:
        """A segment arrives after so long; the seconds for which the picture stood still."""
        stalled_s = max(0.0, took_s - self.seconds)
        self.seconds = min(self._most_s, max(0.0, self.seconds - took_s) + self._segment_s)
        return stalled_s

    def gather(self, took_s: float) -> float:
        """A segment arrives before the first frame; the seconds of waiting for it."""
        self.seconds = min(self._most_s, self.seconds + self._segment_s)
        return took_s


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """How one play went, segment by segment."""

    start_s: float
    rungs: tuple[int, ...]
    stalls_s: tuple[float, ...]
    """Before each segment; 0 where there was none. The first is the start's and counts there."""
    buffers_s: tuple[float, ...]
    """After each segment."""


def play(
    link: Link,
    rungs_bps: Sequence[float],
    bitrate: Bitrate,
    *,
    sizes_bits: Sequence[Sequence[float]],
    segment_s: float = SEGMENT_S,
    buffer_most_s: float = BUFFER_MOST_S,
    starts_with_s: float = SEGMENT_S,
) -> Play:
    """A film over a link; `sizes_bits` has each segment's size by rung.

    The first frame is shown once `starts_with_s` of film are there, or as much as the buffer takes. Who has a full
    buffer waits until there is room for a segment.
    """
    buffer, rung, started = Buffer(most_s=buffer_most_s, segment_s=segment_s), -1, False
    rungs, stalls, buffers, speeds = list[int](), list[float](), list[float](), list[float]()
    start_s, now_s = 0.0, 0.0
    for sizes in sizes_bits:
        known = Known(
            rungs_bps=tuple(rungs_bps), buffer_s=buffer.seconds, rung=rung, speeds_bps=tuple(speeds[-KNOWN_SPEEDS:]),
            segment_s=segment_s, buffer_most_s=buffer_most_s,
        )  # fmt: skip
        rung = bitrate.choose(known)
        took_s = link.took_s(sizes[rung], now_s)
        now_s += took_s
        speeds.append(sizes[rung] / took_s)
        if started:
            now_s += max(0.0, max(0.0, buffer.seconds - took_s) + segment_s - buffer_most_s)
            stalls.append(buffer.take(took_s))
        else:
            start_s += buffer.gather(took_s)
            stalls.append(0.0)
            started = buffer.seconds >= min(starts_with_s, buffer_most_s)
        rungs.append(rung)
        buffers.append(buffer.seconds)
    return Play(start_s=start_s, rungs=tuple(rungs), stalls_s=tuple(stalls), buffers_s=tuple(buffers))


def even_sizes(rungs_bps: Sequence[float], segments: int) -> list[list[float]]:
    """Segments that are all of their rung's bitrate."""
    return [[bps * SEGMENT_S for bps in rungs_bps]] * segments


def highest(rungs_bps: Sequence[float], most_bps: float) -> float:
    """The highest rung within a bitrate; the lowest where none is."""
    return max((one for one in rungs_bps if one <= most_bps), default=rungs_bps[0])
