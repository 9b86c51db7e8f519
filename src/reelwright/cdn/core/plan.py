"""How many edges, where, for what offload and what cost: a network planned on paper by the code that steers it.

Viewers are flows, not sessions: a demand group is an access network (ISP) in a region, and its peak is what its
viewers watch at once. Sites are sized to that, content is placed on their edges by `placement.assign`, and the peak
is sent over them by `plan_flows`, the very minimum-cost flow whose prices steer live sessions; so a failure is only
the same flow over fewer edges. Popularity is Zipf's law over titles, in buckets of like ranks.

Two designs are judged on one demand. `pull`: edges at exchanges that fetch what they miss (LRU, by Che's
approximation). `fill`: edges inside the access networks where that is cheaper than carrying the traffic there, filled
ahead, off-peak, with what is forecast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from reelwright.cdn.core.flows import plan_flows
from reelwright.cdn.core.placement import assign
from reelwright.cdn.core.steering import FULL, EdgeState
from reelwright.kernel.errors import Invalid

ORIGIN = "origin"
Design = Literal["pull", "fill"]
BUCKETS_A_DOUBLING = 4
EDGES_MOST = 100_000
"""Of one plan: what is more is a slip of the pen, and would take hours."""
PEAK = 2.0
"""The peak hour's traffic over the mean hour's."""
DAY_S = 86_400
HERE, NEXT = 1.0, 2.5
"""Cost factors of carrying from an exchange in the region, and from a neighbour's."""


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where viewers live."""

    name: str
    viewers: float
    isps: dict[str, float]
    """Share of the viewers by access network; shares sum to 1."""
    near: tuple[str, ...] = ()
    """Regions whose exchanges can help out."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a plan depends on. Money is per month, in any one currency."""

    regions: tuple[Region, ...]
    watching_at_peak: float = 0.1
    """Share of all viewers who watch at the peak."""
    bps: float = 5e6
    titles: int = 30_000
    title_bytes: float = 8e9
    """All renditions of a title."""
    zipf: float = 0.9
    churn_a_day: float = 0.03
    """Share of the titles that a day replaces: pulled when they are first wanted, or filled ahead, off-peak."""
    foreseen: float = 0.9
    """Share of tomorrow's demand that follows the forecast; the rest may want any title."""
    edge_bps: float = 100e9
    edge_bytes: float = 100e12
    spare: float = 0.15
    """Capacity beyond the peak."""
    edge_month: float = 1500.0
    exchange_gbps_month: float = 80.0
    """Carrying a gigabit a second at the peak from an exchange to an access network."""
    origin_gbps_month: float = 400.0
    """Carrying it from the origin."""


class Site(msgspec.Struct, frozen=True):
    """Equal edges at one place."""

    name: str
    region: str
    isp: str
    """Empty at an exchange."""
    edges: int
    holds: float
    """Share of the bytes wanted here that lie here."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a design does with the demand."""

    design: Design
    sites: list[Site]
    edges: int
    demand_bps: float
    served_bps: float
    """By edges, of the demand."""
    local_bps: float
    """Inside the viewers' own access networks."""
    upstream_bps: float
    """From the origin at the peak: misses, and viewers whom no edge could take."""
    fill_bytes_a_day: float
    worst_load: float
    """Of an edge's capacity."""
    cost_month: float

    @property
    def offload(self) -> float:
        """Share of the peak that the origin does not send."""
        return 1 - self.upstream_bps / self.demand_bps if self.demand_bps else 1.0


def checked(scenario: Scenario) -> Scenario:
    """The same scenario. Raises Invalid for one that cannot be planned."""
    names = [region.name for region in scenario.regions]
    positive = (scenario.bps, scenario.titles, scenario.title_bytes, scenario.edge_bps, scenario.edge_bytes)
    if not names or len(set(names)) != len(names):
        raise Invalid("a plan needs regions, each with a name of its own")
    if not all(math.isfinite(one) and one > 0 for one in positive) or not 0 < scenario.watching_at_peak <= 1:
        raise Invalid("bitrate, titles, sizes and capacities are above 0, and the share that watches at most 1")
    if not all(math.isfinite(one) and one >= 0 for one in _amounts(scenario)) or scenario.foreseen > 1:
        raise Invalid("no amount is below 0 or without end, and the share that is foreseen is at most 1")
    for region in scenario.regions:
        total = sum(region.isps.values())
        if not (0 < region.viewers < math.inf) or abs(total - 1) > 1e-6 or min(region.isps.values()) < 0:
            raise Invalid(f"{region.name}: viewers above 0, and shares of its access networks that sum to 1")
        if missing := set(region.near) - set(names):
            raise Invalid(f"{region.name} lies near {', '.join(sorted(missing))}, which the plan does not know")
    edges = sum(demand(scenario).values()) * (1 + scenario.spare) / (FULL * scenario.edge_bps)
    if not edges <= EDGES_MOST:
        raise Invalid(f"this demand would take {edges:.3g} edges, and a plan has at most {EDGES_MOST:,}")
    return scenario


def _amounts(scenario: Scenario) -> list[float]:
    return [one for name, one in msgspec.structs.asdict(scenario).items() if name != "regions"]


def demand(scenario: Scenario) -> dict[str, float]:
    """Bits per second at the peak by `region/isp`."""
    return {
        f"{region.name}/{isp}": region.viewers * share * scenario.watching_at_peak * scenario.bps
        for region in scenario.regions
        for isp, share in region.isps.items()
        if share > 0
    }


def popularity(titles: int, exponent: float) -> list[tuple[float, int]]:
    """Buckets of like ranks, the most wanted first: (share of the demand, titles). Shares sum to 1."""
    found: list[tuple[float, int]] = []
    low = 0
    while low < titles:
        high = min(titles, max(low + 1, math.ceil((low + 1) * 2 ** (1 / BUCKETS_A_DOUBLING))))
        found.append((_zipf_sum(low + 1, high, exponent), high - low))
        low = high
    total = sum(share for share, _ in found)
    return [(share / total, count) for share, count in found]


def _zipf_sum(first: int, last: int, exponent: float) -> float:
    """Sum of rank**-exponent, the tail by its integral."""
    if last - first < 64:
        return math.fsum(rank**-exponent for rank in range(first, last + 1))
    low, high = first - 0.5, last + 0.5
    if exponent == 1:
        return math.log(high / low)
    power = 1 - exponent
    return float((high**power - low**power) / power)


def pulled_share(buckets: Sequence[tuple[float, int]], titles_held: float) -> float:
    """Hit ratio of an LRU cache that holds so many titles (Che, Tung and Wang, 2002)."""
    if titles_held >= sum(count for _, count in buckets):
        return 1.0
    low, high = 0.0, 1.0

    def held(window: float) -> float:
        return sum(count * -math.expm1(-share / count * window) for share, count in buckets)

    while held(high) < titles_held:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < titles_held else (low, middle)
    return sum(share * -math.expm1(-share / count * low) for share, count in buckets)


def filled_share(
    buckets: Sequence[tuple[float, int]], edges: Mapping[str, float], titles_an_edge: float, foreseen: float
) -> float:
    """Share of the demand that lies on edges filled ahead; each holds the most wanted of what placement gives it."""
    fair = 1 / (4 * len(edges))
    loads: dict[str, float] = {}
    sizes: dict[str, float] = {}
    titles_in: dict[str, float] = {}
    for at, (share, count) in enumerate(buckets):
        parts = max(1, math.ceil(share / fair))
        copies = max(1.0, parts / count)  # a title wanted by more than an edge can carry lies on several
        for part in range(parts):
            loads[f"{at}.{part}"] = share / parts
            sizes[f"{at}.{part}"] = count * copies / parts
            titles_in[f"{at}.{part}"] = count / parts
    placed = assign(loads, edges)
    room = dict.fromkeys(edges, titles_an_edge)
    held = any_title = 0.0
    whole = sum(count for _, count in buckets)
    for name in sorted(loads, key=lambda one: loads[one] / sizes[one], reverse=True):
        fits = min(1.0, room[placed[name]] / sizes[name])
        held += loads[name] * fits
        any_title += titles_in[name] * fits / whole
        room[placed[name]] -= sizes[name] * fits
    return foreseen * held + (1 - foreseen) * any_title


def sized(scenario: Scenario, design: Design) -> list[Site]:
    """Sites for the demand: inside an access network where its edges cost less than carrying its peak there."""
    buckets = popularity(scenario.titles, scenario.zipf)
    wanted = demand(scenario)
    sites: list[Site] = []
    for region in scenario.regions:
        outside = 0.0
        for isp, share in region.isps.items():
            bps = wanted.get(f"{region.name}/{isp}", 0.0)
            count = _edges_for(scenario, bps)
            worth = bps / 1e9 * scenario.exchange_gbps_month > count * scenario.edge_month
            if design == "fill" and share > 0 and worth:
                sites.append(_site(scenario, buckets, region.name, isp, count, design))
            else:
                outside += bps
        if outside > 0:
            sites.append(_site(scenario, buckets, region.name, "", _edges_for(scenario, outside), design))
    return sites


def shared(scenario: Scenario, design: Design, *, inside: int, outside: int) -> list[Site]:
    """Sites for edges that are there, not sized: so many inside access networks and at exchanges, by demand."""
    scenario, buckets, wanted = checked(scenario), popularity(scenario.titles, scenario.zipf), demand(scenario)
    regions = {one.name: sum(wanted.get(f"{one.name}/{isp}", 0.0) for isp in one.isps) for one in scenario.regions}
    places = [(group.split("/", 1), count) for group, count in _portions(inside, wanted).items()]
    places += [([region, ""], count) for region, count in _portions(outside, regions).items()]
    return [_site(scenario, buckets, region, isp, count, design) for (region, isp), count in places if count > 0]


def _portions(count: int, wanted: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that sum to `count`, by what each wants: the largest remainders are rounded up."""
    whole = sum(wanted.values())
    exact = {name: count * one / whole for name, one in wanted.items()}
    found = {name: int(one) for name, one in exact.items()}
    left = count - sum(found.values())
    for name in sorted(exact, key=lambda one: found[one] - exact[one])[:left]:
        found[name] += 1
    return found


def _edges_for(scenario: Scenario, bps: float) -> int:
    return max(1, math.ceil(bps * (1 + scenario.spare) / (FULL * scenario.edge_bps)))


def _site(
    scenario: Scenario, buckets: list[tuple[float, int]], region: str, isp: str, edges: int, design: Design
) -> Site:
    name = f"{region}/{isp or 'exchange'}"
    titles = scenario.edge_bytes / scenario.title_bytes
    if design == "pull":
        holds = pulled_share(buckets, titles * edges)
    else:
        nodes = {f"{name}/{number}": scenario.edge_bps for number in range(edges)}
        holds = filled_share(buckets, nodes, titles, scenario.foreseen)
    return Site(name, region, isp, edges, holds)


def edges_of(scenario: Scenario, sites: Sequence[Site], failed: Sequence[str] = ()) -> list[EdgeState]:
    """The edges as steering knows them, those of failed sites down, and the origin, which takes what is left."""
    near = {region.name: region.near for region in scenario.regions}
    groups = demand(scenario)
    found = []
    for site in sites:
        miss = scenario.origin_gbps_month * (1 - site.holds)
        own = {group: scenario.exchange_gbps_month * HERE for group in groups if group.split("/")[0] == site.region}
        for group in groups:
            if site.region in near[group.split("/")[0]]:
                own.setdefault(group, scenario.exchange_gbps_month * NEXT)
        costs = {f"{site.region}/{site.isp}": miss} if site.isp else {group: miss + one for group, one in own.items()}
        state: Literal["ok", "down"] = "down" if site.name in failed else "ok"
        found += [
            EdgeState(
                name=f"{site.name}/{number}",
                capacity_bps=scenario.edge_bps,
                state=state,
                holds=site.holds,
                costs=costs,
            )
            for number in range(site.edges)
        ]
    last = dict.fromkeys(groups, 2 * scenario.origin_gbps_month + NEXT * scenario.exchange_gbps_month)
    return [*found, EdgeState(name=ORIGIN, capacity_bps=2 * sum(groups.values()) / FULL, holds=0.0, costs=last)]


def judge(scenario: Scenario, design: Design, failed: Sequence[str] = ()) -> Judged:
    """A design sized for the demand, and the peak sent over it with these sites failed."""
    scenario = checked(scenario)
    sites = sized(scenario, design)
    return judge_sites(scenario, design, sites, failed)


def judge_sites(scenario: Scenario, design: Design, sites: list[Site], failed: Sequence[str] = ()) -> Judged:
    """The peak sent over given sites. Raises Invalid for a failed site that there is not."""
    if unknown := set(failed) - {site.name for site in sites}:
        raise Invalid(f"there is no site {', '.join(sorted(unknown))}; sites: {', '.join(s.name for s in sites[:8])}")
    wanted = demand(scenario)
    edges = edges_of(scenario, sites, failed)
    flows = plan_flows(wanted, edges).flows
    holds = {edge.name: edge.holds for edge in edges}
    load: dict[str, float] = {}
    for (_, name), bps in flows.items():
        load[name] = load.get(name, 0.0) + bps
    upstream = sum(bps * (1 - holds[name]) for name, bps in load.items())
    moved = _moved_bytes_a_day(scenario, sites)
    if design == "pull":
        upstream = min(sum(wanted.values()), upstream + moved * 8 / DAY_S * PEAK)
    inside = {f"{site.name}/{number}" for site in sites if site.isp for number in range(site.edges)}
    local = sum(bps for name, bps in load.items() if name in inside)
    served = sum(bps for name, bps in load.items() if name != ORIGIN)
    count = sum(site.edges for site in sites)
    return Judged(
        design=design,
        sites=sites,
        edges=count,
        demand_bps=sum(wanted.values()),
        served_bps=served,
        local_bps=local,
        upstream_bps=upstream,
        fill_bytes_a_day=moved if design == "fill" else 0.0,
        worst_load=max((bps for name, bps in load.items() if name != ORIGIN), default=0.0) / scenario.edge_bps,
        cost_month=count * scenario.edge_month
        + (served - local) / 1e9 * scenario.exchange_gbps_month
        + upstream / 1e9 * scenario.origin_gbps_month,
    )


def _moved_bytes_a_day(scenario: Scenario, sites: Sequence[Site]) -> float:
    """What is new a day, to each site once: its other edges have it from their peers."""
    whole = scenario.titles * scenario.title_bytes
    return sum(scenario.churn_a_day * min(whole, site.edges * scenario.edge_bytes) for site in sites)


def made_up(viewers: float, regions: int, isps: int) -> Scenario:
    """A world: regions by a power law, each with its access networks by another, and a ring of neighbours."""
    if not (viewers > 0 and 1 <= regions <= 1000 and 1 <= isps <= 50):
        raise Invalid("viewers above 0, 1 to 1,000 regions, 1 to 50 access networks in each")
    sizes = [1 / (rank + 1) ** 0.6 for rank in range(regions)]
    shares = [1 / (rank + 1) for rank in range(isps)]
    networks = {f"isp{at + 1}": one / sum(shares) for at, one in enumerate(shares)}
    names = [f"r{at + 1:03}" for at in range(regions)]
    return Scenario(
        regions=tuple(
            Region(
                names[at],
                viewers * sizes[at] / sum(sizes),
                networks,
                tuple({names[at - 1], names[(at + 1) % regions]} - {names[at]}),
            )
            for at in range(regions)
        )
    )


def table(found: Sequence[Judged], failed: Sequence[str] = ()) -> str:
    """Designs side by side in words, and where the edges of the last stand."""
    first = found[0]
    lines = [
        f"{first.demand_bps / 1e12:.3g} Tb/s at the peak. Edges are filled to {FULL:.0%} of their capacity.",
        "",
        f"{'design':<16}{'sites':>7}{'edges':>7}{'served':>9}{'in ISP':>9}{'offload':>9}{'origin Gb/s':>13}"
        f"{'fill TB/day':>13}{'cost/month':>14}",
    ]
    for at, one in enumerate(found):
        name = one.design + (" after failure" if failed and at >= len(found) / 2 else "")
        lines.append(
            f"{name:<16}{len(one.sites):>7}{one.edges:>7}{one.served_bps / one.demand_bps:>9.1%}"
            f"{one.local_bps / one.demand_bps:>9.1%}{one.offload:>9.1%}{one.upstream_bps / 1e9:>13,.0f}"
            f"{one.fill_bytes_a_day / 1e12:>13,.0f}{one.cost_month:>14,.0f}"
        )
    best = min(found, key=lambda one: one.cost_month)
    lines += ["", f"Where, in the cheaper design ({best.design}), the largest first:"]
    largest = sorted(best.sites, key=lambda site: -site.edges)
    lines += [f"  {site.name:<24}{site.edges:>6} edges, hold {site.holds:.1%}" for site in largest[:10]]
    if len(largest) > 10:
        lines.append(f"  and {len(largest) - 10} sites more; --json lists all")
    return "\n".join(lines)
