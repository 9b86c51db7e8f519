"""Use cases of recommendations: gather the signals, decide, answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from reelwright.catalog.contract import CatalogClient, Title, TitleDetail
from reelwright.events.contract import Event, EventsClient, Watched
from reelwright.experiments.contract import ExperimentsClient
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.ids import EventId, ProfileId, TitleId, new_id
from reelwright.kernel.principal import Principal
from reelwright.kernel.telemetry import logger
from reelwright.recommend.contract import Page, Ranker, Slot
from reelwright.recommend.core.decided import decision_of
from reelwright.recommend.core.exploring import Explores, place_of
from reelwright.recommend.core.interleave import interleave_pages
from reelwright.recommend.core.likeness import Likeness
from reelwright.recommend.core.page import Signals, Top, build_page, top_ten
from reelwright.recommend.core.ranking import Together

DAY_MS = 86_400_000
WEIGHED_MOST = 4
"""Lists of titles, one for each limit that a profile has, whose likeness is kept."""
TOLD_MOST = 50_000
"""Profiles of which is remembered what their page put first."""
RANKERS: tuple[Ranker, ...] = get_args(Ranker)
COUNTED_EACH_TIME, KEPT_MOST_MS = 5000, 60_000
LEARNT_MS = 90 * DAY_MS
"""How far back is learnt from, and from how many views at most."""
LEARNT_MOST = 200_000
LEARNS_EACH_MS = 600_000
log = logger(__name__)
LAYER = "home-page"
"""Where experiments set what orders the page."""


class _Views(msgspec.Struct, frozen=True):
    """Viewers by title in the last day and week, as of a moment."""

    at_ms: int
    day: dict[TitleId, int]
    week: dict[TitleId, int]


def kept_ms(views: int) -> int:
    """How long a count of so many views is kept: counting 100,000 takes 0.3 s of CPU, and no chart moves in 10 s."""
    return min(views // 10, KEPT_MOST_MS) if views >= COUNTED_EACH_TIME else 0


class RecommendService:
    """Implements `RecommendClient`."""

    def __init__(
        self, *, catalog: CatalogClient, events: EventsClient, experiments: ExperimentsClient, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._events = events
        self._experiments = experiments
        self._clock = clock
        self._told: OrderedDict[tuple[ProfileId, bool], tuple[str, TitleId]] = OrderedDict()
        """By profile, what its page put first (True) and explored (False)."""
        self._together, self._learnt_ms = Together(), 0
        self._counting = asyncio.Lock()
        self._counted, self._views_until_ns = _Views(0, {}, {}), 0
        self._weighing = asyncio.Lock()
        self._weighed: list[tuple[Sequence[TitleDetail], Likeness]] = []

    async def get_page(self, caller: Principal) -> Page:
        """The caller's home page now; six queries, whatever the catalogue's size."""
        signals = await self._signals(caller)
        who = {"profile": caller.profile_id, "kids": caller.kids}
        both = self._experiments.interleaving(LAYER, who)
        if both is None:
            chosen = await self._experiments.decide(LAYER, who, profile_id=caller.profile_id)
            ranker = _ranker(chosen)
            signals = _exploring(signals, chosen, caller)
            page = msgspec.structs.replace(await self._build(signals, ranker), policy=f"{ranker}/1")
            explored = next((slot for row in page.rows for slot in row.slots if slot.propensity is not None), None)
            for policy, slot in ((page.policy, page.billboard), ("explore/1", explored)):
                await self._report(msgspec.structs.replace(page, policy=policy), slot, signals, caller)
            return page
        first, second = [await self._build(signals, _ranker(one)) for one in both.parameters]
        page, picks = interleave_pages(first, second, both.draft)
        await self._experiments.show(LAYER, who, picks, profile_id=caller.profile_id)
        return page

    async def _report(self, page: Page, slot: Slot | None, signals: Signals, caller: Principal) -> None:
        """What the page puts before a viewer, as a `decision`, whenever it is another title than before.

        The input is a reference: catalogue and log of events as of that moment. While events cannot be stored the
        viewer gets the page all the same.
        """
        profile_id = caller.profile_id
        if profile_id is None or slot is None:
            return
        key, told = (profile_id, slot.propensity is None), (page.policy, slot.title.id)
        if self._told.get(key) == told:
            return
        self._told[key] = told
        self._told.move_to_end(key)
        while len(self._told) > TOLD_MOST:
            self._told.popitem(last=False)
        decision = Event(
            id=EventId(new_id(self._clock)),
            type="decision",
            at_ms=signals.now_ms,
            title_id=slot.title.id,
            data=decision_of(page, slot, signals),
        )
        try:
            await self._events.record([decision], profile_id=profile_id)
        except ReelwrightError as error:
            self._told.pop(key, None)
            log.warning("decision_waits", problem=str(error))

    async def list_similar(self, title_id: TitleId, caller: Principal, *, limit: int = 12) -> list[Slot]:
        """More like this one, closest first, with the reason said."""
        titles = await self._catalog.list_titles(caller)
        details = {detail.title.id: detail.title for detail in titles}
        seed = (await self._catalog.get_title(title_id, caller)).title
        there = seed.id in details
        likeness = await (self._likeness_of(titles) if there else _likeness([*details.values(), seed]))
        found = [row for row in likeness.alike(seed) if row.title_id in details]
        return [Slot(title=details[row.title_id], evidence=row.evidence) for row in found[:limit]]

    async def get_top(self, caller: Principal) -> tuple[Top, list[Slot]]:
        """The Top 10 among what the caller may see."""
        titles = {detail.title.id: detail.title for detail in await self._catalog.list_titles(caller)}
        now_ms = self._now_ms()
        views = await self._views(now_ms)
        top = top_ten(views.day, views.week, titles)
        return top, [Slot(title=titles[one], rank=rank) for rank, one in enumerate(top.title_ids, 1)]

    async def _signals(self, caller: Principal) -> Signals:
        now_ms = self._now_ms()
        titles, views = await asyncio.gather(self._catalog.list_titles(caller), self._views(now_ms))
        own: tuple[list[Watched], list[TitleId], dict[TitleId, int]] = ([], [], {})
        if caller.profile_id is not None:
            own = await asyncio.gather(
                self._events.list_watched(caller.profile_id),
                self._events.list_saved(caller.profile_id),
                self._events.list_thumbs(caller.profile_id),
            )
        return Signals(
            titles=titles,
            watched=own[0],
            saved=own[1],
            thumbs=own[2],
            views_day=views.day,
            views_week=views.week,
            counted_ms=views.at_ms,
            now_ms=now_ms,
        )

    async def _build(self, signals: Signals, ranker: Ranker) -> Page:
        if ranker == "viewers":
            signals = msgspec.structs.replace(signals, together=await self._learnt(signals.now_ms))
        signals = msgspec.structs.replace(signals, likeness=await self._likeness_of(signals.titles))
        return await asyncio.to_thread(build_page, signals, ranker=ranker)

    async def _likeness_of(self, titles: Sequence[TitleDetail]) -> Likeness:
        """Weighed once for each list: the catalogue gives the same one while nothing changes."""
        async with self._weighing:  # a class that comes at once waits for one
            kept = next((likeness for known, likeness in self._weighed if known is titles), None)
            if kept is None:
                kept = await _likeness([detail.title for detail in titles])
                self._weighed = [(titles, kept), *self._weighed[: WEIGHED_MOST - 1]]
            return kept

    async def _learnt(self, now_ms: int) -> Together:
        """What was watched by the same people, anew every ten minutes; who comes meanwhile has the last one."""
        if abs(now_ms - self._learnt_ms) >= LEARNS_EACH_MS:
            self._learnt_ms = now_ms
            views = await self._events.list_views(since_ms=now_ms - LEARNT_MS, limit=LEARNT_MOST)
            self._together = await asyncio.to_thread(Together, views, now_ms=now_ms)
        return self._together

    async def _views(self, now_ms: int) -> _Views:
        async with self._counting:
            if self._clock.monotonic_ns() >= self._views_until_ns:
                day, week = await asyncio.gather(
                    self._events.count_views(since_ms=now_ms - DAY_MS, until_ms=now_ms + 1),
                    self._events.count_views(since_ms=now_ms - 7 * DAY_MS, until_ms=now_ms + 1),
                )
                self._counted = _Views(now_ms, day, week)
                self._views_until_ns = self._clock.monotonic_ns() + kept_ms(sum(week.values())) * 1_000_000
            return self._counted

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


async def _likeness(titles: Sequence[Title]) -> Likeness:
    return await asyncio.to_thread(Likeness, titles)


def _exploring(signals: Signals, chosen: Mapping[str, Any], caller: Principal) -> Signals:
    """With the share of pages that explore as an experiment sets it; nobody else's page does."""
    share = chosen.get("home.explore")
    if not isinstance(share, int | float) or not 0 < share <= 1 or caller.profile_id is None:
        return signals
    at = place_of(caller.profile_id, signals.now_ms // DAY_MS)
    return msgspec.structs.replace(signals, explores=Explores(float(share), at))


def _ranker(chosen: Mapping[str, Any]) -> Ranker:
    """What an experiment sets; a value that we do not know is the default."""
    return next((one for one in RANKERS if one == chosen.get("home.ranker")), "popular")
