"""Windows that begin on the clock: the fixed window, and the counter that slides between two of them.

Both are here because others have them and rules ask for them. Neither bounds any window: the fixed one admits up to
twice its count over a border, the counter assumes that the window before was evenly filled. State is
`(index of the window, admitted in it, admitted in the one before)`.
"""

from __future__ import annotations

from reelwright.limits.contract import NEVER
from reelwright.limits.core.step import Rule, Settle, State, Stepped


def fixed_window(count: int, period: int) -> Rule:
    """At most `count` between two multiples of `period`."""

    def step(state: State, now: int, cost: int) -> Stepped:
        index, used, _ = _moved(state, now, period)
        until = (index + 1) * period - now
        if used + cost <= count:
            used += cost
            return (index, used, 0), True, count - used, 0, until if used else 0
        return (index, used, 0), False, max(0, count - used), until if cost <= count else NEVER, until

    def used_now(state: State, now: int) -> int:
        return _moved(state, now, period)[1]

    return Rule(empty=(), lifetime=period, step=step, settle=_settle(period), used=used_now)


def sliding_counter(count: int, period: int) -> Rule:
    """What came in this window, and of the window before the part that the sliding window still covers."""

    def step(state: State, now: int, cost: int) -> Stepped:
        index, used, before = _moved(state, now, period)
        rest = (index + 1) * period - now
        weighed = -(-before * rest // period)
        allowed = used + weighed + cost <= count
        if allowed:
            used += cost
        reset = rest + period if used else rest if before else 0
        left = max(0, count - used - weighed)
        wait = 0 if allowed else _wait(used, before, rest, cost)
        return (index, used, before), allowed, left, wait, reset

    def _wait(used: int, before: int, rest: int, cost: int) -> int:
        if cost > count:
            return NEVER
        room = count - cost - used
        if room >= 0:  # within this window, once enough of the one before has slid out
            return rest - (room * period // before)
        return rest + period - (count - cost) * period // used

    def used_now(state: State, now: int) -> int:
        index, used, before = _moved(state, now, period)
        return used - (-before * ((index + 1) * period - now) // period)

    return Rule(empty=(), lifetime=2 * period, step=step, settle=_settle(period), used=used_now)


def _moved(state: State, now: int, period: int) -> tuple[int, int, int]:
    index = now // period
    if not state or state[0] < index - 1:
        return index, 0, 0
    return (index, 0, state[1]) if state[0] == index - 1 else (state[0], state[1], state[2])


def _settle(period: int) -> Settle:
    def settle(state: State, now: int, delta: int) -> State:
        index, used, before = _moved(state, now, period)
        return index, max(0, used + delta), before

    return settle
