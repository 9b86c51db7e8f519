"""Viewers' days from the lake's events: the same projection over the same events, so that the figures are bit-equal.

Events of one batch are taken in the order in which they happened, which is how clients send them: the tables do not
keep their place in it. Read are the events of those who were exposed, one answered row a viewer, page by page, and
nothing of the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from reelwright.events.contract import Event
from reelwright.events.core.projection import facts_of
from reelwright.experiments.adapters.viewing import PAST_DAYS, STORED, exposed_of
from reelwright.experiments.contract import Experiment
from reelwright.experiments.core.daily import Exposed
from reelwright.experiments.core.metrics import DAY_MS, days_of
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId
from reelwright.lake.contract import LakeClient

TYPES = ("exposure", "play", "heartbeat", "stop", "seek", "stall", "error", "thumb")
PAGE = 2000
"""Viewers of one answer."""
_COLUMNS = (
    "type, epoch_ms(happened_at), title_id, playable_id, position_s, duration_s, start_ms, stall_ms, value, "
    "experiment, cell, synthetic"
)
Row = Sequence[Any]


class LakeViewing:
    """Implements `ViewingFacts` on the lake."""

    def __init__(self, lake: LakeClient) -> None:
        self._lake = lake

    async def read(self, experiment: Experiment) -> tuple[bool, Exposed]:
        """The viewers of an experiment with their days. O(events of the exposed)."""
        place = {cell.key: at for at, cell in enumerate(experiment.cells)}
        first: dict[str, Row] = {}
        days: list[tuple[str, int, tuple[float, ...]]] = []
        async for viewer, rows in self._viewers(experiment.key):
            shown = next((row for row in rows if row[0] == "exposure" and row[9] == experiment.key), None)
            if shown is not None:
                first[viewer] = shown
                days += _days(viewer, rows)
        synthetic = all(row[11] for row in first.values())
        kept = {
            viewer: (place[row[10]], row[1] // DAY_MS)
            for viewer, row in first.items()
            if row[11] is synthetic and row[10] in place
        }
        since = {viewer: day - PAST_DAYS for viewer, (_, day) in kept.items()}
        return synthetic, exposed_of(
            [(viewer, *found) for viewer, found in kept.items()],
            [row for row in days if row[0] in since and row[1] >= since[row[0]]],
        )

    async def _viewers(self, key: str) -> AsyncIterator[tuple[str, list[Row]]]:
        """Each viewer with their events, in the order in which they were stored."""
        exposed = f"SELECT profile_id FROM events WHERE type = 'exposure' AND experiment = {_quoted(key)}"  # noqa: S608
        last = ""
        while True:
            answer = await self._lake.ask(
                f"SELECT profile_id, list([{_packed()}] ORDER BY received_at, happened_at, id) FROM events "  # noqa: S608
                f"WHERE profile_id IN ({exposed}) AND profile_id > {_quoted(last)} "
                f"AND type IN ({', '.join(map(_quoted, TYPES))}) GROUP BY profile_id ORDER BY profile_id LIMIT {PAGE}"
            )
            for viewer, rows in answer.rows:
                yield viewer, [_unpacked(row) for row in rows]
            if len(answer.rows) < PAGE:
                return
            last = answer.rows[-1][0]


def _packed() -> str:
    """The columns of an event as texts: a list has one type."""
    return ", ".join(f"CAST({one.strip()} AS VARCHAR)" for one in _COLUMNS.split(","))


def _unpacked(texts: Sequence[str | None]) -> Row:
    kind, at_ms, title, playable, *numbers, experiment, cell, synthetic = texts
    found = [None if one is None else float(one) for one in numbers]
    return (kind, int(at_ms or 0), title, playable, *found, experiment, cell, synthetic == "true")


def _days(viewer: str, rows: Sequence[Row]) -> list[tuple[str, int, tuple[float, ...]]]:
    told = [(ProfileId(viewer), row[11], _event(row)) for row in rows]
    found = {day: added for (_, day), added in days_of(facts_of(told)).items()}
    return [(viewer, day, tuple(found[day].get(name, 0.0) for name in STORED)) for day in sorted(found)]


def _event(row: Row) -> Event:
    kind, at_ms, title, playable, position_s, duration_s, start_ms, stall_ms, value, *_ = row
    carried = {"duration_s": duration_s, "start_ms": start_ms, "ms": stall_ms, "value": value}
    return Event(
        id=EventId(""),
        type=kind,
        at_ms=at_ms,
        title_id=TitleId(title) if title else None,
        playable_id=PlayableId(playable) if playable else None,
        position_s=position_s,
        data={name: one for name, one in carried.items() if one is not None},
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
