"""Which edge serves a viewer: cost and price among the edges that are well, have room and hold the content.

A plan for a region's expected demand is a minimum-cost flow under capacities. What a full edge is worth to those who
cannot have it, its shadow price, comes out of that plan; one session's choice is then the cheapest `cost + price`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Literal

import msgspec
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from reelwright.kernel.errors import Invalid, Unavailable

TTL_S = 30
FULL = 0.97
"""Share of an edge's capacity that steering fills; the rest is for what was not foreseen."""


class EdgeState(msgspec.Struct, frozen=True, kw_only=True):
    """An edge as it last reported."""

    name: str
    url: str = ""
    capacity_bps: float
    load_bps: float = 0.0
    state: Literal["ok", "draining", "down"] = "ok"
    holds: float = 1.0
    """Share of the wanted content that lies there; the rest is fetched through."""
    costs: dict[str, float] = {}
    """By region, what a gigabit from here costs; `*` is for all others."""

    def cost(self, region: str) -> float | None:
        """The cost for a region; None where this edge does not serve it."""
        return self.costs.get(region, self.costs.get("*"))


class Candidate(msgspec.Struct, frozen=True):
    """An edge in the order of preference, or why it is not in it."""

    edge: EdgeState
    score: float
    refused: str = ""

    @property
    def says(self) -> str:
        """Its reason in words."""
        return self.refused or f"cost and price {self.score:.3f}"


def rank(
    region: str,
    edges: Iterable[EdgeState],
    *,
    bps: float,
    prices: Mapping[str, float] | None = None,
    miss_cost: float = 1.0,
) -> list[Candidate]:
    """All edges for one session, the best first; those that cannot serve it come last, with the reason."""
    judged = [_judge(region, edge, bps, (prices or {}).get(edge.name, 0.0), miss_cost) for edge in edges]
    return sorted(judged, key=lambda one: (bool(one.refused), one.score, one.edge.load_bps / one.edge.capacity_bps))


def _judge(region: str, edge: EdgeState, bps: float, price: float, miss_cost: float) -> Candidate:
    cost = edge.cost(region)
    refused = ""
    if edge.state != "ok":
        refused = f"health: the edge is {edge.state}"
    elif cost is None:
        refused = f"policy: it does not serve {region}"
    elif edge.load_bps + bps > FULL * edge.capacity_bps:
        refused = f"capacity: {edge.load_bps / edge.capacity_bps:.0%} in use"
    return Candidate(edge, (cost or 0.0) + price + miss_cost * (1 - edge.holds), refused)


def region_of(address: str, prefixes: Mapping[str, str], default: str = "*") -> str:
    """The region of the longest prefix that holds an address. Raises Invalid for what is no address."""
    try:
        one = ip_address(address)
    except ValueError:
        raise Invalid(f"an address is like 192.0.2.7 or 2001:db8::1, got {address!r}") from None
    best, found = -1, default
    for prefix, region in prefixes.items():
        network = ip_network(prefix)
        if network.version == one.version and one in network and network.prefixlen > best:
            best, found = network.prefixlen, region
    return found


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


def steering_document(
    ranked: Sequence[Candidate],
    *,
    reload_uri: str,
    kind: Literal["hls", "dash"] = "hls",
    ttl_s: int = TTL_S,
    clones: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A content-steering document: HLS (rfc8216bis section 7) or DASH (ETSI TS 103 998).

    `clones` maps a pathway that no manifest knows to one that it does; its host is the edge's own.
    """
    names = [one.edge.name for one in ranked if not one.refused] or [one.edge.name for one in ranked[:1]]
    key = "PATHWAY-PRIORITY" if kind == "hls" else "SERVICE-LOCATION-PRIORITY"
    document: dict[str, Any] = {"VERSION": 1, "TTL": ttl_s, "RELOAD-URI": reload_uri, key: names}
    hosts = {one.edge.name: one.edge.url.partition("://")[2] for one in ranked}
    made = [
        {"BASE-ID": base, "ID": name, "URI-REPLACEMENT": {"HOST": hosts[name]}}
        for name, base in (clones or {}).items()
        if name in names
    ]
    return {**document, "PATHWAY-CLONES": made} if made else document


def classify_miss(chosen: EdgeState, ranked: Sequence[Candidate], *, was_held: bool) -> str:
    """Why a viewer was not served whole by the nearest edge: content, health, capacity, policy, steering; or hit.

    The classes of Netflix's miss analysis: the steering decision joined with what the edge did.
    """
    nearest = min(ranked, key=lambda one: one.score - (0 if one.edge.holds else 1e-9), default=None)
    if nearest is not None and nearest.edge.name != chosen.name:
        return nearest.refused.partition(":")[0] or "steering"
    return "hit" if was_held else "content"
