"""Which node an object belongs to: rendezvous hashing (Thaler and Ravishankar, 1998), weighted, with bounded load."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

from reelwright.kernel.errors import Unavailable

FEW = 8
LOAD_FACTOR = 1.1
"""No node is given more than this times its fair share (Mirrokni et al., SODA 2018)."""


def ranked(key: str, nodes: Mapping[str, float]) -> list[str]:
    """Nodes in the order in which they should hold `key`; a node's share follows its weight.

    A node that comes or goes moves only the keys that it holds. O(nodes log nodes).
    """
    return sorted(nodes, key=lambda node: _score(key, node, nodes[node]), reverse=True)


def _score(key: str, node: str, weight: float) -> float:
    digest = hashlib.blake2b(f"{node}\0{key}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -max(weight, 1e-9) / math.log(uniform)


def assign(loads: Mapping[str, float], nodes: Mapping[str, float], factor: float = LOAD_FACTOR) -> dict[str, str]:
    """A node for each key, heaviest first, each the best ranked that has room.

    `loads` is demand by key, `nodes` capacity by name; a node takes at most `factor` times its share of the demand.
    Raises Unavailable where there is no node.
    """
    if not nodes:
        raise Unavailable("no edge can take a share; register one, or end a drain")
    total, weight = sum(loads.values()), sum(nodes.values())
    room = {node: factor * total * share / weight for node, share in nodes.items()}
    found: dict[str, str] = {}
    for key in sorted(loads, key=lambda one: (-loads[one], one)):
        order = ranked(key, nodes)
        node = next((one for one in order if room[one] >= loads[key]), max(order, key=room.__getitem__))
        room[node] -= loads[key]
        found[key] = node
    return found


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> float:
    """Share of keys whose node has changed."""
    return sum(before[key] != after.get(key) for key in before) / len(before) if before else 0.0


def with_room(order: Sequence[str], busy: Mapping[str, int], factor: float = LOAD_FACTOR) -> list[str]:
    """The same order, with those that have more under way than their bounded share after the others.

    `busy` counts requests under way. A few are always allowed: an object asked of two shields is fetched twice.
    """
    most = max(FEW, math.ceil(factor * (sum(busy.get(one, 0) for one in order) + 1) / max(1, len(order))))
    return failing_last(order, [one for one in order if busy.get(one, 0) >= most])


def failing_last(order: Sequence[str], failing: Iterable[str]) -> list[str]:
    """The same order, with those that failed lately at its end: still asked when nobody else answers."""
    bad = set(failing)
    return [one for one in order if one not in bad] + [one for one in order if one in bad]
