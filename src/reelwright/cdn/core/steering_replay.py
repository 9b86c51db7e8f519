"""An evening of sessions steered one by one, beside the cheapest flow that knew all of them before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelwright.cdn.core.steering import FULL, EdgeState, rank


class Steering(Protocol):
    """Plans for the demand that is left, and orders edges for each session."""

    def plan(self, demand_bps: Mapping[str, float], edges: Sequence[EdgeState]) -> None:
        """Demand by region that is expected from now on, and the edges as they are."""
        ...

    def rank(self, region: str, edges: Sequence[EdgeState], bps: float) -> Sequence[str]:
        """Names of edges for one session, the best first."""
        ...


class Priced:
    """Ours, as in the control plane: prices from the plan, then the cheapest `cost + price`."""

    def __init__(self) -> None:
        self._prices: dict[str, float] = {}

    def plan(self, demand_bps: Mapping[str, float], edges: Sequence[EdgeState]) -> None:
        """Shadow prices of the minimum-cost flow."""
        from reelwright.cdn.core.flows import plan_flows  # SciPy, for those who plan

        self._prices = plan_flows(demand_bps, edges).prices

    def rank(self, region: str, edges: Sequence[EdgeState], bps: float) -> Sequence[str]:
        """By cost and price; who cannot serve comes last."""
        return [one.edge.name for one in rank(region, edges, bps=bps, prices=self._prices)]


class Evening(msgspec.Struct, frozen=True, kw_only=True):
    """A network and who comes; frozen before anything is tuned on it."""

    regions: int = 24
    edges: int = 10
    sessions: int = 4000
    wanted: float = 0.85
    """Of what the edges can carry."""
    replan: int = 250
    """Sessions between two plans."""
    drained: bool = False
    """Whether an edge begins to drain halfway; its sessions stay, and nobody new is sent there."""


class Placed(msgspec.Struct, frozen=True):
    """A session that went where it should not."""

    session: int
    region: str
    edge: str
    why: str


class Steered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    regret: float
    """Cost beyond the minimum-cost flow's, as a share."""
    overloaded: int
    """Edges above their capacity at any time."""
    wrong: list[Placed]
    loads: dict[str, float]
    """By edge at the end, of its capacity."""
    best_loads: dict[str, float]
    """The minimum-cost flow's."""


def steer_evening(evening: Evening, rng: np.random.Generator, steering: Steering) -> Steered:
    """Sessions arrive one by one and go to the first edge that is named for them."""
    edges, share = _network(evening, rng)
    bps = evening.wanted * FULL * sum(edge.capacity_bps for edge in edges) / evening.sessions
    arriving = rng.choice(evening.regions, evening.sessions, p=share)
    forecast = share * rng.uniform(0.9, 1.1, evening.regions)
    drained = min(edges, key=lambda one: one.capacity_bps).name if evening.drained else ""
    seen, cost, wrong = np.zeros(evening.regions), 0.0, []
    load = {edge.name: 0.0 for edge in edges}
    over: set[str] = set()
    before: dict[str, float] = {}
    for count, at in enumerate(arriving):
        drains = drained if count >= evening.sessions // 2 else ""
        if drains and not before:
            before = dict(load)
        now = [_as_is(edge, load[edge.name], "draining" if edge.name == drains else "ok") for edge in edges]
        if count % evening.replan == 0:
            likely = forecast * evening.replan + seen
            likely *= (evening.sessions - count) * bps / likely.sum()
            steering.plan({f"r{number}": float(one) for number, one in enumerate(likely)}, now)
        seen[at] += 1
        region = f"r{at}"
        chosen = next((one for one in now if one.name == _first(steering.rank(region, now, bps))), None)
        why = _amiss(chosen, region, bps)
        if why:
            wrong.append(Placed(count, region, chosen.name if chosen else "", why))
        if chosen is not None:
            load[chosen.name] += bps
            cost += bps * (chosen.cost(region) or 0.0)
            over |= {chosen.name} if load[chosen.name] > chosen.capacity_bps else set()
    best, flows = _best(evening, edges, arriving, bps, before.get(drained), drained)
    return Steered(
        regret=cost / best - 1,
        overloaded=len(over),
        wrong=wrong,
        loads={edge.name: load[edge.name] / edge.capacity_bps for edge in edges},
        best_loads={edge.name: flows.get(edge.name, 0.0) / edge.capacity_bps for edge in edges},
    )


def _network(evening: Evening, rng: np.random.Generator) -> tuple[list[EdgeState], NDArray[np.float64]]:
    places = rng.random((evening.regions, 2))
    edges = []
    for number in range(evening.edges):
        far = np.hypot(*(places - rng.random(2)).T)
        costs = {f"r{region}": 0.1 + float(cost) for region, cost in enumerate(far)}
        edges.append(EdgeState(name=f"e{number}", capacity_bps=float(rng.uniform(0.5, 2)), costs=costs))
    return edges, rng.dirichlet(np.full(evening.regions, 2.0))


def _as_is(edge: EdgeState, load_bps: float, state: Literal["ok", "draining"]) -> EdgeState:
    return msgspec.structs.replace(edge, load_bps=load_bps, state=state)


def _first(names: Sequence[str]) -> Any:
    return names[0] if names else None


def _amiss(edge: EdgeState | None, region: str, bps: float) -> str:
    if edge is None:
        return "no edge was named"
    if edge.state != "ok":
        return f"the edge is {edge.state}"
    if edge.cost(region) is None:
        return f"it does not serve {region}"
    return "the edge is full" if edge.load_bps + bps > edge.capacity_bps else ""


def _best(
    evening: Evening,
    edges: Sequence[EdgeState],
    arriving: NDArray[np.int64],
    bps: float,
    drained_bps: float | None,
    drained: str,
) -> tuple[float, dict[str, float]]:
    """Cost and load by edge of the cheapest flow that knows all who come; a drained edge takes what it took."""
    from reelwright.cdn.core.flows import plan_flows

    wanted = {f"r{number}": float((arriving == number).sum()) * bps for number in range(evening.regions)}
    known = [
        msgspec.structs.replace(one, capacity_bps=max(bps, drained_bps or 0.0) / FULL) if one.name == drained else one
        for one in edges
    ]
    plan = plan_flows({region: one for region, one in wanted.items() if one}, known)
    flows: dict[str, float] = {}
    for (_, name), much in plan.flows.items():
        flows[name] = flows.get(name, 0.0) + much
    return plan.cost, flows
