"""Which sizes and bitrates a source is encoded in. Pure.

Encodes are capped constant quality: a rung takes what its quality needs, and at most its cap. `TableLadder` knows
nothing of the title. `FittedLadder` knows what trial encodes of it came to, and keeps to their hull: at each bitrate
the size that looks best, and no rung for which the eye pays nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Protocol

import msgspec

_TABLE = ((2160, 12_000_000), (1440, 7_000_000), (1080, 4_500_000), (720, 2_500_000), (540, 1_400_000),
          (360, 700_000), (234, 200_000))  # fmt: skip
LOWEST_BPS = 200_000
"""For lines that carry little more."""
APART = 2.0
"""How many times the next rung down a rung takes: with less nobody sees a difference, with more players fall far."""
UNSEEN = 1.0
"""Points of quality below the best that nobody pays for."""


class Step(msgspec.Struct, frozen=True):
    """A rung before it has a codec: the picture's short side, and the most that it may take."""

    side: int
    cap_bps: int


class Trial(msgspec.Struct, frozen=True):
    """A few seconds of the title, encoded on trial: what it took, and how it looks at the source's size."""

    side: int
    bps: float
    quality: float
    """VMAF, 0..100."""


class Ladder(Protocol):
    """Decides the rungs of a source."""

    def steps(self, short: int, trials: Sequence[Trial]) -> list[Step]:
        """Rungs for a source whose short side is `short`, largest first; none is scaled up. `trials` may be empty."""
        ...


class TableLadder:
    """Rungs from a table, capped at the source."""

    def steps(self, short: int, trials: Sequence[Trial]) -> list[Step]:  # noqa: ARG002 (the port's)
        """The table's rungs up to the source."""
        table = [Step(side, cap) for side, cap in _TABLE if side <= short]
        if not table or table[0].side < short * 0.87:
            table.insert(0, Step(short, cap_for(short)))
        return table


def cap_for(side: int) -> int:
    """A cap between the table's, in proportion to the area; the lowest is for narrow lines, not for small films."""
    near, cap = min(_TABLE[:-1], key=lambda row: abs(row[0] - side))
    return max(150_000, round(cap * (side / near) ** 2))


class FittedLadder:
    """Rungs on the hull of the trials; the table's where nothing was tried."""

    def __init__(self, *, apart: float = APART, unseen: float = UNSEEN) -> None:
        self._apart = apart
        self._unseen = unseen

    def steps(self, short: int, trials: Sequence[Trial]) -> list[Step]:
        """From the least that looks like the best down, each rung so many times apart, to the lowest."""
        hull = Hull([one for one in trials if one.side <= short])
        if not hull.sides:
            return TableLadder().steps(short, ())
        most_bps = cap_for(short)
        top_bps = hull.least_bps(hull.best(most_bps)[0] - self._unseen, most_bps=most_bps)
        rates = [top_bps]
        while rates[-1] > LOWEST_BPS * self._apart**1.5:
            rates.append(rates[-1] / self._apart)
        rates += [LOWEST_BPS] if rates[-1] > LOWEST_BPS else []
        sides = accumulate((hull.best(bps)[1] for bps in rates), min)
        return [Step(side, round(bps)) for side, bps in zip(sides, rates, strict=True)]


class Hull:
    """The best that the trials came to at any bitrate."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.sides = sorted({one.side for one in trials})
        self._curves = {
            side: sorted((math.log(one.bps), one.quality) for one in trials if one.side == side)
            for side in self.sides
        }

    def best(self, bps: float) -> tuple[float, int]:
        """The quality at a bitrate, and the side that it takes; the smaller of two that look the same."""
        return max(((self._at(side, math.log(bps)), side) for side in self.sides), key=lambda one: (one[0], -one[1]))

    def least_bps(self, quality: float, *, most_bps: float) -> float:
        """The least bitrate that looks as good as `quality`, within a hundredth; `most_bps` where none does."""
        steps = round(math.log(most_bps / LOWEST_BPS, 1.01)) if most_bps > LOWEST_BPS else 0
        rates = (LOWEST_BPS * 1.01**step for step in range(steps))
        return next((bps for bps in rates if self.best(bps)[0] >= quality), most_bps)

    def _at(self, side: int, log_bps: float) -> float:
        """In lines over the logarithm: below the lowest trial along the first line, above the highest level."""
        curve = self._curves[side]
        if log_bps >= curve[-1][0] or len(curve) == 1:
            return curve[-1][1]
        low, high = next((pair for pair in pairwise(curve) if log_bps < pair[1][0]), (curve[-2], curve[-1]))
        share = (log_bps - low[0]) / max(high[0] - low[0], 1e-9)
        return low[1] + share * (high[1] - low[1])


LADDERS: Mapping[str, Callable[[], Ladder]] = {"table": TableLadder, "fitted": FittedLadder}
"""By the name that the setting has."""
