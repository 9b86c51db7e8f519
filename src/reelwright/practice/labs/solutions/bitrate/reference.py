"""A careful share of the throughput that grows with the buffer; up one rung at a time, down only where it must."""


class Bitrate:
    def choose(self, known):
        if not known.speeds_bps:
            return 0
        latest = known.speeds_bps[-5:]
        carried = len(latest) / sum(1 / bps for bps in latest)
        share = 0.5 + 0.6 * known.buffer_s / 30
        best = max((at for at, bps in enumerate(known.rungs_bps) if bps <= carried * share), default=0)
        if best > known.rung:
            return known.rung + 1 if known.buffer_s > 8 else known.rung
        return known.rung if known.buffer_s > 18 else best
