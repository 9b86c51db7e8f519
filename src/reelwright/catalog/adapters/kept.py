"""Lists of titles that are read once and kept while nothing in the catalogue changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from reelwright.catalog.adapters import sql
from reelwright.catalog.contract import Title, TitleDetail
from reelwright.catalog.core.visibility import EVERYTHING_ALWAYS, FOREVER_MS, Sight, is_in_sight

KEPT_MOST = 64
"""Lists, one for each limit that profiles have; they share their titles."""


class _Kept(msgspec.Struct, frozen=True):
    since_ms: int
    until_ms: int
    """No title's availability begins or ends between these."""
    details: tuple[TitleDetail, ...]


class KeptTitles:
    """What `sql.list_details` finds; the same object until it would find something else.

    Asking costs one row; a read of 5,000 titles costs 0.3 s of CPU, and is done by one thread while others wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes = -1
        self._every: Sequence[TitleDetail] = ()
        self._kept: OrderedDict[tuple[int, bool, tuple[str, ...]], _Kept] = OrderedDict()

    def list(
        self, connection: sa.Connection, sight: Sight, *, states: Collection[str] = ()
    ) -> tuple[TitleDetail, ...]:
        """Titles in sight with their playables, the newest first; with `states` only those that have one so."""
        changes = sql.count_changes(connection)  # before the titles: what changes meanwhile is read once more
        with self._lock:
            if self._changes < changes:
                self._every, self._changes = sql.list_details(connection, EVERYTHING_ALWAYS), changes
                self._kept.clear()
            key = (sight.maturity_limit, sight.at_ms is None, tuple(states))
            kept = self._kept.get(key)
            if kept is None or not kept.since_ms <= (sight.at_ms or 0) < kept.until_ms:
                kept = self._kept[key] = _keep(self._every, sight, states)
                while len(self._kept) > KEPT_MOST:
                    self._kept.popitem(last=False)
            return kept.details


def _keep(every: Sequence[TitleDetail], sight: Sight, states: Collection[str]) -> _Kept:
    at_ms = sight.at_ms
    turns = [] if at_ms is None else _turns(detail.title for detail in every)
    return _Kept(
        max((turn for turn in turns if turn <= (at_ms or 0)), default=0),
        min((turn for turn in turns if turn > (at_ms or 0)), default=FOREVER_MS),
        tuple(detail for detail in every if is_in_sight(detail.title, sight) and _is_in(detail, states)),
    )


def _turns(titles: Iterable[Title]) -> list[int]:
    """When a title comes or goes."""
    return [turn for title in titles for turn in (title.available_from_ms, title.available_until_ms) if turn]


def _is_in(detail: TitleDetail, states: Collection[str]) -> bool:
    return not states or any(playable.state in states for playable in detail.playables)
