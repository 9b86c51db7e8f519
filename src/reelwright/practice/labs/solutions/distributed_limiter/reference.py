"""A slice ends one hold after it was asked for, and each answer counts once."""


class Lease:
    def __init__(self, hold_ns, most):
        self.hold_ns, self.most = hold_ns, most
        self.tokens = self.ends_ns = self.asked = 0
        self.wanted = 1
        self.next_ns = None
        self.sent_ns, self.answered = None, True

    def spend(self, now_ns, cost):
        self.asked += cost
        if cost <= self.tokens and now_ns < self.ends_ns:
            self.tokens -= cost
            return True
        return False

    def may_call(self, now_ns):
        return self.next_ns is None or now_ns >= self.next_ns

    def call(self, now_ns):
        self.sent_ns, self.answered = now_ns, False
        self.next_ns = now_ns + self.hold_ns // 2
        wanted = max(self.asked, self.wanted // 2)
        self.wanted, self.asked = wanted, 0
        held = self.tokens if now_ns < self.ends_ns else 0
        return max(1, min(self.most, wanted + wanted // 4 + 1) - held)

    def granted(self, sent_ns, now_ns, tokens, wait_ns):
        if sent_ns != self.sent_ns or self.answered:
            return
        self.answered = True
        held = self.tokens if now_ns < self.ends_ns else 0
        ends_ns = sent_ns + self.hold_ns
        if not tokens:
            self.next_ns = max(self.next_ns, now_ns + min(wait_ns, self.hold_ns))
        elif held > tokens:
            self.tokens = held + tokens
        elif now_ns < ends_ns:
            self.tokens, self.ends_ns = tokens, ends_ns
