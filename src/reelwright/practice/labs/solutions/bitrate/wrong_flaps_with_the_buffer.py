"""A rung for each few seconds of buffer: each segment moves it, and the picture with it."""


class Bitrate:
    def choose(self, known):
        return max(0, min(len(known.rungs_bps) - 1, int((known.buffer_s - 5) / 19 * len(known.rungs_bps))))
