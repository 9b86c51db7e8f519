"""A viewer goes to the cheapest edge that is well, has room and holds the film; no edge is ever overfull."""

from __future__ import annotations

import msgspec
import pytest

from reelwright.cdn.core.flows import plan_flows
from reelwright.cdn.core.steering import (
    FULL,
    EdgeState,
    Prefixes,
    classify_miss,
    decide,
    nearest_of,
    rank,
    settled,
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
        (change(NEAR, state="draining"), "far", "policy"),
        (change(NEAR, state="distrusted"), "far", "health"),
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
    """IPv4 and IPv6; what is no address lies in no region, and a table that makes no sense is refused."""
    table = Prefixes({"10.0.0.0/8": "eu", "10.1.0.0/16": "isp", "2001:db8::/32": "us", "10.1.2.7/32": "desk"})
    asked = ("10.1.2.3", "10.2.2.3", "2001:db8::1", "9.9.9.9", "10.1.2.7", "10.1", "", "x" * 1000)
    assert [table.region_of(one) for one in asked] == ["isp", "eu", "us", "*", "desk", "*", "*", "*"]
    with pytest.raises(Invalid, match="a prefix is like"):
        Prefixes({"10.0.0.0/33": "eu"})


def test_a_session_is_not_moved_for_a_trifle() -> None:
    """It stays while its edge is well and about as good; it goes when another is better, or its own may not serve."""
    near = change(NEAR, costs={"eu": 2.95})
    found = rank("eu", [near, FAR], bps=5)
    assert [one.edge.name for one in settled(found, "far")] == ["far", "near"]
    assert settled(rank("eu", [NEAR, FAR], bps=5), "far")[0].edge.name == "near"
    ill = rank("eu", [near, change(FAR, state="down")], bps=5)
    assert settled(ill, "far")[0].edge.name == "near"
    assert settled([], "far") == []


def test_the_documents_of_both_formats() -> None:
    """Order of preference, without those that may not serve; a new edge as a clone; never empty."""
    found = rank("eu", [NEAR, FAR, change(FAR, name="gone", state="down")], bps=5)
    hls = steering_document(found, reload_uri="/steer", clones={"far": "near"})
    assert hls["PATHWAY-PRIORITY"] == ["near", "far"]
    assert hls["PATHWAY-CLONES"] == [
        {"BASE-ID": "near", "ID": "far", "URI-REPLACEMENT": {"HOST": "far.example"}},
    ]
    assert hls["TTL"] == 30 and "PATHWAY-CLONES" not in steering_document(found, reload_uri="/steer")
    down = rank("eu", [change(NEAR, state="down")], bps=5)
    assert steering_document(down, reload_uri="/steer")["PATHWAY-PRIORITY"] == ["near"]


def test_a_clone_for_hls_may_name_its_edge_in_a_parameter() -> None:
    """Our playlists come from one host for all edges."""
    found = rank("eu", [NEAR, FAR], bps=5)
    document = steering_document(found, reload_uri="/steer", clones={"far": "near"}, parameter="edge")
    assert document["PATHWAY-CLONES"] == [
        {"BASE-ID": "near", "ID": "far", "URI-REPLACEMENT": {"PARAMS": {"edge": "far"}}}
    ]


@pytest.mark.parametrize(
    ("near", "nearest", "why"),
    [
        (NEAR, "near", ""),
        (change(NEAR, load_bps=100), "near", "health"),
        (change(NEAR, state="distrusted"), "near", "health"),
        (change(NEAR, state="draining"), "near", "policy"),
        (change(NEAR, holds=0.0, costs={"eu": 2.5}), "near", "content"),
    ],
)
def test_why_the_nearest_edge_is_not_the_first(near: EdgeState, nearest: str, why: str) -> None:
    """Kept with each decision, so that a miss can be explained later."""
    assert nearest_of(rank("eu", [near, FAR], bps=5)) == (nearest, why)


def test_a_miss_has_a_class() -> None:
    """Content, health, steering or policy: the decision joined with what an edge did."""
    told = {"chosen": "near", "nearest": "near", "why": ""}
    assert classify_miss(served_by="near", was_held=True, **told) == "hit"
    assert classify_miss(served_by="near", was_held=False, **told) == "content"
    assert classify_miss(served_by="far", was_held=True, **told) == "health"
    for why, found in (("policy", "policy"), ("", "steering"), ("content", "content")):
        told = {"chosen": "far", "nearest": "near", "why": why}
        assert classify_miss(served_by="far", was_held=True, **told) == found


def test_by_title_all_who_watch_a_title_meet_and_titles_spread() -> None:
    """An edge that goes moves only its own titles; costs do not count, but who cannot serve does."""
    three = [
        EdgeState(name=name, capacity_bps=1e9, costs={"*": cost}) for name, cost in (("a", 1), ("b", 2), ("c", 3))
    ]
    ill = [change(three[0], state="down"), *three[1:]]
    folders = [f"assets/{number}" for number in range(600)]

    def first(edges: list[EdgeState], folder: str) -> str:
        return decide("eu", edges, bps=1, folder=folder, order="by_title")[0].edge.name

    before = {folder: first(three, folder) for folder in folders}
    counts = [list(before.values()).count(name) for name in "abc"]
    assert min(counts) > 150 and sum(counts) == 600
    after = {folder: first(ill, folder) for folder in folders}
    assert "a" not in after.values()
    assert all(after[one] == before[one] for one in folders if before[one] != "a")
    assert {decide("eu", three, bps=1, folder=one)[0].edge.name for one in folders} == {"a"}


def test_an_experiment_s_order_is_a_reason_of_its_own() -> None:
    """A miss that an experiment makes is no fault of the edge's."""
    edges = [NEAR, FAR]
    folder = next(
        str(n) for n in range(99) if decide("eu", edges, bps=1, folder=str(n), order="by_title")[0].edge is FAR
    )
    ranked = decide("eu", edges, bps=1, folder=folder, order="by_title")
    assert nearest_of(ranked, "by_title") == ("near", "policy")
