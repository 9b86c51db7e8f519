"""Watched together, as counts: what everybody watches goes with everything."""

from collections import Counter, defaultdict


class Ranking:
    def __init__(self, titles, views, now_ms):
        watched, self.both = defaultdict(list), defaultdict(Counter)
        for view in views:
            if view.at_ms <= now_ms:
                watched[view.profile_id].append(view.title_id)
        for history in watched.values():
            for one in history:
                self.both[one].update(history)

    def scores(self, history):
        found = Counter()
        for seed in history:
            found.update(self.both[seed])
        return dict(found)
