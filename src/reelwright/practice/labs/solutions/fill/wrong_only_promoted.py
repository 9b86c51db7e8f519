"""Only what is released or recommended: everything else is left to LRU and its tenth."""

from math import exp, log

LEAST = 0.0


class Filling:
    def choose(self, night):
        rates = self.expected(night)
        sessions = sum(night.rungs) or 1
        held = {tuple(one) for one in night.held}
        wants = []
        for title, rung, index, size in night.objects:
            part = min(49, 50 * index // night.segments[title])
            rate = rates[title] * night.rungs[rung] / sessions * night.reached[part] / sessions
            if rate >= LEAST:
                stays = 1.15 if (title, rung, index) in held else 1.0
                wants.append((-rate * stays, title, rung, index, size))
        room, chosen = night.capacity_bytes, []
        for _, title, rung, index, size in sorted(wants):
            if size <= room:
                room -= size
                chosen.append([title, rung, index])
        return chosen

    def expected(self, night):
        """Plays of each title tomorrow: its rank, and what a rank is worth."""
        titles = range(len(night.segments))
        faded = [sum(day[title] * 0.7**age for age, day in enumerate(reversed(night.plays))) for title in titles]
        whole = sum(0.7**age for age in range(len(night.plays)))
        counts = sorted((one / whole for one in faded if one > 0), reverse=True)
        order = sorted(titles, key=lambda one: -faded[one])
        promoted = sorted(night.promoted, key=lambda one: one[1])
        order = [one for one in order if one not in {title for title, _ in promoted}]
        for title, rank in promoted:
            order.insert(rank, title)
        curve = self.power_law(counts)
        rates = [0.0] * len(titles)
        news = {title for title, _ in promoted}
        for rank, title in enumerate(order):
            if title not in news:
                continue
            rates[title] = curve[rank] if rank < len(curve) else 0.0
        return rates

    def power_law(self, counts):
        xs, ys = [log(rank + 1) for rank in range(len(counts))], [log(one) for one in counts]
        total = sum(counts)
        mx = sum(w * x for w, x in zip(counts, xs)) / total
        my = sum(w * y for w, y in zip(counts, ys)) / total
        slope = sum(w * (x - mx) * (y - my) for w, x, y in zip(counts, xs, ys)) / sum(
            w * (x - mx) ** 2 for w, x in zip(counts, xs)
        )
        curve = [exp(my + slope * (x - mx)) for x in xs]
        return [one * total / sum(curve) for one in curve]
