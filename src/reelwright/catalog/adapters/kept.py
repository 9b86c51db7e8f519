"""Lists of titles that are read once and kept while nothing in the catalogue changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable

import msgspec
import sqlalchemy as sa

from reelwright.catalog.adapters import sql
from reelwright.catalog.contract import Title, TitleDetail
from reelwright.catalog.core.visibility import FOREVER_MS, Sight, is_available

KEPT_MOST = 16


class _Kept(msgspec.Struct, frozen=True):
    changes: int
    since_ms: int
    until_ms: int
    """No title's availability begins or ends between these."""
    details: tuple[TitleDetail, ...]


class KeptTitles:
    """What `sql.list_details` finds; the same object until it would find something else.

    Asking costs one row; a read of 5,000 titles costs 0.2 s of CPU, and is done by one thread while others wait.
    """

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._kept: OrderedDict[tuple[int, bool, tuple[str, ...]], _Kept] = OrderedDict()

    def list(
        self, connection: sa.Connection, sight: Sight, *, states: Collection[str] = ()
    ) -> tuple[TitleDetail, ...]:
        """Titles in sight with their playables, the newest first; with `states` only those that have one so."""
        changes = sql.count_changes(connection)  # before the titles: what changes meanwhile is read once more
        key = (sight.maturity_limit, sight.at_ms is None, tuple(states))
        found = self._find(key, changes, sight)
        if found is None:
            with self._reading:
                found = self._find(key, changes, sight)
                if found is None:
                    found = self._kept[key] = _read(connection, changes, sight, states)
                    while len(self._kept) > KEPT_MOST:
                        self._kept.popitem(last=False)
        return found.details

    def _find(self, key: tuple[int, bool, tuple[str, ...]], changes: int, sight: Sight) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None or kept.changes < changes or not kept.since_ms <= (sight.at_ms or 0) < kept.until_ms:
            return None
        return kept


def _read(connection: sa.Connection, changes: int, sight: Sight, states: Collection[str]) -> _Kept:
    always = Sight(maturity_limit=sight.maturity_limit, at_ms=None)
    every = sql.list_details(connection, always, states=states)
    at_ms = sight.at_ms
    if at_ms is None:
        return _Kept(changes, 0, FOREVER_MS, tuple(every))
    turns = sorted(_turns(detail.title for detail in every))
    return _Kept(
        changes,
        max((turn for turn in turns if turn <= at_ms), default=0),
        min((turn for turn in turns if turn > at_ms), default=FOREVER_MS),
        tuple(detail for detail in every if is_available(detail.title, at_ms)),
    )


def _turns(titles: Iterable[Title]) -> set[int]:
    """When a title comes or goes."""
    return {turn for title in titles for turn in (title.available_from_ms, title.available_until_ms) if turn}
