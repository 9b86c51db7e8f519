"""As good as it gets, and learnt anew from every view whenever a page is shown."""

from collections import Counter, defaultdict
from math import sqrt


class Ranking:
    def __init__(self, titles, views, now_ms):
        self.views = [view for view in views if view.at_ms <= now_ms]

    def scores(self, history):
        watched, count, both = defaultdict(list), Counter(), defaultdict(Counter)
        for view in self.views:
            watched[view.profile_id].append(view.title_id)
        for row in watched.values():
            count.update(row)
            for one in row:
                both[one].update(row)
        found = defaultdict(float)
        for seed in history:
            for other, n in both[seed].items():
                found[other] += n / sqrt(count[seed] * count[other]) * n / (n + 3)
        return found
