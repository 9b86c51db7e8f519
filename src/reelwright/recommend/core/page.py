"""The home page of one profile at one moment: rows with their reasons, from recorded signals alone.

The same signals give the same page; nothing is random. Rows are shown in a fixed order, and a title stands in the
first row that may have it, so that none appears twice: what was begun wins over everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.events.contract import Watched
from reelwright.kernel.ids import TitleId
from reelwright.recommend.contract import Page, Ranker, Row, RowKind, Slot
from reelwright.recommend.core.exploring import FRESH_VIEWERS, EvenAndTaste, Explores, draw
from reelwright.recommend.core.likeness import Likeness
from reelwright.recommend.core.ranking import HISTORY_MOST, ByTaste, ByViewers, Together

ROW_MOST = 24
SEEDS = 2
"""Rows of "because you watched"."""
BEGUN_S = 5.0
"""A film that was left within the first seconds was not begun."""
NEW_MS = 30 * 86_400_000
GENRES_MOST = 6
GENRE_LEAST = 3
"""A genre row needs this many titles; the others are found by search."""
BECAUSE_LEAST = 2
EXPLORED = 2
"""The place in the row of what is new that explores: the third, which most screens show."""


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """All that a page is decided on."""

    titles: Sequence[TitleDetail]
    """What the viewer may see and play, newest first."""
    watched: Sequence[Watched]
    """Latest first."""
    saved: Sequence[TitleId]
    thumbs: Mapping[TitleId, int]
    views_day: Mapping[TitleId, int]
    """Viewers in the last 24 hours."""
    views_week: Mapping[TitleId, int]
    now_ms: int
    counted_ms: int = 0
    """When the viewers were counted."""

    together: Together = msgspec.field(default_factory=Together)
    """What was watched by the same people, for the ranker that goes by viewers."""

    explores: Explores | None = None
    likeness: Likeness | None = None
    """Of these titles, where it is known already."""


class Top(msgspec.Struct, frozen=True):
    """The ten most watched titles, in order, and the window they were counted in."""

    heading: str
    title_ids: tuple[TitleId, ...]


def top_ten(views_day: Mapping[TitleId, int], views_week: Mapping[TitleId, int], there: Iterable[TitleId]) -> Top:
    """Titles by distinct viewers in the last day; in the last week while the day has fewer than ten.

    Ties go to more viewers in the week, then to the older id, so that an order never flickers.
    """
    known = list(there)
    day = [title_id for title_id in known if views_day.get(title_id)]
    heading, counted = ("Top 10 today", views_day) if len(day) >= 10 else ("Top 10 this week", views_week)
    ranked = sorted(
        (title_id for title_id in known if counted.get(title_id)),
        key=lambda title_id: (-counted[title_id], -views_week.get(title_id, 0), title_id),
    )
    return Top(heading, tuple(ranked[:10]))


def build_page(signals: Signals, *, ranker: Ranker = "popular") -> Page:
    """The page. O(titles × words a title has)."""
    return _Builder(signals, ranker).build()


class _Builder:
    """One page in the making: what there is, and what has been placed."""

    def __init__(self, signals: Signals, ranker: Ranker) -> None:
        self._signals = signals
        self._details = {detail.title.id: detail for detail in signals.titles}
        self._likeness = signals.likeness or Likeness([detail.title for detail in signals.titles])
        self._latest: dict[TitleId, Watched] = {}
        for row in signals.watched:
            self._latest.setdefault(row.title_id, row)
        self._scores = self._scored(ranker)
        self._placed: set[TitleId] = set()
        self._rows: list[Row] = []

    def build(self) -> Page:
        """All rows in order, then the billboard from what is left."""
        top = top_ten(self._signals.views_day, self._signals.views_week, self._details)
        self._place("continue", "Continue watching", self._begun())
        self._place("next_episode", "Next episode", self._next_episodes())
        billboard = self._billboard(top)
        if billboard is not None:
            self._placed.add(billboard.title.id)
        self._place("top10", top.heading, self._ranked(top))
        for seed in self._seeds():
            self._place("because", f"Because you watched {seed.name}", self._alike(seed), least=BECAUSE_LEAST)
        self._place("my_list", "My list", self._saved())
        self._place("new", "New here", self._explored(list(self._new())))
        for genre in self._genres():
            self._place("genre", genre, self._of_genre(genre), least=GENRE_LEAST)
        if not self._rows and billboard is None:  # a small library of which all was seen is not an empty one
            self._place("again", "Watch again", (Slot(title=detail.title) for detail in self._signals.titles))
        return Page(billboard=billboard, rows=tuple(self._rows))

    def _place(self, kind: RowKind, heading: str, slots: Iterable[Slot], *, least: int = 1) -> None:
        fresh = [slot for slot in slots if slot.title.id not in self._placed][:ROW_MOST]
        if len(fresh) >= least:
            self._rows.append(Row(kind=kind, heading=heading, slots=tuple(fresh)))
            self._placed.update(slot.title.id for slot in fresh)

    def _begun(self) -> Iterable[Slot]:
        for title_id, row in self._latest.items():
            playable = self._playable(row)
            if playable is not None and not row.finished and row.position_s >= BEGUN_S:
                length = row.duration_s or playable.duration_s or 0
                progress = min(1.0, row.position_s / length) if length else 0.0
                yield Slot(
                    title=self._details[title_id].title,
                    playable_id=playable.id,
                    progress=progress,
                    evidence=_episode(playable),
                )

    def _next_episodes(self) -> Iterable[Slot]:
        for title_id, row in self._latest.items():
            playable = self._playable(row)
            if playable is None or not row.finished or playable.episode is None:
                continue
            later = [one for one in self._details[title_id].playables if _place_of(one) > _place_of(playable)]
            ready = [one for one in later if _is_there(one)]
            if ready:
                following = min(ready, key=_place_of)
                yield Slot(
                    title=self._details[title_id].title, playable_id=following.id, evidence=_episode(following)
                )

    def _playable(self, row: Watched) -> Playable | None:
        detail = self._details.get(row.title_id)
        if detail is None:
            return None
        return next((one for one in detail.playables if one.id == row.playable_id and _is_there(one)), None)

    def _ranked(self, top: Top) -> Iterable[Slot]:
        for rank, title_id in enumerate(top.title_ids, 1):
            yield Slot(title=self._details[title_id].title, rank=rank)

    def _seeds(self, most: int = SEEDS) -> list[Title]:
        """What was watched last and not disliked, films and series alike."""
        liked = [
            self._details[title_id].title
            for title_id, row in self._latest.items()
            if title_id in self._details
            and self._signals.thumbs.get(title_id, 0) >= 0
            and (row.finished or row.position_s >= BEGUN_S)
        ]
        return liked[:most]

    def _scored(self, ranker: Ranker) -> Mapping[TitleId, float]:
        """What a ranking says of each title; nothing where views of the week order them."""
        if ranker == "popular":
            return {}
        taste = ByTaste(self._likeness, (detail.title for detail in self._signals.titles))
        ranking = taste if ranker == "taste" else ByViewers(taste, self._signals.together)
        return ranking.scores([seed.id for seed in self._seeds(HISTORY_MOST)])

    def _ordered(self, details: Iterable[TitleDetail]) -> list[TitleDetail]:
        """By score where a ranking gives one; stable, so that what is equal stays in the order it came in."""
        return sorted(details, key=lambda detail: -self._scores.get(detail.title.id, 0.0))

    def _alike(self, seed: Title) -> Iterable[Slot]:
        for row in self._likeness.alike(seed):
            if self._is_new_to_viewer(row.title_id):
                yield Slot(title=self._details[row.title_id].title, evidence=row.evidence)

    def _is_new_to_viewer(self, title_id: TitleId) -> bool:
        return title_id not in self._latest and self._signals.thumbs.get(title_id, 0) >= 0

    def _saved(self) -> Iterable[Slot]:
        return (Slot(title=self._details[one].title) for one in self._signals.saved if one in self._details)

    def _new(self) -> Iterable[Slot]:
        since = self._signals.now_ms - NEW_MS
        return (
            Slot(title=detail.title)
            for detail in self._ordered(self._signals.titles)
            if detail.title.added_ms >= since and self._is_new_to_viewer(detail.title.id)
        )

    def _explored(self, new: list[Slot]) -> list[Slot]:
        """What is new, with a title that few have watched drawn for one place, where the page explores."""
        explores, views = self._signals.explores, self._signals.views_week
        if explores is None:
            return new
        free = [slot for slot in new if slot.title.id not in self._placed]
        few = {slot.title.id: views.get(slot.title.id, 0) for slot in free}
        fresh = {title_id: count for title_id, count in few.items() if count < FRESH_VIEWERS}
        drawn = draw(EvenAndTaste(explores.share).chances(self._scores, fresh), explores.at)
        if drawn is None:
            return free
        rest = [slot for slot in free if slot.title.id != drawn.title_id]
        slot = Slot(title=self._details[drawn.title_id].title, propensity=drawn.propensity)
        return [*rest[:EXPLORED], slot, *rest[EXPLORED:]]

    def _genres(self) -> list[str]:
        """Genres that the viewer has watched most, then those with most titles."""
        seen = Counter(
            genre for title_id in self._latest if title_id in self._details for genre in self._genres_of(title_id)
        )
        there = Counter(genre for title_id in self._details for genre in self._genres_of(title_id))
        return sorted(there, key=lambda genre: (-seen[genre], -there[genre], genre))[:GENRES_MOST]

    def _genres_of(self, title_id: TitleId) -> tuple[str, ...]:
        return self._details[title_id].title.genres

    def _of_genre(self, genre: str) -> Iterable[Slot]:
        having = [detail for detail in self._signals.titles if genre in detail.title.genres]
        views = self._signals.views_week
        ordered = sorted(having, key=lambda detail: -views.get(detail.title.id, 0))  # stable: newest first within
        return (Slot(title=detail.title) for detail in self._ordered(ordered))

    def _billboard(self, top: Top) -> Slot | None:
        """The one title most worth this viewer's evening: like what they liked, else popular, else new."""
        scored: dict[TitleId, tuple[float, str]] = {}
        for place, seed in enumerate(self._seeds()):
            for row in self._likeness.alike(seed)[:20]:
                said = f"Because you watched {seed.name}: {row.evidence}"
                scored[row.title_id] = max(scored.get(row.title_id, (0.0, "")), (row.score / (place + 1), said))
        fresh = [
            detail.title
            for detail in self._signals.titles
            if detail.title.id not in self._placed and self._is_new_to_viewer(detail.title.id)
        ]
        unranked = [title for title in fresh if title.id not in top.title_ids] or fresh
        if not unranked:
            return None
        best = max(unranked, key=lambda title: (scored.get(title.id, (0.0, ""))[0], title.added_ms, title.id))
        playable = next((one for one in self._details[best.id].playables if _is_there(one)), None)
        evidence = scored[best.id][1] if best.id in scored else "New here"
        return Slot(title=best, playable_id=playable.id if playable else None, evidence=evidence)


def _is_there(playable: Playable) -> bool:
    return playable.state in ("watchable", "ready")


def _place_of(playable: Playable) -> tuple[int, int]:
    return (playable.season or 0, playable.episode or 0)


def _episode(playable: Playable) -> str:
    if playable.episode is None:
        return ""
    return f"S{playable.season or 0} E{playable.episode} · {playable.name}"
