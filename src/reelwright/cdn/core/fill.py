"""What an edge should hold before it is asked: expected plays, worth by byte, and the plan that fits. Pure.

Plays are expected from history, smoothed by rank: a title that was played twice by chance is no more popular than
its neighbour; then corrected by what only the house knows: releases and promotions of the coming day, the next
episodes of what is being watched.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

Title = Any
DECAY = 0.7
"""Weight of a day's plays a day later."""
STAYS = 1.15
"""What is held counts for more: to exchange it costs a transfer."""


class Want(msgspec.Struct, frozen=True):
    """An object, and how often it will be asked for in the coming day."""

    key: Hashable
    size: int
    rate: float


def smoothed(days: Sequence[Mapping[Title, float]]) -> dict[Title, float]:
    """Plays a day by title from the days before, the last one last; recent days count for more."""
    found: dict[Title, float] = {}
    weight = sum(DECAY**age for age in range(len(days))) or 1.0
    for age, day in enumerate(reversed(days)):
        for title, plays in day.items():
            found[title] = found.get(title, 0.0) + plays * DECAY**age / weight
    return found


def by_rank(plays: Mapping[Title, float]) -> list[float]:
    """Plays by rank, as the power law that fits them best: least squares on logarithms of the ranks played."""
    counts = sorted((count for count in plays.values() if count > 0), reverse=True)
    if len(counts) < 3:
        return counts
    xs = [math.log(rank + 1) for rank in range(len(counts))]
    ys = [math.log(count) for count in counts]
    weights = counts  # much played titles are measured better
    total = sum(weights)
    mean_x = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    mean_y = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, x in zip(weights, xs, strict=True)) or 1.0
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in zip(weights, xs, ys, strict=True)) / spread
    curve = [math.exp(mean_y + slope * (x - mean_x)) for x in xs]
    scale = sum(counts) / sum(curve)
    return [value * scale for value in curve]


def expected_plays(
    days: Sequence[Mapping[Title, float]],
    promoted: Mapping[Title, int] | None = None,
    added: Mapping[Title, float] | None = None,
) -> dict[Title, float]:
    """Plays of the coming day by title.

    `promoted` gives titles the rank that they will have: a release, a place in the Top 10. `added` are plays that are
    known one by one: somebody in the middle of a series will want its next episode.
    """
    plays = smoothed(days)
    order = sorted(plays, key=lambda title: (-plays[title], str(title)))
    order = [title for title in order if title not in (promoted or {})]
    for title, rank in sorted((promoted or {}).items(), key=lambda pair: (pair[1], str(pair[0]))):
        order.insert(rank, title)
    curve = by_rank(plays)
    last = curve[-1] if curve else 1.0
    found = {title: curve[rank] if rank < len(curve) else last for rank, title in enumerate(order)}
    for title, more in (added or {}).items():
        found[title] = found.get(title, 0.0) + more
    return found


def choose(
    wants: Iterable[Want], capacity_bytes: int, held: Iterable[Hashable] = (), least: float = 0.0
) -> list[Want]:
    """What to hold, most wanted first: a byte is worth its rate, whatever the object's size.

    Below `least` requests a day the transfer costs more than it saves, on average.
    """
    there = set(held)
    ranked = sorted(wants, key=lambda one: (-one.rate * (STAYS if one.key in there else 1.0), str(one.key)))
    chosen, room = [], capacity_bytes
    for one in ranked:
        if one.rate < least:
            continue
        if one.size <= room:
            room -= one.size
            chosen.append(one)
    return chosen
