"""A decision of limits as it is written down, with what it was decided on; and made again from that. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from reelwright.limits.contract import Ask, Limit
from reelwright.limits.core.algorithms import Outcome, compiled, decide
from reelwright.limits.core.step import State

POLICY = "limits/1"
INPUT_MOST = 2000
"""An input that is longer is not written down: the event has no room for it."""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """One limit, and the state of the caller's counter; who that is plays no part, and is not written down."""

    limit: Limit
    state: str
    """As JSON: an exact bucket's has more digits than JSON's readers take for one number."""
    cost: int = 1
    shadow: bool = False


class Decided(msgspec.Struct, frozen=True):
    """One decision: what it rested on, and what came of it."""

    now_ns: int
    asked: tuple[Asked, ...]
    outcomes: tuple[Outcome, ...]


class _Input(msgspec.Struct, frozen=True):
    now_ns: int
    asked: tuple[Asked, ...]


def decided(now_ns: int, asks: Sequence[Ask], states: Sequence[State], outcomes: Sequence[Outcome]) -> Decided:
    """A decision, before anything of it has changed."""
    asked = tuple(
        Asked(ask.limit, json.dumps(state), ask.cost, ask.shadow) for ask, state in zip(asks, states, strict=True)
    )
    return Decided(now_ns, asked, tuple(outcomes))


def decision_of(one: Decided) -> dict[str, Any] | None:
    """The data of a `decision` event; None where its input is too long."""
    told = msgspec.json.encode(_Input(one.now_ns, one.asked)).decode()
    if len(told) > INPUT_MOST:
        return None
    return {
        "system": "limits",
        "policy_version": POLICY,
        "input": told,
        "choice": _choice(one.asked, one.outcomes),
        "alternatives": [{"id": "admitted"}, {"id": "refused"}],
        "reason": msgspec.json.encode(one.outcomes).decode(),
        "propensity": 1.0,
    }


def decided_again(told: str) -> tuple[str, str]:
    """(choice, reason) for an input that was written down. Raises msgspec's errors, Invalid."""
    found = msgspec.json.decode(told, type=_Input)
    rules = [compiled(ask.limit) for ask in found.asked]
    states = [_state(ask.state) for ask in found.asked]
    costs, shadows = [ask.cost for ask in found.asked], [ask.shadow for ask in found.asked]
    _, outcomes = decide(rules, states, found.now_ns, costs, shadows)
    return _choice(found.asked, outcomes), msgspec.json.encode(outcomes).decode()


def _state(text: str) -> State:
    found = json.loads(text)
    return tuple(found) if isinstance(found, list) else found


def _choice(asked: Sequence[Asked], outcomes: Sequence[Outcome]) -> str:
    admitted = all(one[0] or ask.shadow for ask, one in zip(asked, outcomes, strict=True))
    return "admitted" if admitted else "refused"
