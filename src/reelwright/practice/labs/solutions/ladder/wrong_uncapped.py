"""Constant quality without a cap: grain takes more than lines carry, and the disk with it."""


class Ladder:
    def steps(self, short, trials):
        sides = sorted({one.side for one in trials}, reverse=True)
        return [[side, int(max(one.bps for one in trials if one.side == side))] for side in sides]
