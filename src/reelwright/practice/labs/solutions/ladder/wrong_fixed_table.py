"""What every title gets: a drawing takes rungs that nobody can tell apart."""

TABLE = [[2160, 12_000_000], [1440, 7_000_000], [1080, 4_500_000], [720, 2_500_000], [540, 1_400_000],
         [360, 700_000], [234, 200_000]]  # fmt: skip


class Ladder:
    def steps(self, short, trials):
        return [rung for rung in TABLE if rung[0] <= short]
