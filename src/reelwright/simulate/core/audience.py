"""A synthetic audience: who watches what, when, how far, from the pages that the real recommender builds.

Pure: time is passed in, and all randomness comes from one seeded source, so that the same seed gives the same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random

import msgspec

from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.events.contract import Event, EventType, Watched
from reelwright.events.core.projection import is_finished, is_view
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.ids import EventId, ProfileId, TitleId, new_id
from reelwright.kernel.principal import is_suitable
from reelwright.recommend.contract import Page, Slot
from reelwright.recommend.core.page import Signals, build_page
from reelwright.simulate.contract import Quality, Told, Viewer

DAY_MS = 86_400_000
HEARTBEAT_S = 10.0
ROW_ATTENTION, PLACE_ATTENTION = 0.82, 0.9
"""Attention that is left with each further row, and each further place in it."""
HOURS = (2, 1, 1, 0, 0, 0, 1, 3, 4, 4, 5, 6, 8, 7, 6, 6, 8, 11, 16, 22, 26, 22, 13, 6)
"""Sessions begun by hour of the day: a small noon, a large evening."""
GENRE_TASTES = (0.3, 0.6, 1.0, 1.0, 1.8, 3.0)


def make_viewers(genres: Sequence[str], count: int, random: Random) -> list[Viewer]:
    """People with tastes of their own."""
    return [
        Viewer(
            profile_id=ProfileId(new_id(VirtualClock(0), entropy=random.getrandbits(80))),
            tastes={genre: random.choice(GENRE_TASTES) for genre in sorted(genres)},
            evenings=random.uniform(0.15, 0.8),
        )
        for _ in range(count)
    ]


def watch_for_days(
    titles: Sequence[TitleDetail], viewers: Sequence[Viewer], random: Random, *, since_ms: int, days: int
) -> Iterator[Told]:
    """What the audience does in `days` from `since_ms` on, in order of time."""
    return Audience(titles, viewers, random).run(since_ms, days)


class _Memory(msgspec.Struct):
    """What the service would know of one viewer."""

    watched: dict[str, Watched] = {}
    saved: list[TitleId] = []
    thumbs: dict[TitleId, int] = {}


class Audience:
    """People who look at pages, choose, watch and leave. What experiments change is in the methods that say so."""

    heartbeat_s = HEARTBEAT_S

    def __init__(self, titles: Sequence[TitleDetail], viewers: Sequence[Viewer], random: Random) -> None:
        self._titles = titles
        self._viewers = viewers
        self._random = random
        self._memory = {viewer.profile_id: _Memory() for viewer in viewers}
        self._views: list[tuple[int, TitleId, ProfileId]] = []

    def run(self, since_ms: int, days: int) -> Iterator[Told]:
        """Days of events, in order of time."""
        for day in range(days):
            begun_ms = since_ms + day * DAY_MS
            evening = [viewer for viewer in self._viewers if self._random.random() < viewer.evenings]
            starts = sorted((self._start_ms(begun_ms), number) for number in range(len(evening)))
            told = [row for at_ms, number in starts for row in self._session(evening[number], at_ms)]
            yield from sorted(told, key=lambda row: row.event.at_ms)

    def _start_ms(self, day_ms: int) -> int:
        hour = self._random.choices(range(24), HOURS)[0]
        return day_ms + hour * 3_600_000 + self._random.randrange(3_600_000)

    def _session(self, viewer: Viewer, at_ms: int) -> Iterator[Told]:
        for _ in range(self._random.choice((1, 1, 2, 3))):
            slot = self._choose(viewer, self._page(viewer, at_ms))
            if slot is None:
                return
            playable = self._playable(viewer, slot)
            for told in self._play(viewer, slot.title, playable, at_ms):
                at_ms = told.event.at_ms
                yield told
            at_ms += self._random.randrange(20_000, 180_000)

    def _page(self, viewer: Viewer, at_ms: int) -> Page:
        """The page that the viewer gets; an experiment may order it by another ranker."""
        return build_page(self._signals(viewer, at_ms))

    def _signals(self, viewer: Viewer, at_ms: int) -> Signals:
        memory = self._memory[viewer.profile_id]
        return Signals(
            titles=[detail for detail in self._titles if is_suitable(detail.title.maturity, viewer.maturity_limit)],
            watched=sorted(memory.watched.values(), key=lambda row: -row.last_ms),
            saved=memory.saved,
            thumbs=memory.thumbs,
            views_day=self._count(at_ms - DAY_MS),
            views_week=self._count(at_ms - 7 * DAY_MS),
            now_ms=at_ms,
        )

    def _quality(self, viewer: Viewer, title: Title, at_ms: int, watch_s: float) -> Quality | None:  # noqa: ARG002
        """How playing goes; None where nothing is told of it."""
        return None

    def _count(self, since_ms: int) -> dict[TitleId, int]:
        people: dict[TitleId, set[ProfileId]] = {}
        for at_ms, title_id, profile_id in self._views:
            if at_ms >= since_ms:
                people.setdefault(title_id, set()).add(profile_id)
        return {title_id: len(found) for title_id, found in people.items()}

    def _choose(self, viewer: Viewer, page: Page) -> Slot | None:
        offers = list(offers_of(viewer, page))
        if not offers:
            return None
        return self._random.choices([slot for _, slot in offers], [weight for weight, _ in offers])[0]

    def _playable(self, viewer: Viewer, slot: Slot) -> Playable:
        playables = next(detail.playables for detail in self._titles if detail.title.id == slot.title.id)
        watched = self._memory[viewer.profile_id].watched
        wanted = next((one for one in playables if one.id == slot.playable_id), None)
        return wanted or next((one for one in playables if one.id not in watched), playables[0])

    def _play(self, viewer: Viewer, title: Title, playable: Playable, at_ms: int) -> Iterator[Told]:
        length_s = playable.duration_s or 30.0
        before = self._memory[viewer.profile_id].watched.get(playable.id)
        start_s = before.position_s if before is not None and not before.finished else 0.0
        stays = self._random.random() < liked(viewer, title)
        end_s = length_s if stays else start_s + (length_s - start_s) * self._random.random()
        position_s, kind = start_s, "play"
        quality = self._quality(viewer, title, at_ms, end_s - start_s)
        more = {} if quality is None else {"start_ms": quality.start_ms}
        while True:
            yield self._tell(viewer, kind, title, playable, at_ms, position_s, length_s, more)
            if quality is not None and kind == "play":
                yield from (self._tell_of(viewer, "stall", title, at_ms, {"ms": one}) for one in quality.stalls_ms)
                more = {}
            if position_s >= end_s:
                break
            step_s = min(self.heartbeat_s, end_s - position_s)
            position_s, at_ms = position_s + step_s, at_ms + round(step_s * 1000)
            kind = "heartbeat" if position_s < end_s else "stop"
        self._remember(viewer, title, playable, at_ms, start_s, position_s, length_s)
        yield from self._judge(viewer, title, at_ms, finished=is_finished(position_s, length_s))

    def _judge(self, viewer: Viewer, title: Title, at_ms: int, *, finished: bool) -> Iterator[Told]:
        memory = self._memory[viewer.profile_id]
        if finished and title.id not in memory.thumbs and self._random.random() < 0.2:
            value = 1 if taste(viewer, title) >= 0.8 else -1
            memory.thumbs[title.id] = value
            yield self._tell_of(viewer, "thumb", title, at_ms, {"value": value})
        elif not finished and title.id not in memory.saved and self._random.random() < 0.15:
            memory.saved.insert(0, title.id)
            yield self._tell_of(viewer, "list_change", title, at_ms, {"saved": True})

    def _remember(
        self,
        viewer: Viewer,
        title: Title,
        playable: Playable,
        at_ms: int,
        start_s: float,
        end_s: float,
        length_s: float,
    ) -> None:
        self._memory[viewer.profile_id].watched[playable.id] = Watched(
            playable_id=playable.id,
            title_id=title.id,
            position_s=end_s,
            duration_s=length_s,
            finished=is_finished(end_s, length_s),
            last_ms=at_ms,
        )
        if is_view(end_s, start_s, length_s):
            self._views.append((at_ms, title.id, viewer.profile_id))

    def _tell(
        self,
        viewer: Viewer,
        kind: str,
        title: Title,
        playable: Playable,
        at_ms: int,
        position_s: float,
        length_s: float,
        more: Mapping[str, object],
    ) -> Told:
        event = Event(
            id=self._id(at_ms),
            type=msgspec.convert(kind, EventType),
            at_ms=at_ms,
            title_id=title.id,
            playable_id=playable.id,
            position_s=round(position_s, 3),
            data={"duration_s": length_s, **more},
        )
        return Told(viewer.profile_id, event)

    def _tell_of(self, viewer: Viewer, kind: EventType, title: Title, at_ms: int, data: dict[str, object]) -> Told:
        event = Event(id=self._id(at_ms), type=kind, at_ms=at_ms, title_id=title.id, data=data)
        return Told(viewer.profile_id, event)

    def _id(self, at_ms: int) -> EventId:
        return EventId(new_id(VirtualClock(at_ms * 1_000_000), entropy=self._random.getrandbits(80)))


def offers_of(viewer: Viewer, page: Page) -> Iterator[tuple[float, Slot]]:
    """Every place of a page with its pull on a viewer: attention that is left there, times taste."""
    if page.billboard is not None:
        yield taste(viewer, page.billboard.title), page.billboard
    for down, row in enumerate(page.rows):
        for across, slot in enumerate(row.slots):
            yield ROW_ATTENTION**down * PLACE_ATTENTION**across * taste(viewer, slot.title), slot


def liked(viewer: Viewer, title: Title) -> float:
    """The chance that a viewer watches a title to its end."""
    return min(0.95, 0.35 + 0.25 * taste(viewer, title))


def taste(viewer: Viewer, title: Title) -> float:
    """How much a viewer likes a title: the mean over its genres, 1 for none."""
    found = [viewer.tastes.get(genre, 1.0) for genre in title.genres]
    return sum(found) / len(found) if found else 1.0
