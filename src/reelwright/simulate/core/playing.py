"""A player's buffer, filled segment by segment, and who chooses the rung of the next one. Pure.

The player itself is TypeScript; this is the model of it that the closed loop and the lab share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

SEGMENT_S = 4.0
BUFFER_MOST_S = 30.0
SAFE = 0.8
"""Share of the measured throughput that the player asks for."""
NEW = 0.3
"""Weight of the latest segment in what the network is taken to carry."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a player knows before it asks for a segment."""

    rungs_bps: tuple[float, ...]
    """The ladder, lowest first."""
    buffer_s: float
    rung: int
    """Of the segment before; -1 for the first."""
    speeds_bps: tuple[float, ...]
    """Measured with the segments before, the latest last."""


class Bitrate(Protocol):
    """Chooses the rung of each segment."""

    def choose(self, known: Known) -> int:
        """The place in the ladder."""
        ...


class Estimate:
    """What the network is taken to carry: a moving average of what segments came with."""

    def __init__(self, bps: float) -> None:
        self.bps = bps

    def note(self, bps: float) -> None:
        """A segment came so fast."""
        self.bps = (1 - NEW) * self.bps + NEW * bps


class Buffer:
    """Seconds of film that are there and not yet played."""

    def __init__(self, seconds: float = 0.0, most_s: float = BUFFER_MOST_S) -> None:
        self.seconds = seconds
        self._most_s = most_s

    def take(self, took_s: float) -> float:
        """A segment arrives after so long; the seconds for which the picture stood still."""
        stalled_s = max(0.0, took_s - self.seconds)
        self.seconds = min(self._most_s, max(0.0, self.seconds - took_s) + SEGMENT_S)
        return stalled_s

    def gather(self, took_s: float) -> float:
        """A segment arrives before the first frame; the seconds of waiting for it."""
        self.seconds = min(self._most_s, self.seconds + SEGMENT_S)
        return took_s


class ByThroughput:
    """Ours: the highest rung within a share of the estimate; the lowest before anything was measured."""

    def __init__(self, share: float = SAFE) -> None:
        self._share = share

    def choose(self, known: Known) -> int:
        """By what was measured."""
        if not known.speeds_bps:
            return 0
        estimate = Estimate(known.speeds_bps[0])
        for bps in known.speeds_bps[1:]:
            estimate.note(bps)
        return known.rungs_bps.index(highest(known.rungs_bps, estimate.bps * self._share))


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """How one play went, segment by segment."""

    start_s: float
    rungs: tuple[int, ...]
    stalls_s: tuple[float, ...]
    """Before each segment; 0 where there was none. The first is the start's and counts there."""
    buffers_s: tuple[float, ...]
    """After each segment."""


def play(
    speeds_bps: Sequence[float],
    rungs_bps: Sequence[float],
    rtt_s: float,
    bitrate: Bitrate,
    *,
    buffer_most_s: float = BUFFER_MOST_S,
    starts_with_s: float = SEGMENT_S,
) -> Play:
    """A film over a network that carries each segment at its own speed.

    The first frame is shown once `starts_with_s` of film are there, or as much as the buffer takes.
    """
    buffer, rung, started = Buffer(most_s=buffer_most_s), -1, False
    rungs, stalls, buffers, start_s = [], [], [], 0.0
    for at, speed in enumerate(speeds_bps):
        measured = tuple(speeds_bps[max(0, at - 20) : at])
        rung = bitrate.choose(
            Known(rungs_bps=tuple(rungs_bps), buffer_s=buffer.seconds, rung=rung, speeds_bps=measured)
        )
        took_s = rungs_bps[rung] * SEGMENT_S / speed + rtt_s
        if started:
            stalls.append(buffer.take(took_s))
        else:
            start_s += buffer.gather(took_s)
            stalls.append(0.0)
            started = buffer.seconds >= min(starts_with_s, buffer_most_s)
        rungs.append(rung)
        buffers.append(buffer.seconds)
    return Play(start_s=start_s, rungs=tuple(rungs), stalls_s=tuple(stalls), buffers_s=tuple(buffers))


def highest(rungs_bps: Sequence[float], most_bps: float) -> float:
    """The highest rung within a bitrate; the lowest where none is."""
    return max((one for one in rungs_bps if one <= most_bps), default=rungs_bps[0])
