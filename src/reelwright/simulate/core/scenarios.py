"""The scenarios that figures are made with: written before the first figure was seen, and not tuned since.

A change of one is a change of what a figure means: give it a new name instead.
"""

from __future__ import annotations

import msgspec

from reelwright.cdn.core.steering import EdgeState


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """An access network: how fast it is, from viewer to viewer and from segment to segment (lognormal)."""

    key: str
    share: float
    median_bps: float
    spread: float
    """Deviation of the logarithm between viewers."""
    jitter: float
    """Deviation of the logarithm between segments of one play."""
    rtt_ms: float


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the audience."""

    key: str
    share: float


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An edge that is down for some hours; steering learns of it after its time to live."""

    edge: str
    day: int
    hour: float
    hours: float


class Harm(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell does beside what its parameters do: a bug that the guardrails should find."""

    experiment: str
    cell: str
    stalls: float = 1.0
    """How many stalls there are for each that would be."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A world, and how long it is looked at."""

    key: str
    says: str
    seed: int
    viewers: int
    titles: int
    days: int
    networks: tuple[Network, ...]
    regions: tuple[Region, ...]
    edges: tuple[EdgeState, ...]
    rungs_bps: tuple[float, ...] = (235e3, 560e3, 1.05e6, 1.75e6, 3.0e6, 5.8e6)
    faults: tuple[Fault, ...] = ()
    harms: tuple[Harm, ...] = ()
    experiments: tuple[str, ...] = ("home-ranker", "player-start", "edge-order", "ladder-rungs")
    """Drafts of the product that run with all of the traffic of their layer."""


NETWORKS = (
    Network(key="fibre", share=0.45, median_bps=45e6, spread=0.5, jitter=0.25, rtt_ms=12),
    Network(key="dsl", share=0.30, median_bps=9e6, spread=0.5, jitter=0.35, rtt_ms=32),
    Network(key="mobile", share=0.25, median_bps=4.5e6, spread=0.7, jitter=0.75, rtt_ms=65),
)
REGIONS = (Region(key="north", share=0.6), Region(key="south", share=0.4))
EDGES = (
    EdgeState(name="n1", url="http://n1.example", capacity_bps=4e9, costs={"north": 1.0, "south": 2.0}),
    EdgeState(name="n2", url="http://n2.example", capacity_bps=4e9, costs={"north": 1.2, "south": 2.2}),
    EdgeState(name="s1", url="http://s1.example", capacity_bps=2e9, costs={"north": 2.0, "south": 1.0}),
)
QUIET = Scenario(
    key="quiet",
    says="two weeks: three networks, two regions, three edges, one of which fails for an evening",
    seed=20261126,
    viewers=400,
    titles=60,
    days=14,
    networks=NETWORKS,
    regions=REGIONS,
    edges=EDGES,
    faults=(Fault(edge="s1", day=5, hour=19.0, hours=3.0),),
)
SCENARIOS = {
    one.key: one
    for one in (
        QUIET,
        msgspec.structs.replace(
            QUIET,
            key="harm",
            says="the quiet world, and a sparse ladder whose player has a bug: half as many stalls again",
            harms=(Harm(experiment="ladder-rungs", cell="sparse", stalls=1.5),),
        ),
    )
}
POPULATION = msgspec.structs.replace(QUIET, key="population", experiments=(), viewers=800)
"""Whose viewers canaries are drawn from."""
RANKERS = msgspec.structs.replace(QUIET, key="rankers", experiments=(), viewers=300)
"""Who compares the two rankers of the home page, interleaved and split."""
CANARY_WORSE = 0.05
"""Stalls that a bad canary adds, of those that there are."""
CANARIES = 400
CANARY_LOOKS = 100
CANARY_HORIZON = 2.0
"""Sessions at the last look, of those that 80 % power needs."""
