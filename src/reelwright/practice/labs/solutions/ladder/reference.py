"""At each bitrate the size that looks best; from what looks like the best down, each rung half of the one above."""

from itertools import pairwise
from math import log


class Ladder:
    def steps(self, short, trials):
        curves = {}
        for one in sorted(trials, key=lambda one: one.bps):
            curves.setdefault(one.side, []).append((log(one.bps), one.quality))
        bps = most = 7e6 if short > 1080 else 5e6 * (short / 1080) ** 2
        while bps > 250_000 and best(curves, bps / 1.05)[0] > best(curves, most)[0] - 1:
            bps /= 1.05
        rungs = [[best(curves, bps)[1], int(bps)]]
        while bps > 200_000:
            bps = max(200_000, bps / 2.1)
            rungs.append([min(rungs[-1][0], best(curves, bps)[1]), int(bps)])
        return rungs


def best(curves, bps):
    return max((quality(curve, log(bps)), side) for side, curve in curves.items())


def quality(curve, at):
    for low, high in pairwise(curve):
        if at < high[0]:
            return low[1] + (at - low[0]) / (high[0] - low[0]) * (high[1] - low[1])
    return curve[-1][1]
