"""The exact sliding window: never more than `count` in any window of one period, whatever comes when.

State is a flat tuple `(cell, n, cell, n, …)` of those parts of the window in which something was admitted, oldest
first. A cell is `width` ticks long; all of it counts until its last tick has left the window, so that coarse cells
only ever refuse more. With cells of one tick it is the sliding window log. At most min(count, cells + 1) pairs.
"""

from __future__ import annotations

from reelwright.limits.contract import NEVER
from reelwright.limits.core.step import Rule, State, Stepped


def sliding_window(count: int, period: int, cells: int) -> Rule:
    """The ring of `cells` parts of a window."""
    return _window(count, period, max(1, -(-period // cells)))


def sliding_log(count: int, period: int) -> Rule:
    """Every admitted request is remembered by its own time."""
    return _window(count, period, 1)


def _window(count: int, period: int, width: int) -> Rule:
    def alive(state: State, now: int) -> State:
        oldest, start = (now - period + 1) // width, 0
        while start < len(state) and state[start] < oldest:
            start += 2
        return state[start:] if start else state

    def leaves(cell: int, now: int) -> int:
        return (cell + 1) * width + period - 1 - now

    def step(state: State, now: int, cost: int) -> Stepped:
        state = alive(state, now)
        used = sum(state[1::2])
        if used + cost <= count:
            kept = add(state, now // width, cost) if cost else state
            reset = leaves(kept[-2], now) if kept else 0
            return kept, True, count - used - cost, 0, reset
        wait, missing = NEVER, used + cost - count
        if cost <= count:
            for place in range(0, len(state), 2):
                missing -= state[place + 1]
                if missing <= 0:
                    wait = leaves(state[place], now)
                    break
        return state, False, max(0, count - used), wait, leaves(state[-2], now) if state else 0

    def settle(state: State, now: int, delta: int) -> State:
        state = alive(state, now)
        if delta >= 0:
            return add(state, now // width, delta) if delta else state
        while (
            state and delta < 0
        ):  # the oldest is given back: what is still counted then counts too long, never too short
            left = state[1] + delta
            state, delta = (state[2:], left) if left <= 0 else ((state[0], left, *state[2:]), 0)
        return state

    def add(state: State, cell: int, cost: int) -> State:
        if state and state[-2] == cell:
            return (*state[:-1], state[-1] + cost)
        return (*state, cell, cost)

    def used_now(state: State, now: int) -> int:
        return sum(alive(state, now)[1::2])

    return Rule(empty=(), lifetime=period + width, step=step, settle=settle, used=used_now)
