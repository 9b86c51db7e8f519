"""A plan for a region's expected demand: a minimum-cost flow under capacities.

What a full edge is worth to those who cannot have it, its shadow price, comes out of that plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from reelwright.cdn.core.steering import FULL, EdgeState
from reelwright.kernel.errors import Unavailable


class FlowPlan(msgspec.Struct, frozen=True):
    """The cheapest way to carry a demand."""

    cost: float
    flows: dict[tuple[str, str], float]
    """Bits per second by (region, edge)."""
    prices: dict[str, float]
    """By edge, what another bit of its capacity would save."""


def plan_flows(demand_bps: Mapping[str, float], edges: Sequence[EdgeState]) -> FlowPlan:
    """The minimum-cost flow of new demand through the room that is left.

    Raises Unavailable where the edges cannot carry it.
    """
    arcs = [
        (region, edge, cost)
        for region in demand_bps
        for edge in edges
        if edge.state == "ok" and (cost := edge.cost(region)) is not None
    ]
    regions, names = list(demand_bps), [edge.name for edge in edges]
    if not arcs:
        raise Unavailable("no edge that is well serves any of these regions")
    columns = np.arange(len(arcs))
    ones = np.ones(len(arcs))
    by_region = coo_array((ones, ([regions.index(arc[0]) for arc in arcs], columns)), (len(regions), len(arcs)))
    by_edge = coo_array((ones, ([names.index(arc[1].name) for arc in arcs], columns)), (len(names), len(arcs)))
    scale = sum(demand_bps.values()) or 1.0
    found = linprog(
        [arc[2] for arc in arcs],
        A_ub=by_edge.tocsr(),
        b_ub=[max(0.0, FULL * edge.capacity_bps - edge.load_bps) / scale for edge in edges],
        A_eq=by_region.tocsr(),
        b_eq=[demand_bps[region] / scale for region in regions],
        method="highs",
    )
    if found.status != 0:
        raise Unavailable(f"the edges that are well cannot carry {scale / 1e9:.1f} Gb/s in these regions")
    prices = {name: max(0.0, -float(price)) for name, price in zip(names, found.ineqlin.marginals, strict=True)}
    flows = {
        (arc[0], arc[1].name): float(share) * scale for arc, share in zip(arcs, found.x, strict=True) if share > 0
    }
    return FlowPlan(float(found.fun) * scale, flows, prices)
