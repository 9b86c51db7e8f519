"""Two pages of one viewer as one, for an experiment that interleaves their rankers. Pure."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from reelwright.kernel.ids import TitleId
from reelwright.recommend.contract import Page, Row

Draft = Callable[[str, list[TitleId], list[TitleId], int], tuple[list[TitleId], list[int]]]
"""Merges two orders of a row, known by its place, to a length; and whose pick (0 or 1) each title is."""


def interleave_pages(first: Page, second: Page, draft: Draft) -> tuple[Page, dict[TitleId, int]]:
    """The first page with those rows interleaved that the second has in another order; and whose pick each title is.

    What both order alike is nobody's pick. A title stands in one row only, the uppermost that took it.
    """
    others = {(row.kind, row.heading): row for row in second.rows}
    placed: set[TitleId] = set()
    picks: dict[TitleId, int] = {}
    rows = []
    for row in first.rows:
        other = others.get((row.kind, row.heading), row)
        slots = {slot.title.id: slot for slot in (*other.slots, *row.slots)}
        ours, theirs = ([one for one in _ids(side) if one not in placed] for side in (row, other))
        shown = ours
        if _ids(row) != _ids(other):
            shown, teams = draft(f"{row.kind}|{row.heading}", ours, theirs, len(row.slots))
            picks.update(zip(shown, teams, strict=True))
        placed.update(shown)
        if shown:
            rows.append(replace(row, slots=tuple(slots[one] for one in shown)))
    return Page(billboard=first.billboard, rows=tuple(rows)), picks


def _ids(row: Row) -> list[TitleId]:
    return [slot.title.id for slot in row.slots]
