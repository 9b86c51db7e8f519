"""Who has watched nothing is shown what happens to come first."""

from collections import Counter, defaultdict
from math import sqrt


class Home:
    def __init__(self, titles, views, now_ms):
        watched = defaultdict(list)
        for view in views:
            watched[view.profile_id].append(view.title_id)
        self.count, both = Counter(), defaultdict(Counter)
        for history in watched.values():
            self.count.update(history)
            for one in history:
                both[one].update(history)
        self.alike = {
            one: {
                other: n / sqrt(self.count[one] * self.count[other]) * n / (n + 1)
                for other, n in row.items()
                if other != one
            }
            for one, row in both.items()
        }

    def scores(self, history):
        found = defaultdict(float)
        for place, seed in enumerate(history):
            for other, score in self.alike.get(seed, {}).items():
                found[other] += 0.97**place * score
        return dict(found)

    def chances(self, scores, viewers):
        return dict.fromkeys(viewers, 1 / max(1, len(viewers)))
