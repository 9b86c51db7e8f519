"""What every algorithm is made of: a step function of state, time and cost, and what surrounds it.

Times are whole ticks of the store's clock, which never goes back; a store says how long a tick is. States are whole
numbers or tuples of them, so that every store can keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

State = Any
"""An int for `gcra` and `leaky`, a flat tuple of ints for the others."""
Stepped = tuple[State, bool, int, int, int]
"""The state after; allowed; what is left; ticks until the request may go (`NEVER`); ticks until all is there again.

A plain tuple, since making a struct costs as much as the whole decision.
"""
Step = Callable[[State, int, int], Stepped]
Settle = Callable[[State, int, int], State]


class Rule(NamedTuple):
    """One limit, compiled for one tick."""

    empty: State
    """The state of a key that nobody has asked for."""
    lifetime: int
    """Ticks after which an untouched state says the same as `empty`, unless it owes for longer (`owed_ticks`)."""
    step: Step
    """A refused request leaves the state as it is, but for what has expired."""
    settle: Settle
    """Charge (positive) or give back (negative) afterwards, without asking."""
    used: Callable[[State, int], int]
    """What is taken now, whether or not there was room for it."""


def owed_ticks(rule: Rule, state: State, now: int) -> int:
    """Until everything is there again: after `settle` that may be later than the rule's lifetime."""
    return rule.step(state, now, 0)[4]
