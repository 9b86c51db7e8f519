"""Which rung of the ladder a player asks for next. Pure, and the only place where that is decided.

The browser's player runs this very function: `make docs` writes it as TypeScript (`frontend/src/player/bitrate.ts`),
so that only what `app/translated.py` knows may stand in it. The closed loop, the benchmark and the lab run it here.
"""

from __future__ import annotations

from collections.abc import Sequence


def next_rung(rungs_bps: Sequence[float], speeds_bps: Sequence[float], buffer_s: float, rung: int) -> int:
    """The place in the ladder (lowest first) of the next segment.

    `speeds_bps` are those with which the segments before came, the latest last; `buffer_s` is what is there and not
    yet played; `rung` is that of the segment before, -1 for none. The network is taken to carry the harmonic mean of
    the latest eight. Of that a share is asked for which grows with the buffer: the buffer pays for what turns out
    wrong. Up goes one rung at a time and only with some buffer; down it goes at once, but for a full buffer, which
    rides out a sag.
    """
    if len(speeds_bps) == 0:
        return 0
    latest = min(8, len(speeds_bps))
    slowness = 0.0
    for at in range(len(speeds_bps) - latest, len(speeds_bps)):
        slowness += 1 / speeds_bps[at]
    most_bps = min(1.3, 0.3 + 0.035 * buffer_s) * latest / slowness
    best = 0
    for at in range(len(rungs_bps)):
        if rungs_bps[at] <= most_bps:
            best = at
    if best > rung:
        return rung + 1 if buffer_s > 8 else max(rung, 0)
    return rung if buffer_s > 18 else best
