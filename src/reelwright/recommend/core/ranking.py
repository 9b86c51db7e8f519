"""How much a title may mean to a viewer, from what they and everybody watched. Pure.

A ranking is learnt from the catalogue and from views before a moment, and asked for each page. What may be shown (not
watched yet, there, allowed) is the page's to decide.
"""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from reelwright.catalog.contract import Title
from reelwright.events.contract import View
from reelwright.kernel.ids import ProfileId, TitleId
from reelwright.recommend.core.likeness import Likeness

HISTORY_MOST = 40
"""Titles of a profile that are learnt from, the latest: who watches all day does not decide for everybody."""
TASTED = 10
"""Titles watched last from which a taste is read."""
SHRINKAGE = 1.0
"""Viewers that two titles must share until half of their cosine is believed."""
FORGETS = 0.9
"""What a title further back in the history counts, of the one after it."""
CONTENT, POPULAR = 0.1, 0.02
"""What likeness and the logarithm of recent viewers count beside being watched by the same people."""
RECENT_MS = 14 * 86_400_000


class Ranking(Protocol):
    """Ranks titles for a viewer."""

    def scores(self, history: Sequence[TitleId]) -> Mapping[TitleId, float]:
        """Larger is better, titles left out are 0; `history` is what the viewer watched, latest first."""
        ...


class ByTaste:
    """How like a title is to those watched last, the latest counting most."""

    def __init__(self, likeness: Likeness, titles: Iterable[Title]) -> None:
        self._titles = {title.id: title for title in titles}
        self._alike = functools.cache(lambda title_id: likeness.alike(self._titles[title_id]))

    def scores(self, history: Sequence[TitleId]) -> Mapping[TitleId, float]:
        """By genres and people."""
        found: defaultdict[TitleId, float] = defaultdict(float)
        for place, seed in enumerate(one for one in history[:TASTED] if one in self._titles):
            for row in self._alike(seed):
                found[row.title_id] += row.score / (place + 1)
        return found


class Together:
    """What was watched by the same people, and by how many; learnt from views until `now_ms`, later ones are no news.

    O(views × HISTORY_MOST).
    """

    def __init__(self, views: Iterable[View] = (), *, now_ms: int = 0, shrinkage: float = SHRINKAGE) -> None:
        known = [view for view in views if view.at_ms <= now_ms]
        self.alike = _alike(_histories(known), shrinkage)
        self.popular = _popular(known, now_ms)


class ByViewers:
    """Who watched that also watched this, with likeness and popularity for what few have seen."""

    def __init__(self, taste: Ranking, together: Together) -> None:
        self._taste = taste
        self._together = together

    def scores(self, history: Sequence[TitleId]) -> Mapping[TitleId, float]:
        """O(titles that go with one of the history's)."""
        found = defaultdict(float, self._together.popular)
        for title_id, score in self._taste.scores(history).items():
            found[title_id] += CONTENT * score
        for place, seed in enumerate(history[:HISTORY_MOST]):
            counts = FORGETS**place
            for title_id, score in self._together.alike.get(seed, {}).items():
                found[title_id] += counts * score
        return found


def _histories(views: Sequence[View]) -> Iterable[list[TitleId]]:
    """What each profile watched, each title once, the latest."""
    latest: defaultdict[ProfileId, dict[TitleId, int]] = defaultdict(dict)
    for view in views:
        of = latest[view.profile_id]
        of[view.title_id] = max(view.at_ms, of.get(view.title_id, 0))
    for of in latest.values():
        yield sorted(of, key=lambda title_id: (-of[title_id], title_id))[:HISTORY_MOST]


def _alike(histories: Iterable[Sequence[TitleId]], shrinkage: float) -> dict[TitleId, dict[TitleId, float]]:
    """Cosine of the viewers of two titles, times how far it is believed."""
    watched: Counter[TitleId] = Counter()
    both: defaultdict[TitleId, Counter[TitleId]] = defaultdict(Counter)
    for history in histories:
        watched.update(history)
        for one in history:
            both[one].update(history)
    return {
        one: {
            other: count / math.sqrt(watched[one] * watched[other]) * count / (count + shrinkage)
            for other, count in row.items()
            if other != one
        }
        for one, row in both.items()
    }


def _popular(views: Sequence[View], now_ms: int) -> dict[TitleId, float]:
    recent = {(view.profile_id, view.title_id) for view in views if view.at_ms > now_ms - RECENT_MS}
    return {title_id: POPULAR * math.log1p(count) for title_id, count in Counter(one for _, one in recent).items()}
