"""To begin with: the source's size and its halves, at what they take. What do they cost, and who can watch them?"""


class Ladder:
    def steps(self, short, trials):
        sides = sorted({one.side for one in trials}, reverse=True)[::2]
        return [[side, int(max(one.bps for one in trials if one.side == side))] for side in sides]
