"""A viewer goes to the cheapest edge that is well, has room and holds the film; no edge is ever overfull."""

from __future__ import annotations

import msgspec
import pytest

from reelwright.cdn.core.steering import (
    FULL,
    EdgeState,
    classify_miss,
    plan_flows,
    rank,
    region_of,
    steering_document,
)
from reelwright.kernel.errors import Invalid, Unavailable

NEAR = EdgeState(name="near", url="https://near.example", capacity_bps=100, costs={"eu": 1, "us": 5})
FAR = EdgeState(name="far", url="https://far.example", capacity_bps=100, costs={"*": 3})


def change(edge: EdgeState, **to: object) -> EdgeState:
    """The edge, changed."""
    return msgspec.structs.replace(edge, **to)


@pytest.mark.parametrize(
    ("near", "first", "reason"),
    [
        (NEAR, "near", ""),
        (change(NEAR, state="draining"), "far", "health"),
        (change(NEAR, state="down"), "far", "health"),
        (change(NEAR, load_bps=96), "far", "capacity"),
        (change(NEAR, costs={"us": 1}), "far", "policy"),
        (change(NEAR, holds=0.0, costs={"eu": 2.5}), "far", ""),
    ],
)
def test_the_first_edge_and_why_not_the_other(near: EdgeState, first: str, reason: str) -> None:
    """Health, capacity, policy and content each turn a viewer away, and it is said which."""
    found = rank("eu", [near, FAR], bps=5)
    assert found[0].edge.name == first
    assert next(one for one in found if one.edge.name == "near").refused.partition(":")[0] == reason


def test_a_price_moves_those_who_have_a_good_second_choice() -> None:
    """Two regions want one edge; who loses least by going elsewhere goes."""
    demand = {"eu": 60.0, "us": 60.0}
    near = change(NEAR, costs={"eu": 1, "us": 1})
    far = change(FAR, costs={"eu": 9, "us": 2})
    plan = plan_flows(demand, [near, far])
    assert plan.flows["eu", "near"] == pytest.approx(60)
    assert plan.flows["us", "near"] == pytest.approx(100 * FULL - 60)
    assert plan.prices == {"near": pytest.approx(1), "far": 0}
    with pytest.raises(Unavailable, match="cannot carry"):
        plan_flows({"eu": 500.0}, [near, far])


def test_the_longest_prefix_names_the_region() -> None:
    """IPv4 and IPv6; nonsense is refused."""
    prefixes = {"10.0.0.0/8": "eu", "10.1.0.0/16": "isp", "2001:db8::/32": "us"}
    assert [region_of(one, prefixes) for one in ("10.1.2.3", "10.2.2.3", "2001:db8::1", "9.9.9.9")] == [
        "isp",
        "eu",
        "us",
        "*",
    ]
    with pytest.raises(Invalid, match="an address is like"):
        region_of("10.1", prefixes)


def test_the_documents_of_both_formats() -> None:
    """Order of preference, without those that may not serve; a new edge as a clone; never empty."""
    found = rank("eu", [NEAR, FAR, change(FAR, name="gone", state="down")], bps=5)
    hls = steering_document(found, reload_uri="/steer", clones={"far": "near"})
    assert hls["PATHWAY-PRIORITY"] == ["near", "far"]
    assert hls["PATHWAY-CLONES"] == [
        {"BASE-ID": "near", "ID": "far", "URI-REPLACEMENT": {"HOST": "far.example"}},
    ]
    dash = steering_document(found, reload_uri="/steer", kind="dash")
    assert (dash["SERVICE-LOCATION-PRIORITY"], dash["TTL"]) == (["near", "far"], 30)
    down = rank("eu", [change(NEAR, state="down")], bps=5)
    assert steering_document(down, reload_uri="/steer")["PATHWAY-PRIORITY"] == ["near"]


def test_a_miss_has_a_class() -> None:
    """Content, health, capacity or steering."""
    assert classify_miss(NEAR, rank("eu", [NEAR, FAR], bps=5), was_held=True) == "hit"
    assert classify_miss(NEAR, rank("eu", [NEAR, FAR], bps=5), was_held=False) == "content"
    assert classify_miss(FAR, rank("eu", [NEAR, FAR], bps=5), was_held=True) == "steering"
    full = change(NEAR, load_bps=100)
    assert classify_miss(FAR, rank("eu", [full, FAR], bps=5), was_held=True) == "capacity"
