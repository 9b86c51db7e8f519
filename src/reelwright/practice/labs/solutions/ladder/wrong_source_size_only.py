"""Never scales down: what is left at low bitrates is blocks."""


class Ladder:
    def steps(self, short, trials):
        bps, rungs = min(7_000_000, max(one.bps for one in trials if one.side == short)), []
        while bps > 200_000:
            rungs.append([short, int(bps)])
            bps /= 2.2
        return [*rungs, [short, 200_000]]
