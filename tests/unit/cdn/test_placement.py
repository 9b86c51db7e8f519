"""Objects lie where everybody looks for them, in proportion to weights, and stay when nodes come and go."""

from __future__ import annotations

from collections import Counter

import pytest

from reelwright.cdn.core.placement import assign, failing_last, moved, ranked
from reelwright.kernel.errors import Unavailable

KEYS = [f"assets/a{number}/segment" for number in range(4000)]


def test_shares_follow_weights_and_a_new_node_takes_only_its_own() -> None:
    """Half the weight is half the keys; with a node more, nothing moves between the old ones."""
    nodes = {"a": 1.0, "b": 1.0, "c": 2.0}
    before = {key: ranked(key, nodes)[0] for key in KEYS}
    after = {key: ranked(key, {**nodes, "d": 1.0})[0] for key in KEYS}
    counts = Counter(before.values())
    assert 0.45 < counts["c"] / len(KEYS) < 0.55
    assert {after[key] for key in KEYS if after[key] != before[key]} == {"d"}
    assert moved(before, after) <= 1.1 / 5


def test_no_node_gets_more_than_its_bounded_share() -> None:
    """Even where a few keys are most of the demand."""
    loads = {key: 1000 / (number + 10) for number, key in enumerate(KEYS)}
    nodes = {f"edge{number}": 1.0 for number in range(8)}
    found = assign(loads, nodes)
    carried = Counter[str]()
    for key, node in found.items():
        carried[node] += loads[key]  # type: ignore[assignment]
    fair = sum(loads.values()) / len(nodes)
    assert max(carried.values()) <= 1.1 * fair
    gone = assign(loads, {node: 1.0 for node in nodes if node != "edge3"})
    assert moved(found, gone) < 0.35
    with pytest.raises(Unavailable):
        assign(loads, {})


def test_who_failed_is_asked_last_but_still_asked() -> None:
    """A cluster of which all failed once goes on."""
    assert failing_last(["a", "b", "c"], ["a"]) == ["b", "c", "a"]
    assert failing_last(["a", "b"], ["a", "b"]) == ["a", "b"]
