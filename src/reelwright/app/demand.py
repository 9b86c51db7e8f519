"""What viewers will ask for tomorrow, from all that the house knows: binds the CDN's `Demand` port."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from reelwright.accounts.adapters.sql import PROFILES
from reelwright.catalog.contract import Playable, TitleDetail
from reelwright.catalog.service import CatalogService
from reelwright.cdn.contract import FillItem
from reelwright.cdn.ports import Forecast, Shelf
from reelwright.events.adapters.sql import WATCHED, count_views, list_saved, list_thumbs, list_watched
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.ids import ProfileId, TitleId
from reelwright.kernel.principal import EVERYTHING, Principal
from reelwright.kernel.system import Resources
from reelwright.media.contract import Package
from reelwright.media.service import MediaService
from reelwright.recommend.contract import Page
from reelwright.recommend.core.page import Signals, build_page

DAY_MS = 86_400_000
DAYS = 7
RELEASE_RANK = 5
"""Where a release enters the ranking, until its plays are known."""
RESUMES, GOES_ON = 0.4, 0.6
"""Of those who stopped in the middle, and of those who finished an episode, how many come back the next day."""
LEFT_BY_THE_END = 0.55
"""Share of the viewers of a film's beginning who do not see its end."""
ENTICED, FADES = 0.02, 0.8
"""Plays a day of a home page's first place, and what each place and row further is worth of that: assumed, half a
play a day and viewer for a whole page. What stands high on many pages is wanted before anybody has played it."""
PAGES_MOST = 100
"""Viewers whose pages are looked at, who watched last first."""
WATCHED_MOST = 200
FOLLOWED = ("continue", "next_episode")
"""Rows that show what is known from watch progress already."""
HOUSE = Principal(kind="peer", role="admin", maturity_limit=EVERYTHING)


class HouseDemand:
    """Reads catalogue, views, watch progress, and what home pages show."""

    def __init__(self, resources: Resources, catalog: CatalogService, media: MediaService) -> None:
        self._database = resources.database
        self._clock = resources.clock
        self._catalog = catalog
        self._media = media
        self._objects = resources.objects
        self._sizes: dict[str, int] = {}

    async def forecast(self) -> Forecast:
        """As it is now."""
        now_ms = self._clock.wall_ns() // 1_000_000
        details = list(await self._catalog.list_all(HOUSE))
        playables = [one for detail in details for one in detail.playables if one.asset_id is not None]
        watched = await self._database.read(_recent, now_ms - DAYS * DAY_MS)
        begun = begun_of(watched)
        shelves = [shelf for one in playables for shelf in await self._shelves(one, begun.get(one.id, ()))]
        views = [
            await self._database.read(count_views, now_ms - (age + 1) * DAY_MS, now_ms - age * DAY_MS)
            for age in range(DAYS - 1, -1, -1)
        ]
        added = Counter(wanted_next(details, watched))
        for page in await self._pages(views[-1], now_ms):
            added.update(enticed(page, firsts_of(details)))
        return Forecast(
            shelves=shelves,
            history=[spread(day, details) for day in views],
            promoted=promoted(details, views[-1], now_ms),
            added=dict(added),
        )

    async def _pages(self, day: dict[TitleId, int], now_ms: int) -> list[Page]:
        """The home pages of those who watched last, as recommend would make them now."""
        week = await self._database.read(count_views, now_ms - DAYS * DAY_MS, now_ms)
        titles: dict[tuple[int, bool], list[TitleDetail]] = {}
        pages = []
        for profile_id, limit, kids in await self._database.read(_viewers, now_ms - DAYS * DAY_MS):
            if (limit, kids) not in titles:
                who = Principal(kind="token", role="viewer", maturity_limit=limit, kids=kids)
                titles[limit, kids] = list(await self._catalog.list_titles(who))
            found = await self._database.read(
                _signals, profile_id, titles=titles[limit, kids], views_day=day, views_week=week, now_ms=now_ms
            )
            pages.append(build_page(found))
        return pages

    async def _shelves(self, playable: Playable, begun: Iterable[int]) -> list[Shelf]:
        """All of a playable, and what is left of it from each tenth in which somebody stopped."""
        assert playable.asset_id is not None
        try:
            package = await self._media.get_package(playable.asset_id)
        except ReelwrightError:
            return []
        name = await self._media.get_package_name(playable.asset_id)
        beside = await anyio.to_thread.run_sync(self._sized, package, name)
        rests = (Shelf(rest_of(playable.id, tenth), shares(package, beside, tenth / 10)) for tenth in sorted(begun))
        return [Shelf(playable.id, shares(package, beside)), *rests]

    def _sized(self, package: Package, name: str) -> dict[str, int]:
        """Sizes of what a package names without its size, and of the package itself; each is asked for once."""
        wanted = [name, *(track.init for track in package.tracks), *(text.name for text in package.texts)]
        for one in wanted:
            if one not in self._sizes and (size := self._objects.size(one)) is not None:
                self._sizes[one] = size
        return {one: self._sizes[one] for one in wanted if one in self._sizes}


def shares(package: Package, beside: Mapping[str, int], begin: float = 0.0) -> list[tuple[FillItem, float]]:
    """Each object with the share of plays that ask for it: what lies `beside` the segments, and these.

    Plays begin at a share of the film; what ended before that is not asked for. Without its initialisation segment no
    rendition plays, and an edge makes manifests from the package.
    """
    inits = {track.init: sum(one.kind == track.kind for one in package.tracks) for track in package.tracks}
    found = [(FillItem(name, size), 1 / inits.get(name, 1)) for name, size in beside.items()]
    for track in package.tracks:
        alike = sum(one.kind == track.kind for one in package.tracks)
        for place, segment in enumerate(track.segments):
            if place + 1 > begin * len(track.segments):
                at = max(begin, place / len(track.segments))
                still = (1 - LEFT_BY_THE_END * at) / (1 - LEFT_BY_THE_END * begin)
                found.append((FillItem(segment.name, segment.bytes), still / alike))
    return found


def spread(views: dict[Any, int], details: list[TitleDetail]) -> dict[str, float]:
    """A day's plays of titles as plays of what can be played; a series' plays are shared by its episodes."""
    return {
        playable.id: views[detail.title.id] / len(detail.playables)
        for detail in details
        for playable in detail.playables
        if detail.title.id in views
    }


def firsts_of(details: Iterable[TitleDetail]) -> dict[TitleId, str]:
    """By title what is played of it first."""
    return {detail.title.id: detail.playables[0].id for detail in details if detail.playables}


def promoted(details: list[TitleDetail], views: dict[Any, int], now_ms: int) -> dict[str, int]:
    """The Top 10 keeps its place, and what is released today or tomorrow enters it."""
    firsts = firsts_of(details)
    top = sorted((title for title in views if title in firsts), key=lambda title: -views[title])[:10]
    ranks: dict[str, int] = {firsts[title]: rank for rank, title in enumerate(top)}
    for detail in details:
        began_ms = detail.title.available_from_ms or detail.title.added_ms
        if detail.playables and abs(began_ms - now_ms) < DAY_MS:
            ranks.setdefault(firsts[detail.title.id], RELEASE_RANK)
    return ranks


def enticed(page: Page, firsts: Mapping[TitleId, str]) -> dict[str, float]:
    """Plays that a viewer's home page will cause, by playable: its places are worth less to the right and below."""
    rows = [row for row in page.rows if row.kind not in FOLLOWED]
    places = [(slot, 0.0) for slot in (page.billboard,) if slot is not None and slot.progress is None]
    places += [(slot, float(at + below)) for below, row in enumerate(rows) for at, slot in enumerate(row.slots)]
    found: dict[str, float] = {}
    for slot, depth in places:
        wanted = slot.playable_id or firsts.get(slot.title.id)
        if wanted:
            found[wanted] = found.get(wanted, 0.0) + ENTICED * FADES**depth
    return found


def tenth_of(row: Mapping[str, Any]) -> int:
    """The tenth of a film in which somebody stopped, 0 to 9."""
    return min(9, int(10 * row["position_s"] / row["duration_s"])) if row["duration_s"] > 0 else 0


def rest_of(playable_id: str, tenth: int) -> str:
    """The name of what is left of a playable from a tenth on."""
    return f"{playable_id} from {tenth}/10"


def begun_of(watched: Iterable[Mapping[str, Any]]) -> dict[str, set[int]]:
    """By playable the tenths in which somebody stopped."""
    found: dict[str, set[int]] = defaultdict(set)
    for row in watched:
        if not row["finished"]:
            found[row["playable_id"]].add(tenth_of(row))
    return found


def wanted_next(details: list[TitleDetail], watched: list[dict[str, Any]]) -> dict[str, float]:
    """The rest of what profiles are in the middle of, and the episodes after those that they finished."""
    following = {
        before.id: after.id
        for detail in details
        for before, after in zip(detail.playables, detail.playables[1:], strict=False)
    }
    found: dict[str, float] = {}
    for row in watched:
        playable_id = row["playable_id"]
        wanted = following.get(playable_id, "") if row["finished"] else rest_of(playable_id, tenth_of(row))
        if wanted:
            found[wanted] = found.get(wanted, 0.0) + (GOES_ON if row["finished"] else RESUMES)
    return found


def _recent(connection: sa.Connection, since_ms: int) -> list[dict[str, Any]]:
    names = ("playable_id", "finished", "position_s", "duration_s")
    query = sa.select(*(WATCHED.c[name] for name in names)).where(WATCHED.c.last_ms >= since_ms)
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query)]


def _viewers(connection: sa.Connection, since_ms: int) -> list[tuple[ProfileId, int, bool]]:
    """Profiles that watched since, the latest first, with what they may see."""
    latest = sa.func.max(WATCHED.c.last_ms)
    query = (
        sa.select(PROFILES.c.id, PROFILES.c.maturity_limit, PROFILES.c.kids)
        .join(WATCHED, WATCHED.c.profile_id == PROFILES.c.id)
        .where(WATCHED.c.last_ms >= since_ms)
        .group_by(PROFILES.c.id, PROFILES.c.maturity_limit, PROFILES.c.kids)
        .order_by(latest.desc(), PROFILES.c.id)
        .limit(PAGES_MOST)
    )
    return [(ProfileId(row[0]), int(row[1]), bool(row[2])) for row in connection.execute(query)]


def _signals(connection: sa.Connection, profile_id: ProfileId, /, **more: Any) -> Signals:
    return Signals(
        watched=list_watched(connection, profile_id, WATCHED_MOST, None),
        saved=list_saved(connection, profile_id),
        thumbs=list_thumbs(connection, profile_id),
        **more,
    )
