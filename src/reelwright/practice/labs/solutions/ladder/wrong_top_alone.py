"""The best rung and nothing for those whose lines carry less."""


class Ladder:
    def steps(self, short, trials):
        return [[short, int(min(4_500_000, max(one.bps for one in trials if one.side == short)))]]
