"""A good hull that ends too high: who has a slow line waits."""


class Ladder:
    def steps(self, short, trials):
        rungs, bps = [], 7_000_000
        while bps > 1_200_000:
            near = [one for one in trials if one.bps <= bps]
            best = max(near, key=lambda one: one.quality)
            rungs.append([best.side, int(best.bps)])
            bps = min(bps, best.bps) / 2
        return rungs or [[short, int(bps)]]
