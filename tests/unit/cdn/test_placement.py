"""Objects lie where everybody looks for them, in proportion to weights, and stay when nodes come and go."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.cdn.core.placement import assign, failing_last, moved, ranked, with_room
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


@given(busy=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 500)), key=st.text(max_size=9))
def test_who_has_more_than_its_share_under_way_is_asked_after_the_others(busy: dict[str, int], key: str) -> None:
    """Nobody is lost, the order stays among equals, and somebody always has room."""
    order = ranked(key, dict.fromkeys("abcd", 1.0))
    found = with_room(order, busy)
    assert sorted(found) == sorted(order)
    assert busy.get(found[0], 0) <= max(8, 1.1 * (sum(busy.values()) + 1) / 4 + 1)
    assert with_room(order, dict.fromkeys("abcd", 3)) == order
    alone = {order[0]: 100}
    assert with_room(order, alone) == [*order[1:], order[0]]
