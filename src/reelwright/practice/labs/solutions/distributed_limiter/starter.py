"""To begin with: it runs, and asks the store for each request; how would a slice do?"""


class Lease:
    def __init__(self, hold_ns, most):
        self.hold_ns, self.most = hold_ns, most
        self.tokens, self.ends_ns = 0, 0

    def spend(self, now_ns, cost):
        if cost <= self.tokens and now_ns < self.ends_ns:
            self.tokens -= cost
            return True
        return False

    def may_call(self, now_ns):
        return True

    def call(self, now_ns):
        return 1

    def granted(self, sent_ns, now_ns, tokens, wait_ns):
        self.tokens, self.ends_ns = tokens, sent_ns + self.hold_ns
