"""Cheap to store, and never sharp."""


class Ladder:
    def steps(self, short, trials):
        return [[min(short, 720), 1_500_000], [360, 600_000], [234, 200_000]]
