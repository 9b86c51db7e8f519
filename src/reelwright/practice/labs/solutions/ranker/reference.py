"""Who watched that also watched this: cosine that few viewers do not carry, and a little of what words tell."""

from collections import Counter, defaultdict
from math import log1p, sqrt


class Ranking:
    def __init__(self, titles, views, now_ms):
        watched = defaultdict(list)
        for view in views:
            if view.at_ms <= now_ms:
                watched[view.profile_id].append(view.title_id)
        count, both = Counter(), defaultdict(Counter)
        for history in watched.values():
            count.update(history)
            for one in history:
                both[one].update(history)
        self.alike = {
            one: {
                other: n / sqrt(count[one] * count[other]) * n / (n + 3) for other, n in row.items() if other != one
            }
            for one, row in both.items()
        }
        self.words = {one.id: {*one.genres, *one.people} for one in titles}
        self.popular = {one: 0.02 * log1p(n) for one, n in count.items()}

    def scores(self, history):
        found = defaultdict(float, self.popular)
        for place, seed in enumerate(history):
            for other, score in self.alike.get(seed, {}).items():
                found[other] += 0.97**place * score
        liked = Counter(word for seed in history[:10] for word in self.words[seed])
        for title, words in self.words.items():
            found[title] += 0.01 * sum(liked[word] for word in words)
        return dict(found)
