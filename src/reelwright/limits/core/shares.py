"""Who gets how much: a node's share of a limit when nodes cannot ask each other, and fair shares when they can.

Source of the fair shares: youtube/doorman, doc/algorithms.md (FAIR_SHARE, PROPORTIONAL_SHARE).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reelwright.limits.contract import Limit


def share_of(limit: Limit, nodes: int) -> Limit:
    """A node's part of a limit: all nodes' parts together never admit more than the limit.

    What does not divide is lost: a limit of 3 among 4 nodes admits nothing without the store.
    """
    if nodes <= 1:
        return limit
    if limit.algorithm in ("gcra", "leaky"):
        most = limit.most // nodes
        period_ns = limit.period_ns * nodes
        if most == 0 or limit.count == 0 or period_ns > _PERIOD_MOST_NS:
            return msgspec.structs.replace(limit, count=0, burst=0)
        return msgspec.structs.replace(limit, period_ns=period_ns, burst=most)
    return msgspec.structs.replace(limit, count=limit.count // nodes)


_PERIOD_MOST_NS = 366 * 86_400 * 10**9


def fair_share(capacity: float, wants: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """What each gets: nobody more than it wants, and what some leave is divided among the others by weight.

    The sum never exceeds `capacity`. Max-min fairness by progressive filling; O(n²).
    """
    weight = list(weights) if weights is not None else [1.0] * len(wants)
    gets = [0.0] * len(wants)
    open_, left = set(range(len(wants))), capacity
    while open_ and left > 0:
        unit = left / sum(weight[one] for one in open_)
        full = [one for one in open_ if wants[one] - gets[one] <= unit * weight[one]]
        for one in full or open_:
            more = wants[one] - gets[one] if full else unit * weight[one]
            gets[one] += more
            left -= more
        if not full:
            break
        open_.difference_update(full)
    return gets


def proportional_share(
    capacity: float, wants: Sequence[float], weights: Sequence[float] | None = None
) -> list[float]:
    """What each gets: its equal share, and of what others leave a part in proportion to what it still wants."""
    weight = list(weights) if weights is not None else [1.0] * len(wants)
    if sum(wants) <= capacity:
        return list(wants)
    unit = capacity / sum(weight)
    equal = [unit * one for one in weight]
    left = sum(max(0.0, own - want) for own, want in zip(equal, wants, strict=True))
    need = [max(0.0, want - own) for own, want in zip(equal, wants, strict=True)]
    return [min(want, own + left * more / sum(need)) for want, own, more in zip(wants, equal, need, strict=True)]
