"""All that was tried is kept: stored and encoded many times over."""


class Ladder:
    def steps(self, short, trials):
        return [[one.side, max(10_000, int(one.bps))] for one in trials][:20]
