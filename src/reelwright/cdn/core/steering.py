"""Which edge serves a viewer: cost and price among the edges that are well, have room and hold the content.

Prices come from a plan for the expected demand (`core/flows.py`); a session's choice is the cheapest `cost + price`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from reelwright.cdn.core.placement import ranked as by_hash
from reelwright.kernel.errors import Invalid

EdgeOrder = Literal["listed", "by_title"]
"""By cost and price; or all who watch a title meet at one edge, so that the edges' caches hold different titles."""
TTL_S = 30
TRIFLE = 0.1
"""A session is not moved for less."""
FULL = 0.97
"""Share of an edge's capacity that steering fills; the rest is for what was not foreseen."""


class EdgeState(msgspec.Struct, frozen=True, kw_only=True):
    """An edge as it last reported."""

    name: str
    url: str = ""
    capacity_bps: Annotated[float, Meta(gt=0)]
    load_bps: Annotated[float, Meta(ge=0)] = 0.0
    state: Literal["ok", "draining", "down", "distrusted"] = "ok"
    holds: float = 1.0
    """Share of the wanted content that lies there; the rest is fetched through."""
    costs: dict[str, Annotated[float, Meta(ge=0)]] = {}
    """By region, what a gigabit from here costs; `*` is for all others."""

    def cost(self, region: str) -> float | None:
        """The cost for a region; None where this edge does not serve it."""
        return self.costs.get(region, self.costs.get("*"))


class Candidate(msgspec.Struct, frozen=True):
    """An edge in the order of preference, or why it is not in it."""

    edge: EdgeState
    score: float
    refused: str = ""
    distance: float = math.inf
    """Its cost alone; infinite where it does not serve the region."""

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
        refused = f"{'policy' if edge.state == 'draining' else 'health'}: the edge is {edge.state}"
    elif cost is None:
        refused = f"policy: it does not serve {region}"
    elif edge.load_bps + bps > FULL * edge.capacity_bps:
        refused = f"capacity: {edge.load_bps / edge.capacity_bps:.0%} in use"
    far = math.inf if cost is None else cost
    return Candidate(edge, (cost or 0.0) + price + miss_cost * (1 - edge.holds), refused, far)


def settled(ranked: Sequence[Candidate], current: str) -> list[Candidate]:
    """The same order, but a session stays where it is unless another edge is better by more than a trifle."""
    best = ranked[0] if ranked else None
    stays = next((one for one in ranked if one.edge.name == current and not one.refused), None)
    if best is None or stays is None or stays.score > best.score + TRIFLE:
        return list(ranked)
    return [stays, *(one for one in ranked if one is not stays)]


def decide(
    region: str,
    edges: Iterable[EdgeState],
    *,
    bps: float,
    prices: Mapping[str, float] | None = None,
    current: str = "",
    folder: str = "",
    order: EdgeOrder = "listed",
) -> list[Candidate]:
    """The one decision of where a session goes: the best edge first, those that cannot serve it last.

    `order` is the arm of an experiment: by title, costs do not count, but who cannot serve is still last.
    """
    ranked = rank(region, edges, bps=bps, prices=prices)
    if order == "listed":
        return settled(ranked, current)
    usable = {one.edge.name: one for one in ranked if not one.refused}
    meeting = by_hash(folder, dict.fromkeys(usable, 1.0))
    return [*(usable[name] for name in meeting), *(one for one in ranked if one.refused)]


class Prefixes:
    """Regions by address prefix; the longest one counts. One look-up a length: O(128), however many there are."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._regions: dict[tuple[int, int], dict[int, str]] = {}
        for text, region in prefixes.items():
            try:
                network = ip_network(text)
            except ValueError as error:
                raise Invalid(f"a prefix is like 192.0.2.0/24 or 2001:db8::/32: {error}") from None
            bits = network.max_prefixlen - network.prefixlen
            self._regions.setdefault((network.version, bits), {})[int(network.network_address) >> bits] = region
        self._order = sorted(self._regions, key=lambda key: key[1])

    def region_of(self, address: str, default: str = "*") -> str:
        """The region of an address; `default` for what lies in no prefix, or is no address."""
        try:
            one = ip_address(address)
        except ValueError:
            return default
        for version, bits in self._order:
            found = self._regions[version, bits].get(int(one) >> bits) if version == one.version else None
            if found is not None:
                return found
        return default


def steering_document(
    ranked: Sequence[Candidate],
    *,
    reload_uri: str,
    ttl_s: int = TTL_S,
    clones: Mapping[str, str] | None = None,
    parameter: str = "",
) -> dict[str, Any]:
    """A content-steering document, the same for HLS (rfc8216bis section 7) and DASH (ETSI TS 103 998).

    `clones` maps a pathway that no manifest knows to one that it does; its host is the edge's own. HLS manifests with
    playlists from one host for all edges name the edge in a query `parameter`, and the clone changes that.
    """
    names = [one.edge.name for one in ranked if not one.refused] or [one.edge.name for one in ranked[:1]]
    document: dict[str, Any] = {"VERSION": 1, "TTL": ttl_s, "RELOAD-URI": reload_uri, "PATHWAY-PRIORITY": names}
    hosts = {one.edge.name: one.edge.url.partition("://")[2] for one in ranked}
    made = [
        {
            "BASE-ID": base,
            "ID": name,
            "URI-REPLACEMENT": {"PARAMS": {parameter: name}} if parameter else {"HOST": hosts[name]},
        }
        for name, base in (clones or {}).items()
        if name in names
    ]
    return {**document, "PATHWAY-CLONES": made} if made else document


def nearest_of(ranked: Sequence[Candidate], order: EdgeOrder = "listed") -> tuple[str, str]:
    """The edge that is nearest by cost, holding the film or not, and why it is not the first: empty where it is.

    The reason is one of health (ill, or full), content (the film lies elsewhere), steering (a price) and policy (a
    drain, or an experiment's `order`).
    """
    nearest = min(ranked, key=lambda one: (one.distance, one is not ranked[0]), default=None)
    if nearest is None or nearest is ranked[0]:
        return (nearest.edge.name if nearest else "", "")
    if nearest.refused:
        return nearest.edge.name, _CLASSES.get(nearest.refused.partition(":")[0], "steering")
    if order != "listed":
        return nearest.edge.name, "policy"
    return nearest.edge.name, "content" if nearest.edge.holds < ranked[0].edge.holds else "steering"


_CLASSES = {"capacity": "health", "health": "health", "policy": "policy"}


def classify_miss(*, served_by: str, chosen: str, nearest: str, why: str, was_held: bool) -> str:
    """Why a viewer was not served whole by the nearest edge: content, health, steering, policy; or hit.

    The classes of Netflix's miss analysis: the steering decision joined with what the edge did. A player that went
    elsewhere than it was told has left an edge that failed it.
    """
    if served_by == nearest:
        return "hit" if was_held else "content"
    if served_by != chosen:
        return "health"
    return why or "steering"
