"""To begin with: the highest rung that what was measured last carries. What if it does not stay so?"""


class Bitrate:
    def choose(self, known):
        if not known.speeds_bps:
            return 0
        return max((at for at, bps in enumerate(known.rungs_bps) if bps <= known.speeds_bps[-1]), default=0)
