"""Leases: a node takes a slice of a limit ahead, spends it by its own monotonic clock, and asks again after.

The theorem. The store grants by GCRA: in any span S at most L·S + b tokens. A token is spent at most H after it was
granted, since H is counted on the node's monotonic clock from before the request was sent. So what is spent in a
window W was granted in the span W + H: at most L·(W + H) + b, whatever the number of nodes, their wall clocks, lost
or doubled messages, partitions and crashes do.

What is not spent goes back, less what the bucket may have spilt since: of u tokens granted at g, `give_back` puts
back u - L·(now - g). Had they never been granted, the bucket would have been fuller by u from g on, but for what
flowed over its rim, and in that time no more than L·(now - g) flowed in. So whatever is admitted after is what GCRA
admits in a world where those tokens were never asked for, and the theorem holds of what is spent. The store's own
clock judges, so a late message gives back less; who gives back does so once and never again, and what an older life
of the store granted is refused. An answer that is lost is lost.

Pure: states are changed in place for speed, time is passed in. A node calls at most twice per H: the next call comes
H/2 after the last at the earliest, and wants what was asked for lately, so that idle nodes hold little.
"""

from __future__ import annotations

from reelwright.limits.core.step import Rule, State

KEEP = 0.5
"""How much of the demand seen before counts beside that of the last lease."""


class Lease:
    """What a node holds of one key of one limit."""

    __slots__ = (
        "answered",
        "asked",
        "called_ns",
        "demand",
        "ends_ns",
        "hold_ns",
        "most",
        "next_ns",
        "since",
        "tokens",
    )

    def __init__(self, hold_ns: int, most: int) -> None:
        self.hold_ns = hold_ns
        self.most = most
        self.tokens = self.since = 0
        self.ends_ns = self.next_ns = 0
        self.called_ns: int | None = None
        self.answered = True
        self.asked = 0
        """Asked for since the last call."""
        self.demand = 1.0
        """Asked for in one H, lately."""

    def spend(self, now_ns: int, cost: int) -> bool:
        """Take `cost` of what is held, if it still holds."""
        self.asked += cost
        if cost <= self.tokens and now_ns < self.ends_ns:
            self.tokens -= cost
            return True
        return False

    def may_call(self, now_ns: int) -> bool:
        """Whether the store may be asked for more."""
        return now_ns >= self.next_ns

    def call(self, now_ns: int) -> int:
        """Begin a call: how many tokens to ask for."""
        if self.called_ns is not None:
            passed = max(1, now_ns - self.called_ns)
            seen = self.asked * min(self.hold_ns / passed, 1.0)
            self.demand = max(seen, KEEP * self.demand)
        self.called_ns, self.answered, self.asked = now_ns, False, 0
        self.next_ns = now_ns + (self.hold_ns + 1) // 2
        held = self.tokens if now_ns < self.ends_ns else 0
        return max(1, min(self.most, round(self.demand * 1.25) + 1) - held)

    def granted(self, sent_ns: int, now_ns: int, tokens: int, wait_ns: int, since: int = 0) -> tuple[int, int]:
        """The store's answer to the call of `sent_ns`, granted at its tick `since`: what goes back, and its tick.

        One that comes twice, or to an older call, is ignored. What was held before ends when it did: it goes back
        where the new slice is the larger one, else both end then.
        """
        if sent_ns != self.called_ns or self.answered:
            return 0, 0
        self.answered = True
        ends_ns = sent_ns + self.hold_ns
        held = self.tokens if now_ns < self.ends_ns else 0
        if not tokens:
            self.next_ns = max(self.next_ns, now_ns + min(wait_ns, self.hold_ns))
        elif held > tokens:
            self.tokens = held + tokens
        elif now_ns < ends_ns:
            over, self.tokens, self.since, self.ends_ns = (self.tokens, self.since), tokens, since, ends_ns
            return over
        else:
            return tokens, since
        return 0, 0

    def rest(self) -> tuple[int, int]:
        """Let go of what is held: how much, and the store's tick of its grant."""
        over, self.tokens = (self.tokens, self.since), 0
        return over


def take(rule: Rule, state: State, now: int, want: int) -> tuple[State, int, int]:
    """What the store does: grant up to `want` (state, granted, ticks until `want` would have been there)."""
    kept, whole, left, wait, _ = rule.step(state, now, want)
    if whole:
        return kept, want, 0
    if not left:
        return state, 0, wait
    return rule.step(state, now, left)[0], left, wait


def give_back(rule: Rule, state: State, now: int, tokens: int, since: int, rate: tuple[int, int]) -> State:
    """What the store does with `tokens` of a grant at `since` that nobody spent, at `rate` (tokens, per ticks)."""
    credit = tokens - -(-(now - since) * rate[0] // rate[1])
    return rule.settle(state, now, -credit) if credit > 0 and since <= now else state


def bound(limit_count: int, period_ns: int, burst: int, window_ns: int, hold_ns: int) -> float:
    """The theorem's L·(W + H) + b."""
    return limit_count * (window_ns + hold_ns) / period_ns + burst
