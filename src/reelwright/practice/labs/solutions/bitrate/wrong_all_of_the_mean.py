"""The arithmetic mean of all that was measured, and all of it: half of the segments are slower than that."""


class Bitrate:
    def choose(self, known):
        if not known.speeds_bps:
            return 0
        mean = sum(known.speeds_bps) / len(known.speeds_bps)
        return max((at for at, bps in enumerate(known.rungs_bps) if bps <= mean), default=0)
