"""The newcomer is not counted: for a moment more is held than there is room for."""


class Policy:
    def __init__(self, budget_bytes):
        self.budget_bytes, self.held_bytes = budget_bytes, 0
        self.sizes = {}

    def note(self, visit):
        """visit.key, .size, .now_s, .session, .stream, .index"""

    def use(self, key):
        self.sizes[key] = self.sizes.pop(key)

    def put(self, key, size):
        self.sizes[key] = size
        gone = []
        while self.held_bytes > self.budget_bytes:
            gone.append(next(iter(self.sizes)))
            self.held_bytes -= self.sizes.pop(gone[-1])
        self.held_bytes += size
        return gone

    def drop(self, key):
        self.held_bytes -= self.sizes.pop(key)

    def resize(self, budget_bytes):
        self.budget_bytes = budget_bytes
