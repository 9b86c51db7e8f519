"""Generated traces: viewers who play films, and independent references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelwright.cdn.core.eviction import Visit

DAY_S = 86_400.0
RUNGS_BPS = (400_000, 1_200_000, 2_400_000, 4_500_000, 8_000_000)
RUNG_SHARES = (0.05, 0.15, 0.3, 0.3, 0.2)


class VodScenario(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue and its audience. Frozen before anything is tuned on it."""

    titles: int = 600
    sessions_a_day: int = 700
    days: int = 3
    segment_s: float = 10.0
    zipf: float = 0.9
    jumps_a_day: int = 10
    """Titles that jump among the first 30 each day: releases and recommendations."""


def vod_trace(scenario: VodScenario, rng: np.random.Generator) -> Iterator[Visit]:
    """Requests of all sessions in order of time. Key: (title, rung, segment)."""
    minutes = rng.uniform(20, 120, scenario.titles)
    segments = (minutes * 60 / scenario.segment_s).astype(int)
    rows = [_day(scenario, day, segments, rng) for day in range(scenario.days)]
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    times, titles, rungs, indexes, sessions = (column[order] for column in columns)
    wobble = rng.uniform(0.8, 1.2, (scenario.titles, len(RUNGS_BPS), 64))
    for at in range(len(times)):
        title, rung, index = int(titles[at]), int(rungs[at]), int(indexes[at])
        size = int(RUNGS_BPS[rung] * scenario.segment_s / 8 * wobble[title, rung, index % 64])
        stream = f"{title}/{rung}"
        yield Visit((title, rung, index), size, float(times[at]), str(sessions[at]), stream, index)


def _day(
    scenario: VodScenario, day: int, segments: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[Any], ...]:
    """One day's requests as columns: time, title, rung, segment, session."""
    ranks = _ranks(scenario, day)
    weights = 1 / (np.arange(scenario.titles) + 1) ** scenario.zipf
    count = rng.poisson(scenario.sessions_a_day)
    chosen = ranks[rng.choice(scenario.titles, count, p=weights / weights.sum())]
    hours = np.clip(rng.normal(20.5, 3.0, count), 0, 23.99)
    rungs = rng.choice(len(RUNGS_BPS), count, p=RUNG_SHARES)
    whole = rng.random(count) < 0.45
    watched = np.where(whole, 1.0, rng.beta(0.7, 1.5, count))
    lengths = np.maximum(1, (segments[chosen] * watched).astype(int))
    index = np.concatenate([np.arange(length) for length in lengths])
    repeated = np.repeat(np.arange(count), lengths)
    start_s = day * DAY_S + hours * 3600
    times = start_s[repeated] + index * scenario.segment_s
    sessions = repeated + day * 1_000_000
    return times, chosen[repeated], rungs[repeated], index, sessions


def _ranks(scenario: VodScenario, day: int) -> NDArray[np.int64]:
    """Titles by popularity on a day: each day some jump to the top."""
    order = list(range(scenario.titles))
    for number in range(scenario.jumps_a_day * day):
        title = (number * 7919 + 101) % scenario.titles
        order.remove(title)
        order.insert((number * 31) % 30, title)
    return np.array(order)


def zipf_trace(requests: int, objects: int, exponent: float, rng: np.random.Generator) -> Iterator[Visit]:
    """Independent references by Zipf's law, sizes log-normal around 30 KB: a web cache in front of pages."""
    weights = 1 / (np.arange(objects) + 1) ** exponent
    keys = rng.choice(objects, requests, p=weights / weights.sum())
    sizes = np.minimum(rng.lognormal(10.3, 1.2, objects), 5e6).astype(int) + 1
    for at in range(requests):
        yield Visit(int(keys[at]), int(sizes[keys[at]]), float(at))


def promotions(scenario: VodScenario, day: int) -> dict[int, int]:
    """Titles that jump on a day and where to: what a release calendar and the home page's rows know before it."""
    first = scenario.jumps_a_day * (day - 1)
    return {
        (number * 7919 + 101) % scenario.titles: (number * 31) % 30
        for number in range(max(0, first), scenario.jumps_a_day * max(0, day))
    }
