"""What was chosen once stays, whatever the link does."""


class Bitrate:
    def choose(self, known):
        if len(known.speeds_bps) < 3:
            return 0
        if known.rung > 0:
            return known.rung
        return max((at for at, bps in enumerate(known.rungs_bps) if bps <= known.speeds_bps[-1]), default=0)
