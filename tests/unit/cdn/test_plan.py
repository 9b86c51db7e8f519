"""A plan conserves flow, respects capacities, and gets no worse with more of anything."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from reelwright.cdn.cli import app
from reelwright.cdn.core.placement import assign
from reelwright.cdn.core.plan import (
    ORIGIN,
    Design,
    Region,
    Scenario,
    demand,
    edges_of,
    filled_share,
    judge,
    judge_sites,
    made_up,
    popularity,
    pulled_share,
    shared,
    sized,
)
from reelwright.cdn.core.steering import FULL
from reelwright.kernel.errors import Invalid

DESIGNS: tuple[Design, ...] = ("pull", "fill")
replace = msgspec.structs.replace


@pytest.mark.parametrize("design", DESIGNS)
@settings(max_examples=15, deadline=None)
@given(viewers=st.floats(1e4, 5e7), regions=st.integers(1, 6), isps=st.integers(1, 4), down=st.integers(0, 3))
def test_flow_is_conserved_and_no_edge_is_above_capacity(
    design: Design, viewers: float, regions: int, isps: int, down: int
) -> None:
    """Whatever fails, what edges and origin send is what viewers ask for."""
    world = made_up(viewers, regions, isps)
    sites = sized(world, design)
    failed = [site.name for site in sites[:down]]
    found = judge_sites(world, design, sites, failed)
    assert found.demand_bps == pytest.approx(viewers * world.watching_at_peak * world.bps)
    assert 0 <= found.local_bps <= found.served_bps * (1 + 1e-6) <= found.demand_bps * (1 + 2e-6)
    assert found.served_bps + found.upstream_bps >= found.demand_bps * (1 - 1e-6)
    assert found.upstream_bps <= found.demand_bps * (1 + 1e-6)
    assert found.worst_load <= FULL + 1e-6
    if down >= len(sites):
        assert found.served_bps == 0


def test_more_capacity_or_storage_never_sends_more_from_the_origin() -> None:
    """Monotone, with the sites as they are and one of them down."""
    world = made_up(5e6, 4, 3)
    for design in DESIGNS:
        sites = sized(world, design)
        before = None
        for factor in (0.5, 0.8, 1.0, 1.5, 3.0):
            found = judge_sites(replace(world, edge_bps=world.edge_bps * factor), design, sites, [sites[0].name])
            assert before is None or found.served_bps >= before * (1 - 1e-9)
            before = found.served_bps
        shares = [judge(replace(world, edge_bytes=size), design).offload for size in (1e12, 1e13, 1e14, 1e15)]
        assert shares == sorted(shares)
    buckets = popularity(5000, 0.9)
    assert sum(share for share, _ in buckets) == pytest.approx(1)
    assert sum(count for _, count in buckets) == 5000
    held = [pulled_share(buckets, titles) for titles in (1, 10, 100, 1000, 4999, 5000)]
    assert held == sorted(held)
    assert held[-1] == 1


def test_a_failed_site_costs_its_neighbours_room_and_nobody_else() -> None:
    """Steering's own flow sends its viewers to the exchange nearby; what fits nowhere comes from the origin."""
    world = made_up(5e6, 4, 3)
    whole = judge(world, "fill")
    site = next(one for one in whole.sites if one.isp)
    broken = judge(world, "fill", [site.name])
    assert broken.local_bps < whole.local_bps
    assert broken.upstream_bps > whole.upstream_bps
    with pytest.raises(Invalid, match="no site atlantis"):
        judge(world, "fill", ["atlantis"])


def test_filling_ahead_inside_access_networks_is_judged_on_the_same_demand() -> None:
    """Where carrying costs much it is cheaper and local; an edge that costs more than it saves is not put there."""
    world = made_up(2e7, 5, 4)
    pull, fill = judge(world, "pull"), judge(world, "fill")
    assert pull.demand_bps == fill.demand_bps
    assert pull.local_bps == 0 < fill.local_bps
    assert fill.cost_month < pull.cost_month
    assert fill.fill_bytes_a_day > 0 == pull.fill_bytes_a_day
    dear = judge(replace(world, edge_month=1e9), "fill")
    assert not any(site.isp for site in dear.sites)


def test_what_is_filled_is_what_placement_gives_an_edge() -> None:
    """With room for all, all is held; with none, nothing; and one title too hot for an edge lies on several."""
    buckets = popularity(1000, 1.2)
    edges = {f"e{number}": 1.0 for number in range(8)}
    assert filled_share(buckets, edges, 1e9, 0.9) == pytest.approx(1)
    assert filled_share(buckets, edges, 0.0, 0.9) == 0
    some = filled_share(buckets, edges, 20, 1.0)
    assert 0.3 < some < 1
    assert set(assign({str(at): 1.0 for at in range(64)}, edges).values()) == set(edges)


def test_two_hundred_million_viewers_on_a_thousand_edges_fit_this_machine() -> None:
    """Internet scale by aggregated flows."""
    world = made_up(200e6, 60, 6)
    found = judge(world, "fill")
    assert found.edges >= 1000
    assert found.demand_bps == pytest.approx(100e12)
    assert found.worst_load <= FULL + 1e-6
    names = [edge.name for edge in edges_of(world, found.sites)]
    assert len(names) == len(set(names)) == found.edges + 1
    assert names[-1] == ORIGIN
    assert len(demand(world)) == 360


@pytest.mark.parametrize(
    "wrong",
    [
        Scenario(regions=()),
        Scenario(regions=(Region("a", 1, {"x": 0.5}),)),
        Scenario(regions=(Region("a", 1, {"x": 1.0}, ("b",)),)),
        Scenario(regions=(Region("a", -1, {"x": 1.0}),)),
        Scenario(regions=(Region("a", 1, {"x": 1.0}), Region("a", 1, {"x": 1.0}))),
        Scenario(regions=(Region("a", 1, {"x": 1.0}),), edge_bps=float("nan")),
        Scenario(regions=(Region("a", float("inf"), {"x": 1.0}),)),
        Scenario(regions=(Region("a", float("nan"), {"x": 1.0}),)),
        Scenario(regions=(Region("a", 1e300, {"x": 1.0}),)),
        Scenario(regions=(Region("a", 1, {"x": 1.0}),), spare=-2),
        Scenario(regions=(Region("a", 1, {"x": 1.0}),), zipf=float("nan")),
        Scenario(regions=(Region("a", 1, {"x": 1.0}),), foreseen=1.5),
        Scenario(regions=(Region("a", 1, {"x": 1.0}),), edge_month=-1),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(wrong: Scenario) -> None:
    """In words, before anything is computed."""
    with pytest.raises(Invalid):
        judge(wrong, "pull")


def test_the_command_prints_a_table_or_json_and_reads_its_own_example(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """`reelwright cdn plan`."""
    run = CliRunner().invoke
    example = tmp_path / "world.json"
    example.write_text(run(app, ["plan", "--example"]).output)
    shown = run(app, ["plan", str(example), "--failed", "r001/exchange"]).output
    assert "offload" in shown
    assert "after failure" in shown
    found = json.loads(run(app, ["plan", str(example), "--json"]).output)
    assert [one["design"] for one in found] == ["pull", "fill"]
    example.write_text("{}")
    assert run(app, ["plan", str(example)]).exit_code != 0


@settings(max_examples=25, deadline=None)
@given(inside=st.integers(0, 60), outside=st.integers(0, 60), regions=st.integers(1, 5), isps=st.integers(1, 3))
def test_edges_that_are_there_are_shared_out_by_demand(inside: int, outside: int, regions: int, isps: int) -> None:
    """None is lost, none is made, and who wants more does not get fewer."""
    world = made_up(1e6, regions, isps)
    sites = shared(world, "fill", inside=inside, outside=outside)
    assert sum(one.edges for one in sites if one.isp) == inside
    assert sum(one.edges for one in sites if not one.isp) == outside
    edges = {f"{one.region}/{one.isp}": one.edges for one in sites if one.isp}
    wanted = demand(world)
    order = sorted(wanted, key=lambda one: wanted[one])
    assert all(
        edges.get(low, 0) <= edges.get(high, 0)
        for low, high in pairwise(order)
        if wanted[low] < wanted[high] * (1 - 1e-9)
    )
    if inside + outside:
        judged = judge_sites(world, "fill", sites)
        assert judged.edges == inside + outside and 0 <= judged.offload <= 1 + 1e-6
