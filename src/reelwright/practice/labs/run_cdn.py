"""Run it: a delivery network through the plan, the steering and the fill that `cdn` decides with."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec

from reelwright.practice.labs.run_it import SEED, Field, Simulated

MOST_EDGES = 200
"""More are put together, so that all have the same capacity and disk as before."""
REGIONS, ISPS = 8, 3
MOST_STEERED = 0.95
"""Of what the edges carry; whoever is beyond it has the origin, and is not steered."""


def _run_cdn(numbers: Mapping[str, float]) -> dict[str, float]:
    """The peak over the candidate's edges, with all sites and without the largest; an evening; days of one edge."""
    from reelwright.cdn.core.plan import judge_sites, made_up, shared

    count = int(numbers["edges"])
    edges = min(count, MOST_EDGES)
    scenario = msgspec.structs.replace(
        made_up(numbers["streams"], REGIONS, ISPS), watching_at_peak=1.0, bps=1e6 * numbers["mbps"],
        edge_bps=1e9 * numbers["edge_gbps"] * count / edges, edge_bytes=1e12 * numbers["edge_tb"] * count / edges,
    )  # fmt: skip
    titles = max(1, round(1e12 * numbers["catalogue_tb"] / scenario.title_bytes))
    scenario = msgspec.structs.replace(scenario, titles=titles)
    inside = round(edges * numbers["inside_share"])
    sites = shared(scenario, "fill", inside=inside, outside=edges - inside)
    whole = judge_sites(scenario, "fill", sites)
    largest = max(sites, key=lambda one: one.edges).name
    begin, end = _window(numbers)
    held = sum(min(1.0, one.edges * scenario.edge_bytes / (titles * scenario.title_bytes)) for one in sites)
    return {
        "offload": whole.offload,
        "offload_without": judge_sites(scenario, "fill", sites, [largest]).offload,
        "fill_gbps": whole.fill_bytes_a_day * 8 / ((end - begin) * 60) / 1e9,
        "peak_left": _filled(held / len(sites), (begin, end)),
        "dearer": _steered(edges, whole.demand_bps / (edges * scenario.edge_bps)),
    }


def _window(numbers: Mapping[str, float]) -> tuple[int, int]:
    """Minutes of the day, whole hours; it ends at midnight at the latest."""
    begin = int(numbers["fill_from"])
    return 60 * begin, 60 * min(24, begin + int(numbers["fill_hours"]))


@functools.lru_cache(maxsize=256)  # a page shows its last run each time
def _filled(held: float, window: tuple[int, int]) -> float:
    """Of the busiest hour of an edge with LRU, what is left where it is filled in the window."""
    import numpy as np

    from reelwright.cdn.core.fill_replay import FillRule, by_day, run_days
    from reelwright.practice.labs.fill import COUNTS_FROM, SCENARIO

    days = by_day(SCENARIO, np.random.default_rng(SEED))
    capacity = max(1, int(held * sum({visit.key: visit.size for day in days for visit in day}.values())))
    filled, lru = (
        run_days(days, capacity, counts_from=COUNTS_FROM, scenario=SCENARIO, rule=rule).peak
        for rule in (FillRule(window=window), None)
    )
    return filled / lru if lru else 1.0


@functools.lru_cache(maxsize=256)
def _steered(edges: int, wanted: float) -> float:
    """What steering sessions one by one costs beyond the cheapest flow, as a share of it."""
    import numpy as np

    from reelwright.cdn.core.steering_replay import Evening, Priced, steer_evening

    evening = Evening(edges=min(edges, Evening().edges), sessions=1_000, wanted=min(wanted, MOST_STEERED))
    return max(0.0, steer_evening(evening, np.random.default_rng(SEED), Priced()).regret)


CDN = Simulated(
    id="cdn",
    says=(
        f"The peak of {REGIONS} regions with {ISPS} access networks each over your edges, filled ahead; an evening "
        "of sessions steered one by one; and days of one edge whose cache is to the catalogue as yours is, filled in "
        "your window and not."
    ),
    design=(
        Field("streams", "Concurrent streams at the peak", 1, 1e9),
        Field("mbps", "Mean bitrate of a stream, Mb/s", 0.1, 100),
        Field("catalogue_tb", "Catalogue with all renditions, TB", 1, 1e6),
        Field("edges", "Edges in all", 1, 1e6),
        Field("edge_gbps", "What an edge sends, Gb/s", 0.1, 10_000),
        Field("edge_tb", "Disk of an edge, TB", 0.01, 10_000),
        Field("inside_share", "Share of the edges inside access networks; the others stand at exchanges", 0, 1),
        Field("fill_from", "Fill begins at this hour, local time", 0, 23),
        Field("fill_hours", "Hours it may take, until midnight at most", 1, 24),
    ),
    estimates=(
        Field("offload", "Offload: share of the peak that the origin does not send", 0, 1, 0.01),
        Field("offload_without", "Offload while the largest site is down", 0, 1, 0.01),
        Field("fill_gbps", "From the origin while filling, all sites, Gb/s", 0, 1e9, 0.01),
        Field("peak_left", "Busiest hour from upstream, of what it is without filling ahead", 0, 10, 0.01),
        Field("dearer", "Cost of steering one by one beyond the best plan's, as a share", 0, 10, 0.01),
    ),
    run=_run_cdn,
    left_out={
        "offload": (
            "What the edges cannot carry the origin sends, and what they do not hold; a tenth of tomorrow's demand "
            "follows no forecast."
        ),
        "offload_without": (
            "Only neighbours stand in for a site, with the room they have left; an edge inside an access network "
            "serves no other."
        ),
        "fill_gbps": (
            "Three percent of what a site holds are new each day, once a site, and a short window makes a high rate."
        ),
        "peak_left": (
            "What was not foreseen still misses in the evening, and a window that reaches into the evening adds to "
            "its busiest hour."
        ),
        "dearer": "Whoever comes first takes the cheap edges, unless prices keep them for those who need them more.",
    },
)
