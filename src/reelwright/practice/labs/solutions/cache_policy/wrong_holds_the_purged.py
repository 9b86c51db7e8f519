"""As the reference, but what was purged is believed to be there, and given up once more."""

from random import Random

SAMPLE = 24


class Policy:
    def __init__(self, budget_bytes):
        self.budget_bytes, self.held_bytes = budget_bytes, 0
        self.sizes, self.place, self.keys, self.at = {}, {}, [], {}
        self.sessions = {}  # session -> (stream, index, now_s)
        self.streams = {}  # stream -> {session: (index, now_s)}
        self.begun = {}  # stream -> [sessions, faded; when]
        self.reached = [1.0] * 200  # sessions that got to a segment
        self.visits = {}  # key -> [visits, faded; when]
        self.now_s, self.asked, self.segment_s = 0.0, 0, 60.0
        self.chance = Random(1)  # noqa: S311

    def note(self, visit):
        self.now_s, self.asked = visit.now_s, self.asked + 1
        if visit.index < 0:
            seen = self.visits.setdefault(visit.key, [0.0, self.asked])
            seen[0] = self.faded(seen, self.asked, 4 * len(self.sizes) + 100) + 1
            seen[1] = self.asked
            return
        self.place[visit.key] = (visit.stream, visit.index)
        before = self.sessions.get(visit.session)
        if before is None:
            come = self.begun.setdefault(visit.stream, [0.0, self.now_s])
            come[0], come[1] = self.faded(come, self.now_s, 43_200) + 1, self.now_s
        elif visit.index == before[1] + 1:
            self.segment_s += 0.1 * (visit.now_s - before[2] - self.segment_s)
        self.reached[min(199, visit.index)] += 1
        self.sessions[visit.session] = (visit.stream, visit.index, visit.now_s)
        self.streams.setdefault(visit.stream, {})[visit.session] = (visit.index, visit.now_s)

    def faded(self, pair, now, half):
        return pair[0] * 2.0 ** ((pair[1] - now) / half)

    def worth(self, key):
        """Hits expected a second."""
        if key not in self.place:
            span = 4 * len(self.sizes) + 100
            return self.faded(self.visits[key], self.asked, span) / span
        stream, index = self.place[key]
        gone = [one for one, (_, at) in self.streams[stream].items() if self.now_s - at > 3 * self.segment_s]
        for one in gone:
            del self.streams[stream][one]
        there = self.reached[min(199, index)]
        found = 0.0
        for reached, at in self.streams[stream].values():
            if reached < index:
                stays = min(1.0, there / self.reached[min(199, reached)])
                found = max(found, stays / max(1.0, (index - reached) * self.segment_s - (self.now_s - at)))
        later = self.faded(self.begun[stream], self.now_s, 43_200) / 62_000 * there / self.reached[0]
        return found + later

    def use(self, key):
        pass

    def put(self, key, size):
        if size > self.budget_bytes:
            return [key]
        self.sizes[key], self.at[key] = size, len(self.keys)
        self.keys.append(key)
        self.held_bytes += size
        gone = []
        while self.held_bytes > self.budget_bytes:
            sample = [self.keys[self.chance.randrange(len(self.keys))] for _ in range(SAMPLE)]
            victim = min([key, *sample] if key in self.sizes else sample, key=self.worth)
            self.forget(victim)
            gone.append(victim)
        return gone

    def drop(self, key):
        pass

    def resize(self, budget_bytes):
        self.budget_bytes = budget_bytes

    def forget(self, key):
        self.held_bytes -= self.sizes.pop(key)
        at, last = self.at.pop(key), self.keys.pop()
        if last != key:
            self.keys[at], self.at[last] = last, at
