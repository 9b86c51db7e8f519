"""Rules of bitrates as they are described publicly, to stand beside ours. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reelwright.simulate.core.playing import Bitrate, Known, highest


class ByThroughput:
    """The highest rung within a share of the mean of the latest four (dash.js's ThroughputRule: 0.9)."""

    LATEST = 4

    def __init__(self, share: float = 0.9) -> None:
        self._share = share

    def choose(self, known: Known) -> int:
        """By what was measured; the lowest before anything was."""
        latest = known.speeds_bps[-self.LATEST :]
        if not latest:
            return 0
        return known.rungs_bps.index(highest(known.rungs_bps, self._share * sum(latest) / len(latest)))


class ByTwoAverages:
    """shaka-player's SimpleAbrManager: the lower of two moving averages, 0.95 of it."""

    HALF_LIVES_S, SHARE = (2.0, 5.0), 0.95

    def choose(self, known: Known) -> int:
        """A segment is taken to have come within a second."""
        if not known.speeds_bps:
            return 0
        low = min(_average(known.speeds_bps, half_life) for half_life in self.HALF_LIVES_S)
        return known.rungs_bps.index(highest(known.rungs_bps, self.SHARE * low))


def _average(speeds_bps: Sequence[float], half_life: float) -> float:
    kept = 0.5 ** (1 / half_life)
    mean = weight = 0.0
    for bps in speeds_bps:
        mean, weight = kept * mean + (1 - kept) * bps, kept * weight + 1 - kept
    return mean / weight


class ByBuffer:
    """BBA-0 (Huang et al., SIGCOMM 2014): a rung by how much is there, whatever the network does."""

    RESERVOIR_S, UPPER_S = 5.0, 6.0

    def choose(self, known: Known) -> int:
        """In proportion to the buffer."""
        cushion_s = known.buffer_most_s - self.RESERVOIR_S - self.UPPER_S
        place = (known.buffer_s - self.RESERVOIR_S) / cushion_s * len(known.rungs_bps)
        return max(0, min(len(known.rungs_bps) - 1, int(place)))


class Bola:
    """BOLA (Spiteri et al., INFOCOM 2016): utility a bit, the less of it the fuller the buffer."""

    GAMMA = 3.0

    def choose(self, known: Known) -> int:
        """The best score."""
        gains = [math.log(bps / known.rungs_bps[0]) for bps in known.rungs_bps]
        scale = (known.buffer_most_s / known.segment_s - 2) / (gains[-1] + self.GAMMA)
        scores = [
            (scale * (gain + self.GAMMA) - known.buffer_s / known.segment_s) / bps
            for gain, bps in zip(gains, known.rungs_bps, strict=True)
        ]
        return scores.index(max(scores))


class AlwaysLowest:
    """Never stalls where anything helps, and shows nothing worth seeing."""

    def choose(self, known: Known) -> int:  # noqa: ARG002 (the port's)
        """The lowest."""
        return 0


PEERS: dict[str, type[Bitrate]] = {
    "throughput (dash.js)": ByThroughput,
    "two averages (shaka-player)": ByTwoAverages,
    "buffer (BBA-0)": ByBuffer,
    "BOLA": Bola,
    "always the lowest": AlwaysLowest,
}
