"""The newest at the top of every page, for everybody: it is seen, and the page is left."""

from collections import Counter


class Home:
    def __init__(self, titles, views, now_ms):
        count = Counter(view.title_id for view in views)
        self.order = {one.id: one.added_ms + count[one.id] for one in titles}

    def scores(self, history):
        return self.order

    def chances(self, scores, viewers):
        return dict.fromkeys(viewers, 1 / max(1, len(viewers)))
