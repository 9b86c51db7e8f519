"""To begin with: what most have watched, and nothing else. And who wants other things, and what is new?"""

from collections import Counter


class Home:
    def __init__(self, titles, views, now_ms):
        self.count = Counter(view.title_id for view in views)

    def scores(self, history):
        return dict(self.count)

    def chances(self, scores, viewers):
        return {}
