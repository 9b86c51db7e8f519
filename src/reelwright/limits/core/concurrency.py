"""How much may be held at once: slots that are given back, or end by themselves with whoever held them.

State is the ends of all held slots, earliest first. Giving one back removes the earliest end, whoever gives: then no
slot needs a name, and one whose holder died is counted until the latest end at most, never too short.
"""

from __future__ import annotations

from reelwright.limits.contract import NEVER
from reelwright.limits.core.step import Rule, State, Stepped


def slots(count: int, period: int) -> Rule:
    """At most `count` held; each for `period` ticks at most."""

    def alive(state: State, now: int) -> State:
        start = 0
        while start < len(state) and state[start] <= now:
            start += 1
        return state[start:] if start else state

    def step(state: State, now: int, cost: int) -> Stepped:
        state = alive(state, now)
        held = len(state) + cost
        if held <= count:
            kept = state + (now + period,) * cost
            return kept, True, count - held, 0, kept[-1] - now if kept else 0
        wait = state[held - count - 1] - now if cost <= count else NEVER
        return state, False, max(0, count - len(state)), wait, state[-1] - now if state else 0

    def settle(state: State, now: int, delta: int) -> State:
        state = alive(state, now)
        return state + (now + period,) * delta if delta > 0 else state[-delta:]

    def used(state: State, now: int) -> int:
        return len(alive(state, now))

    return Rule(empty=(), lifetime=period, step=step, settle=settle, used=used)
