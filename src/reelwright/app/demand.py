"""What viewers will ask for tomorrow, from all that the house knows: binds the CDN's `Demand` port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from reelwright.catalog.contract import Playable, TitleDetail
from reelwright.catalog.service import CatalogService
from reelwright.cdn.contract import FillItem
from reelwright.cdn.ports import Forecast, Shelf
from reelwright.events.adapters.sql import WATCHED, count_views
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.principal import EVERYTHING, Principal
from reelwright.kernel.system import Resources
from reelwright.media.contract import Package
from reelwright.media.service import MediaService

DAY_MS = 86_400_000
DAYS = 7
RELEASE_RANK = 5
"""Where a release enters the ranking, until its plays are known."""
RESUMES, GOES_ON = 0.4, 0.6
"""Of those who stopped in the middle, and of those who finished an episode, how many come back the next day."""
LEFT_BY_THE_END = 0.55
"""Share of the viewers of a film's beginning who do not see its end."""
HOUSE = Principal(kind="peer", role="admin", maturity_limit=EVERYTHING)


class HouseDemand:
    """Reads catalogue, views and watch progress."""

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
        shelves = [shelf for one in playables if (shelf := await self._shelf(one)) is not None]
        views = [
            await self._database.read(count_views, now_ms - (age + 1) * DAY_MS, now_ms - age * DAY_MS)
            for age in range(DAYS - 1, -1, -1)
        ]
        watched = await self._database.read(_recent, now_ms - DAYS * DAY_MS)
        return Forecast(
            shelves=shelves,
            history=[spread(day, details) for day in views],
            promoted=promoted(details, views[-1], now_ms),
            added=wanted_next(details, watched),
        )

    async def _shelf(self, playable: Playable) -> Shelf | None:
        assert playable.asset_id is not None
        try:
            package = await self._media.get_package(playable.asset_id)
        except ReelwrightError:
            return None
        name = await self._media.get_package_name(playable.asset_id)
        return Shelf(playable.id, shares(package, await anyio.to_thread.run_sync(self._sized, package, name)))

    def _sized(self, package: Package, name: str) -> dict[str, int]:
        """Sizes of what a package names without its size, and of the package itself; each is asked for once."""
        wanted = [name, *(track.init for track in package.tracks), *(text.name for text in package.texts)]
        for one in wanted:
            if one not in self._sizes and (size := self._objects.size(one)) is not None:
                self._sizes[one] = size
        return {one: self._sizes[one] for one in wanted if one in self._sizes}


def shares(package: Package, beside: Mapping[str, int]) -> list[tuple[FillItem, float]]:
    """Each object with the share of plays that ask for it: what lies `beside` the segments, and these.

    Without its initialisation segment no rendition plays, and an edge makes manifests from the package.
    """
    inits = {track.init: sum(one.kind == track.kind for one in package.tracks) for track in package.tracks}
    found = [(FillItem(name, size), 1 / inits.get(name, 1)) for name, size in beside.items()]
    for track in package.tracks:
        alike = sum(one.kind == track.kind for one in package.tracks)
        for place, segment in enumerate(track.segments):
            still = 1 - LEFT_BY_THE_END * place / len(track.segments)
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


def promoted(details: list[TitleDetail], views: dict[Any, int], now_ms: int) -> dict[str, int]:
    """The Top 10 keeps its place, and what is released today or tomorrow enters it."""
    firsts = {detail.title.id: detail.playables[0].id for detail in details if detail.playables}
    top = sorted((title for title in views if title in firsts), key=lambda title: -views[title])[:10]
    ranks: dict[str, int] = {firsts[title]: rank for rank, title in enumerate(top)}
    for detail in details:
        began_ms = detail.title.available_from_ms or detail.title.added_ms
        if detail.playables and abs(began_ms - now_ms) < DAY_MS:
            ranks.setdefault(firsts[detail.title.id], RELEASE_RANK)
    return ranks


def wanted_next(details: list[TitleDetail], watched: list[dict[str, Any]]) -> dict[str, float]:
    """What profiles are in the middle of, and the episodes after those that they finished."""
    following = {
        before.id: after.id
        for detail in details
        for before, after in zip(detail.playables, detail.playables[1:], strict=False)
    }
    found: dict[str, float] = {}
    for row in watched:
        wanted = following.get(row["playable_id"], "") if row["finished"] else row["playable_id"]
        if wanted:
            found[wanted] = found.get(wanted, 0.0) + (GOES_ON if row["finished"] else RESUMES)
    return found


def _recent(connection: sa.Connection, since_ms: int) -> list[dict[str, Any]]:
    query = sa.select(WATCHED.c.playable_id, WATCHED.c.finished).where(WATCHED.c.last_ms >= since_ms)
    return [{"playable_id": row[0], "finished": row[1]} for row in connection.execute(query)]
