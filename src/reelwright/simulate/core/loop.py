"""The closed loop: an audience on networks, in regions, with faults, and the product's decisions for each of them.

Nothing is decided here. Pages are built by `recommend`, cells by `experiments`, edges are ordered by `cdn`'s steering
and `playback`'s edge order, rungs are offered as `playback` offers them; viewers' days, daily statistics, scorecards
and guardrails are those of `experiments`. People, networks, edges' caches and the player's buffer are models.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.cdn.core import steering
from reelwright.events.contract import Fact
from reelwright.events.core.projection import is_view
from reelwright.experiments.contract import Configuration
from reelwright.experiments.core import lifecycle
from reelwright.experiments.core.assign import assign
from reelwright.experiments.core.daily import Statistics, daily_sums, exposed_of
from reelwright.experiments.core.metrics import Starts, days_of, row_of, starts_of
from reelwright.experiments.core.product import completed
from reelwright.experiments.core.scorecard import Scorecard, measured, score
from reelwright.experiments.core.snapshot import Snapshot
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId
from reelwright.playback.core.bitrate import next_rung
from reelwright.playback.core.select import arms_of
from reelwright.recommend.contract import Page
from reelwright.recommend.core.page import build_page
from reelwright.simulate.contract import Quality, Told, Viewer
from reelwright.simulate.core.audience import DAY_MS, Audience, make_viewers
from reelwright.simulate.core.playing import KNOWN_SPEEDS, SEGMENT_S, Buffer, highest
from reelwright.simulate.core.scenarios import Scenario

SINCE_MS = 1_790_000_000_000 // DAY_MS * DAY_MS
GENRES = ("Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy", "Music", "Nature", "Romance", "Thriller")
CACHED_TITLES = 12
"""Titles that fit an edge's cache."""
FILL_SLOWER, FILL_MS = 0.5, 120.0
"""What the first viewer of a title at an edge waits for: the origin is farther and slower."""
FAILED_MS = 1500.0
"""Until a player gives an edge up that does not answer."""


class Watcher(msgspec.Struct, frozen=True):
    """Where somebody watches: their region, their network and what it gives them."""

    region: str
    bps: float
    jitter: float
    rtt_ms: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a scenario."""

    scenario: Scenario
    events: int
    plays: int
    cards: tuple[Scorecard, ...]
    stopped: Mapping[str, int]
    """Experiments that a guardrail stopped, and on which day."""
    days: Mapping[tuple[ProfileId, int], Mapping[str, float]]


class World(Audience):
    """The audience of a scenario, decided for by the product."""

    heartbeat_s = 600.0

    def __init__(self, scenario: Scenario) -> None:
        random = Random(scenario.seed)  # noqa: S311
        viewers = make_viewers(GENRES, scenario.viewers, random)
        super().__init__(make_titles(scenario.titles, random), viewers, random)
        self._scenario = scenario
        self._watchers = {one.profile_id: _watcher(scenario, random) for one in viewers}
        self._caches: dict[str, OrderedDict[TitleId, None]] = {one.name: OrderedDict() for one in scenario.edges}
        self._chance = Random(scenario.seed + 1)  # noqa: S311
        self._parameters: dict[ProfileId, Mapping[str, Any]] = {}
        self._cells: dict[ProfileId, dict[str, str]] = {}
        self._places: dict[tuple[str, str], int] = {}
        self.exposed: dict[str, dict[ProfileId, tuple[int, int]]] = {}
        """By experiment and viewer: cell and day of the first exposure."""

    def assign(self, snapshot: Snapshot) -> None:
        """From now on viewers get what this configuration gives them."""
        for one in snapshot.experiments:
            self._places |= {(one.key, cell.key): at for at, cell in enumerate(one.cells)}
        for viewer in self._viewers:
            found = assign(snapshot, {"profile": viewer.profile_id, "kids": False})
            self._parameters[viewer.profile_id] = found.parameters()
            self._cells[viewer.profile_id] = {
                one.experiment: one.cell for one in found.assigned() if one.cell is not None
            }

    def _page(self, viewer: Viewer, at_ms: int) -> Page:
        self._expose(viewer, "home-ranker", at_ms)
        ranker = self._of(viewer, "home.ranker", "popular")
        return build_page(self._signals(viewer, at_ms), ranker=ranker)

    def _of(self, viewer: Viewer, name: str, default: Any) -> Any:
        return self._parameters.get(viewer.profile_id, {}).get(name, default)

    def _expose(self, viewer: Viewer, key: str, at_ms: int) -> None:
        cell = self._cells.get(viewer.profile_id, {}).get(key)
        if cell is not None:
            place = self._places[key, cell], at_ms // DAY_MS
            self.exposed.setdefault(key, {}).setdefault(viewer.profile_id, place)

    def _quality(self, viewer: Viewer, title: Title, at_ms: int, watch_s: float) -> Quality:
        for key in ("player-start", "edge-order", "ladder-rungs"):
            self._expose(viewer, key, at_ms)
        arms = arms_of(self._of(viewer, "steering.edges", "listed"), self._of(viewer, "ladder.rungs", "full"))
        watcher = self._watchers[viewer.profile_id]
        waited_ms, filling = self._reach(watcher, title, at_ms, arms.edges)
        rungs = sparse(self._scenario.rungs_bps) if arms.ladder == "sparse" else self._scenario.rungs_bps
        share = float(self._of(viewer, "player.start_share", 1.0))
        start_ms, stalls = self._play_through(watcher, rungs, share, watch_s, filling)
        return Quality(start_ms + waited_ms, tuple(self._harmed(viewer, stalls)))

    def _reach(self, watcher: Watcher, title: Title, at_ms: int, order: steering.EdgeOrder) -> tuple[float, bool]:
        """(milliseconds until an edge answers, whether it has to fetch the title first)."""
        states = [self._state(edge, at_ms) for edge in self._scenario.edges]
        ranked = steering.decide(watcher.region, states, bps=watcher.bps, folder=title.id, order=order)
        urls = [one.edge.url for one in ranked if not one.refused]
        names = {one.url: one.name for one in states}
        waited_ms = 0.0
        for url in urls:
            if self._is_down(names[url], at_ms):
                waited_ms += FAILED_MS
                continue
            cache = self._caches[names[url]]
            held = title.id in cache
            cache[title.id] = None
            cache.move_to_end(title.id)
            if len(cache) > CACHED_TITLES:
                cache.popitem(last=False)
            return waited_ms + (0.0 if held else FILL_MS), not held
        return waited_ms, True

    def _state(self, edge: steering.EdgeState, at_ms: int) -> steering.EdgeState:
        known_ms = at_ms - steering.TTL_S * 1000
        return msgspec.structs.replace(edge, state="down" if self._is_down(edge.name, known_ms) else "ok")

    def _is_down(self, name: str, at_ms: int) -> bool:
        hours = (at_ms - SINCE_MS) / 3_600_000
        return any(
            one.edge == name and 0 <= hours - (24 * one.day + one.hour) < one.hours for one in self._scenario.faults
        )

    def _play_through(
        self, watcher: Watcher, rungs: Sequence[float], share: float, watch_s: float, filling: bool
    ) -> tuple[float, list[float]]:
        """(milliseconds to the first frame, milliseconds of each stall): a buffer, filled segment by segment."""
        draw = self._chance.lognormvariate
        slower = FILL_SLOWER if filling else 1.0
        estimate_bps = watcher.bps * draw(0.0, watcher.jitter / 2)
        rung = rungs.index(highest(rungs, estimate_bps * share))
        took = rungs[rung] * SEGMENT_S / (watcher.bps * slower * draw(0.0, watcher.jitter))
        start_ms = 3 * watcher.rtt_ms + took * 1000
        speeds = [rungs[rung] * SEGMENT_S / took]
        buffer, stalls, played = Buffer(SEGMENT_S), [], SEGMENT_S
        while played < watch_s:
            rung = next_rung(rungs, speeds[-KNOWN_SPEEDS:], buffer.seconds, rung)
            speed = watcher.bps * slower * draw(0.0, watcher.jitter)
            took = rungs[rung] * SEGMENT_S / speed + watcher.rtt_ms / 1000
            speeds.append(rungs[rung] * SEGMENT_S / took)
            stalled_s = buffer.take(took)
            if stalled_s > 0:
                stalls.append(stalled_s * 1000)
            played += SEGMENT_S
        return start_ms, stalls

    def _harmed(self, viewer: Viewer, stalls: Iterable[float]) -> Iterator[float]:
        cells = self._cells.get(viewer.profile_id, {})
        harm = math.prod(one.stalls for one in self._scenario.harms if cells.get(one.experiment) == one.cell)
        for stall in stalls:
            whole = int(harm) + (self._chance.random() < harm % 1)
            yield from [stall] * whole


def run(scenario: Scenario) -> Outcome:
    """A scenario from its first to its last day; each day is measured, and what breaks a guardrail stops."""
    world = World(scenario)
    configuration = _begun(scenario)
    days: dict[tuple[ProfileId, int], dict[str, float]] = {}
    starts: dict[tuple[ProfileId, int], Starts] = {}
    cards: dict[str, Scorecard] = {}
    stopped: dict[str, int] = {}
    events = plays = 0
    for day in range(scenario.days):
        world.assign(Snapshot(configuration, now_ms=SINCE_MS))
        told = list(world.run(SINCE_MS + day * DAY_MS, 1))
        events, plays = events + len(told), plays + sum(one.event.type == "play" for one in told)
        facts = list(_facts(told))
        for place, added in days_of(facts).items():
            known = days.setdefault(place, {})
            for name, value in added.items():
                known[name] = known.get(name, 0.0) + value
        for place, found in starts_of(facts).items():
            took = starts.setdefault(place, {})
            for start_ms, count in found.items():
                took[start_ms] = took.get(start_ms, 0) + count
        for key in scenario.experiments:
            if key not in stopped:
                cards[key] = _measure(configuration, key, world.exposed.get(key, {}), days, starts)
                if cards[key].breached:
                    stopped[key] = day
                    configuration = lifecycle.moved(configuration, key, "stopped")
    return Outcome(
        scenario=scenario, events=events, plays=plays, cards=tuple(cards.values()), stopped=stopped, days=days
    )


def _begun(scenario: Scenario) -> Configuration:
    configuration = completed(Configuration())
    for key in scenario.experiments:
        configuration = lifecycle.moved(lifecycle.sized(configuration, key, 1.0), key, "running")
    return configuration


def _measure(
    configuration: Configuration,
    key: str,
    seen: Mapping[ProfileId, tuple[int, int]],
    days: Mapping[tuple[ProfileId, int], Mapping[str, float]],
    starts: Mapping[tuple[ProfileId, int], Starts],
) -> Scorecard:
    experiment = lifecycle.find(configuration, key)
    exposed = exposed_of(
        [(who, *seen[who]) for who in sorted(seen)],
        [(*place, row_of(dict(days[place]))) for place in sorted(days) if place[0] in seen],
        [
            (*place, start_ms, plays)
            for place in sorted(starts)
            if place[0] in seen
            for start_ms, plays in sorted(starts[place].items())
        ],
    )
    sums = daily_sums(exposed, measured(experiment), cells=len(experiment.cells))
    return score(experiment, Statistics(experiment=key, at_ms=SINCE_MS, synthetic=True, days=sums))


def _facts(told: Iterable[Told]) -> Iterator[Fact]:
    """Events as they are counted: what each adds to what was watched."""
    at: dict[tuple[ProfileId, PlayableId], tuple[float, float]] = {}
    for one in told:
        event, watched_s, viewed = one.event, 0.0, False
        if event.playable_id is not None and event.position_s is not None:
            place = one.profile_id, event.playable_id
            first, before = (
                (event.position_s,) * 2 if event.type == "play" else at.get(place, (event.position_s,) * 2)
            )
            watched_s = max(0.0, event.position_s - before)
            at[place] = first, event.position_s
            viewed = event.type == "stop" and is_view(event.position_s, first, float(event.data["duration_s"]))
        yield Fact(profile_id=one.profile_id, synthetic=True, event=event, watched_s=watched_s, viewed=viewed)


def make_titles(count: int, random: Random) -> list[TitleDetail]:
    """Films of one or two genres, half an hour on average."""
    return [
        TitleDetail(
            title=Title(
                id=TitleId(f"{number:026}"),
                kind="film",
                name=f"Film {number}",
                genres=tuple(sorted(random.sample(GENRES, random.choice((1, 2))))),
                maturity=0,
                added_ms=SINCE_MS - random.randrange(60) * DAY_MS,
            ),
            playables=(
                Playable(
                    id=PlayableId(f"{number + 100_000:026}"),
                    title_id=TitleId(f"{number:026}"),
                    name="",
                    state="ready",
                    duration_s=random.uniform(900, 2700),
                ),
            ),
        )
        for number in range(count)
    ]


def sparse(rungs: Sequence[float]) -> tuple[float, ...]:
    """Every second rung and the highest, as `playback` offers them."""
    return tuple(sorted({*rungs[::2], rungs[-1]}))


def _watcher(scenario: Scenario, random: Random) -> Watcher:
    network = random.choices(scenario.networks, [one.share for one in scenario.networks])[0]
    region = random.choices(scenario.regions, [one.share for one in scenario.regions])[0]
    bps = network.median_bps * random.lognormvariate(0.0, network.spread)
    return Watcher(region.key, bps, network.jitter, network.rtt_ms)
