"""Days of generated viewers through an edge that is filled ahead, and one that is not: upstream by hour. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, cast

import msgspec
import numpy as np

from reelwright.cdn.core.eviction import Key, Visit, make_policy
from reelwright.cdn.core.fill import Want, choose, expected_plays
from reelwright.cdn.core.traces import DAY_S, VodScenario, promotions, vod_trace

HOUR_S = 3600.0
BINS = 50
"""Parts of a title by which it is learnt how many viewers are still there."""


class FillRule(msgspec.Struct, frozen=True, kw_only=True):
    """How an edge is filled."""

    share: float = 0.9
    """Of the cache; the rest is the policy's."""
    policy: str = "foresight"
    least: float = 0.3
    """Requests a day below which an object is not fetched ahead."""
    window: tuple[int, int] = (120, 840)
    """Minutes of the day."""


class Learnt(msgspec.Struct):
    """What past days tell: plays by title, rungs, and how long viewers stay."""

    plays: list[dict[int, float]]
    rungs: dict[int, float]
    reached: list[float]

    def note(self, day: Iterable[Visit], lengths: Mapping[int, int]) -> None:
        """Learn a day: each session by the last segment that it asked for."""
        last: dict[str, tuple[int, int, int]] = {}
        for visit in day:
            last[visit.session] = visit.key  # type: ignore[assignment]
        plays: dict[int, float] = defaultdict(float)
        for title, rung, index in last.values():
            plays[title] += 1
            self.rungs[rung] = self.rungs.get(rung, 0.0) + 1
            for part in range(min(BINS, 1 + BINS * index // lengths[title])):
                self.reached[part] += 1
        self.plays.append(dict(plays))

    def rate(self, plays: float, key: tuple[int, int, int], length: int) -> float:
        """Requests for a segment, where its title is played so often."""
        _, rung, index = key
        sessions = sum(self.rungs.values()) or 1.0
        still = self.reached[min(BINS - 1, BINS * index // length)] / sessions
        return plays * self.rungs.get(rung, 0.0) / sessions * still


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """What is known the day before: plays until then, the promotions of the day, and how viewers watched."""

    capacity_bytes: int
    """What may be chosen."""
    learnt: Learnt
    promoted: dict[int, int]
    """Titles that will have a rank."""
    sizes: dict[tuple[int, int, int], int]
    """Of each segment, by (title, rung, index)."""
    lengths: Mapping[int, int]
    """Segments of a title."""
    held: set[Key]


class Filling(Protocol):
    """Decides what an edge is to hold on the coming day."""

    def choose(self, night: Night) -> Sequence[Want]:
        """What to hold; what is not there yet is fetched in the window."""
        ...


class Upstream(msgspec.Struct, frozen=True):
    """What an edge fetched on the days that count."""

    by_hour: dict[int, float]
    """Bytes by hour since the beginning."""
    filled: float = 0.0

    @property
    def peak(self) -> float:
        """The busiest hour of a day, on average over the days."""
        days: dict[int, float] = {}
        for hour, size in self.by_hour.items():
            days[hour // 24] = max(days.get(hour // 24, 0.0), size)
        return sum(days.values()) / len(days) if days else 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.by_hour.values())


class Expected:
    """Ours, as the control plane fills: expected plays, then what a byte is worth."""

    def __init__(self, least: float) -> None:
        self._least = least

    def choose(self, night: Night) -> Sequence[Want]:
        """Most wanted first."""
        plays = expected_plays(night.learnt.plays, night.promoted)
        wants = (
            Want(key, size, night.learnt.rate(plays.get(key[0], 0.0), key, night.lengths[key[0]]))
            for key, size in night.sizes.items()
        )
        return choose(wants, night.capacity_bytes, night.held, self._least)


def run_days(
    days: Sequence[Sequence[Visit]],
    capacity_bytes: int,
    *,
    counts_from: int,
    scenario: VodScenario,
    rule: FillRule | None,
    filling: Filling | None = None,
) -> Upstream:
    """Days through a cache of LRU; with a rule it is filled in the window of each day, from `counts_from` on, and the
    rule's policy has what the plan leaves, as in an edge (`adapters/cache.py`).

    What is planned for a day is known the day before: plays until then, and the promotions of the day. `filling` is
    ours unless another is given.
    """
    sizes = {cast("tuple[int, int, int]", visit.key): visit.size for day in days for visit in day}
    lengths: dict[int, int] = defaultdict(int)
    for title, _, index in sizes:
        lengths[title] = max(lengths[title], index + 1)
    cache = _Cache(capacity_bytes, rule.policy if rule is not None else "lru")
    learnt = Learnt([], {}, [0.0] * BINS)
    hours: dict[int, float] = defaultdict(float)
    filled = 0.0
    for number, day in enumerate(days):
        if rule is not None and number >= counts_from:
            night = Night(
                capacity_bytes=int(capacity_bytes * rule.share), learnt=learnt, promoted=promotions(scenario, number),
                sizes=sizes, lengths=lengths, held=cache.held(),
            )  # fmt: skip
            chosen = (filling or Expected(rule.least)).choose(night)
            fetched = cache.pin(chosen)
            filled += fetched
            _spread(hours, fetched, number, rule.window)
        for visit in day:
            missed = cache.ask(visit)
            if number >= counts_from:
                hours[int(visit.now_s // HOUR_S)] += missed
        learnt.note(day, lengths)
    return Upstream(dict(hours), filled)


def by_day(scenario: VodScenario, rng: np.random.Generator) -> list[list[Visit]]:
    """A generated trace, cut at midnight."""
    days: list[list[Visit]] = [[] for _ in range(scenario.days + 1)]
    for visit in vod_trace(scenario, rng):
        days[int(visit.now_s // DAY_S)].append(visit)
    return days[: scenario.days]


def _spread(hours: dict[int, float], size: float, day: int, window: tuple[int, int]) -> None:
    begin, end = window
    for hour in range(begin // 60, end // 60):
        hours[day * 24 + hour] += size / ((end - begin) / 60)


class _Cache:
    """A policy beside what is pinned."""

    def __init__(self, capacity_bytes: int, policy: str) -> None:
        self._capacity = capacity_bytes
        self._policy = make_policy(policy, capacity_bytes)
        self._sizes: dict[Key, int] = {}
        self._pinned: set[Key] = set()

    def held(self) -> set[Key]:
        return set(self._sizes)

    def pin(self, wants: Sequence[Want]) -> int:
        """Hold these, and leave to the policy what was held before; the bytes that had to be fetched."""
        fetched = sum(one.size for one in wants if one.key not in self._sizes)
        chosen = {one.key: one.size for one in wants}
        released = [key for key in self._pinned if key not in chosen]
        for key in chosen:
            self._policy.drop(key)
        self._sizes |= chosen
        self._pinned = set(chosen)
        self._policy.resize(max(1, self._capacity - sum(chosen.values())))
        for key in released:
            self._gone(self._policy.put(key, self._sizes[key]))
        return fetched

    def ask(self, visit: Visit) -> int:
        """The bytes that had to be fetched."""
        self._policy.note(visit)
        if visit.key in self._pinned:
            return 0
        if visit.key in self._sizes:
            self._policy.use(visit.key)
            return 0
        self._sizes[visit.key] = visit.size
        self._gone(self._policy.put(visit.key, visit.size))
        return visit.size

    def _gone(self, keys: Iterable[Key]) -> None:
        for key in keys:
            del self._sizes[key]
