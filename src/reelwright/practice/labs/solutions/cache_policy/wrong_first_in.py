"""First in, first out: what is asked for again and again goes too."""


class Policy:
    def __init__(self, budget_bytes):
        self.budget_bytes, self.held_bytes = budget_bytes, 0
        self.sizes = {}

    def note(self, visit):
        """visit.key, .size, .now_s, .session, .stream, .index"""

    def use(self, key):
        pass

    def put(self, key, size):
        self.sizes[key] = size
        self.held_bytes += size
        gone = []
        while self.held_bytes > self.budget_bytes:
            gone.append(next(iter(self.sizes)))
            self.held_bytes -= self.sizes.pop(gone[-1])
        return gone

    def drop(self, key):
        self.held_bytes -= self.sizes.pop(key)

    def resize(self, budget_bytes):
        self.budget_bytes = budget_bytes
