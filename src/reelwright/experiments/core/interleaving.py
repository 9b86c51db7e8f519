"""Interleaving: two rankers' pages as one, by team draft; a title that is played counts for whoever picked it.

Who begins a round is drawn from the viewer, the day and the row, so that a page stays as it is all day, and a play
can be told from its page alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from reelwright.events.contract import Fact
from reelwright.experiments.contract import Experiment
from reelwright.experiments.core.hashing import unit_hash
from reelwright.kernel.ids import ProfileId, TitleId

T = TypeVar("T", bound=Hashable)
DAY_MS = 86_400_000
Place = tuple[str, ProfileId]
"""An experiment and a viewer."""


def team_draft(
    first: Sequence[T], second: Sequence[T], length: int, flip: Callable[[], bool]
) -> tuple[list[T], list[int]]:
    """One list of two rankings, and whose pick each item is (0 or 1): Radlinski, Kurup, Joachims 2008.

    In each round both pick their best item that is not there yet; `flip` says whether the second begins.
    """
    merged: list[T] = []
    teams: list[int] = []
    seen: set[T] = set()
    queues = [iter(first), iter(second)]
    while len(merged) < length:
        order = (1, 0) if flip() else (0, 1)
        before = len(merged)
        for team in order:
            item = next((one for one in queues[team] if one not in seen), None)
            if item is not None and len(merged) < length:
                merged.append(item)
                teams.append(team)
                seen.add(item)
        if len(merged) == before:
            break
    return merged, teams


class Duel(msgspec.Struct, frozen=True, kw_only=True):
    """Two cells whose decisions are shown to a viewer at once."""

    experiment: str
    cells: tuple[str, str]
    parameters: tuple[Mapping[str, Any], Mapping[str, Any]]
    """All of the layer's, as each cell sets them."""
    seed: str

    def draft(self, row: str, first: Sequence[T], second: Sequence[T], length: int) -> tuple[list[T], list[int]]:
        """One row of both, and whose pick each item is."""
        return team_draft(first, second, length, _coin(f"{self.seed}|{row}"))


def duel_of(experiment: Experiment, defaults: Mapping[str, Any], unit: str, *, now_ms: int) -> Duel:
    """What an interleaving experiment shows a unit today; `defaults` are its layer's parameters without it."""
    first, second = experiment.cells
    return Duel(
        experiment=experiment.key,
        cells=(first.key, second.key),
        parameters=({**defaults, **first.parameters}, {**defaults, **second.parameters}),
        seed=f"{experiment.salt or experiment.key}|{unit}|{now_ms // DAY_MS}",
    )


def _coin(seed: str) -> Callable[[], bool]:
    rounds = iter(range(1 << 30))
    return lambda: bool(unit_hash(f"{seed}|{next(rounds)}") & 1)


class Shown(msgspec.Struct, frozen=True):
    """What an interleaved page showed, title by title whose pick it was, and when."""

    at_ms: int
    picks: Mapping[str, str]


class Credit(msgspec.Struct, frozen=True):
    """A title that was played from a page; the same one counts once a day."""

    experiment: str
    profile_id: ProfileId
    day: int
    title_id: TitleId
    cell: str


def picks_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Titles of an exposure's page, each with the cell that picked it."""
    return {title: one["cell"] for one in data.get("picks", ()) for title in one["title_ids"]}


def credits_of(facts: Iterable[Fact], shown: dict[Place, Shown]) -> Iterator[Credit]:
    """What each play adds, at most a day after the page; `shown` is what was known, and follows the facts."""
    pages: dict[ProfileId, dict[str, Shown]] = {}
    for (experiment, profile_id), page in shown.items():
        pages.setdefault(profile_id, {})[experiment] = page
    for fact in facts:
        event, known = fact.event, pages.setdefault(fact.profile_id, {})
        if event.type == "exposure" and "picks" in event.data:
            page = Shown(event.at_ms, picks_of(event.data))
            known[event.data["experiment"]] = shown[event.data["experiment"], fact.profile_id] = page
        if event.type == "play" and event.title_id is not None:
            for experiment, page in known.items():
                cell = page.picks.get(event.title_id)
                if cell is not None and 0 <= event.at_ms - page.at_ms < DAY_MS:
                    yield Credit(experiment, fact.profile_id, event.at_ms // DAY_MS, event.title_id, cell)
