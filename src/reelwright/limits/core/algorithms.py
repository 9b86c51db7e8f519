"""A limit compiled to a step function, and the joint decision of several: all are charged, or none is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from reelwright.limits.contract import NEVER, Limit
from reelwright.limits.core.concurrency import slots
from reelwright.limits.core.fixed import fixed_window, sliding_counter
from reelwright.limits.core.gcra import exactly, leaky_bucket, token_bucket
from reelwright.limits.core.step import Rule, State, Stepped
from reelwright.limits.core.window import sliding_log, sliding_window

NS_A_SECOND = 10**9
Outcome = tuple[bool, int, int, int]
"""Allowed, remaining, ticks to wait, ticks to reset."""


@lru_cache(maxsize=4096)
def compiled(limit: Limit, ticks_a_second: int = NS_A_SECOND) -> Rule:
    """The limit's step function where a second has `ticks_a_second` ticks; periods are rounded up to a whole tick.

    In ns a bucket is exact; in coarser ticks its interval is rounded up too, so that states stay small numbers.
    """
    period = max(1, -(-limit.period_ns * ticks_a_second // NS_A_SECOND))
    if limit.most == 0 or limit.count == 0:
        return _nothing(period)
    exact = ticks_a_second == NS_A_SECOND
    match limit.algorithm:
        case "gcra" | "leaky":
            bucket = token_bucket if limit.algorithm == "gcra" else leaky_bucket
            if exact:
                return exactly(bucket, limit.count, period, limit.most)
            return bucket(limit.count, period, limit.most)
        case "fixed":
            return fixed_window(limit.count, period)
        case "counter":
            return sliding_counter(limit.count, period)
        case "window":
            return sliding_window(limit.count, period, limit.cells)
        case "log":
            return sliding_log(limit.count, period)
        case "concurrency":
            return slots(limit.count, period)


def decide(
    rules: Sequence[Rule], states: Sequence[State], now: int, costs: Sequence[int], shadows: Sequence[bool]
) -> tuple[list[State] | None, list[Outcome]]:
    """The states after one request to several limits, None where nothing changes, and each limit's outcome.

    A limit in shadow mode refuses nothing; where it would have, it is not charged. When another limit refuses, one
    that would have admitted says what is left without this request.
    """
    stepped = [rule.step(state, now, cost) for rule, state, cost in zip(rules, states, costs, strict=True)]
    if all(one[1] or shadow for one, shadow in zip(stepped, shadows, strict=True)):
        return [one[0] for one in stepped], [one[1:] for one in stepped]
    looked = zip(rules, states, stepped, strict=True)
    return None, [one[1:] if not one[1] else rule.step(state, now, 0)[1:] for rule, state, one in looked]


def _nothing(period: int) -> Rule:
    """Admits nothing, ever: what a count of 0 asks for."""

    def step(state: State, _now: int, cost: int) -> Stepped:
        return state, cost == 0, 0, 0 if cost == 0 else NEVER, 0

    def settle(state: State, _now: int, _delta: int) -> State:
        return state

    def used(_state: State, _now: int) -> int:
        return 0

    return Rule(empty=0, lifetime=period, step=step, settle=settle, used=used)
