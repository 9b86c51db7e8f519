"""How the systems of the web process are made from each other, in layer order; ports are bound here.

Everything is constructed without a database query or a socket, so that documentation tools can compose too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from litestar.datastructures import Cookie

from reelwright.accounts.api import Cookies
from reelwright.accounts.ports import ProfileRemoved
from reelwright.accounts.system import AccountsSystem
from reelwright.app.decisions import telling
from reelwright.app.installed import systems_with
from reelwright.app.listening import cookies_are_secure
from reelwright.app.operations import ServiceOperations
from reelwright.catalog.contract import Subtitle
from reelwright.catalog.service import subtitle_rows
from reelwright.catalog.system import CatalogSystem
from reelwright.cdn.control import CdnSystem
from reelwright.events.system import EventsSystem
from reelwright.experiments.adapters.viewing import project_viewing
from reelwright.experiments.system import ExperimentsSystem
from reelwright.kernel.database import Database
from reelwright.kernel.errors import NotFound
from reelwright.kernel.ids import PlayableId, ProfileId
from reelwright.kernel.principal import Principal
from reelwright.kernel.system import Resources, System
from reelwright.lake.adapters.sql import ask_erasure
from reelwright.lake.system import LakeSystem
from reelwright.limits.system import LimitsSystem
from reelwright.media.ports import JobQueue
from reelwright.media.system import MediaSystem
from reelwright.playback.system import PlaybackSystem
from reelwright.practice.system import PracticeSystem
from reelwright.recommend.system import RecommendSystem
from reelwright.web.system import WebSystem


class SameHostViewers:
    """Binds media URLs to the viewer's cookie where every edge shares the host that the cookie is for."""

    def __init__(self, accounts: AccountsSystem, cookies: Cookies, resources: Resources) -> None:
        self._accounts = accounts.service
        self._cookies = cookies
        host = urlsplit(resources.public_url).hostname
        self._shared = all(urlsplit(url).hostname == host for url in resources.media_urls)

    def bind(self, caller: Principal) -> tuple[str, list[Cookie]]:
        """The viewer to sign for (empty: nobody), and the cookie that proves it where the browser lacks it."""
        if caller.kind != "session" or caller.profile_id is None or not self._shared:
            return "", []
        if caller.viewer:
            return caller.viewer, []
        value = self._accounts.viewer_name(caller.profile_id)
        return value, [self._cookies.viewer(value)]


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """The systems of one process, in the order they start, and what their handlers are given by name."""

    systems: Sequence[System]
    dependencies: dict[str, Any]
    operations: ServiceOperations


def wire(resources: Resources, *, queue: JobQueue) -> Wiring:
    """Make every system of the web process."""
    accounts = AccountsSystem(resources, profile_removed=_erasing(resources))
    events = EventsSystem(resources, projectors=(project_viewing,))
    media, catalog = wire_sources(resources, queue=queue)
    experiments = ExperimentsSystem(resources, events=events.service)
    cdn = CdnSystem(resources, events=events.service)
    playback = PlaybackSystem(
        resources,
        accounts=accounts.service,
        catalog=catalog.service,
        media=media.service,
        events=events.service,
        experiments=experiments.service,
        steering=cdn.service,
    )
    cookies = Cookies(secure=cookies_are_secure(resources.public_url))
    lake = LakeSystem(resources)
    systems: list[System] = [accounts, catalog, events, lake, experiments, cdn, media, playback]
    operations = ServiceOperations(resources.data / "run", systems)
    given: dict[str, Any] = {
        "experiments": experiments.service,
        "resources": resources,
        "database": resources.database,
        "objects": resources.objects,
        "operations": operations,
        "accounts": accounts.service,
        "replies": accounts.replies,
        "cookie_jar": cookies,
        "catalog": catalog.service,
        "catalog_settings": catalog.settings,
        "uploads": catalog.uploads,
        "events": events.service,
        "lake": lake.service,
        "visible": catalog.service,
        "media": media.service,
        "playback": playback.service,
        "cdn": cdn.service,
        "viewers": SameHostViewers(accounts, cookies, resources),
    }
    limits = LimitsSystem(resources, tell=telling(events.service, resources.clock))
    given |= {"limits": limits.service, "limits_history": limits.history, "limits_gate": limits.gate}
    recommend = RecommendSystem(
        resources, catalog=catalog.service, events=events.service, experiments=experiments.service
    )
    given["recommend"] = recommend.service
    practice = PracticeSystem(resources, accounts.service, forget=accounts.replies.forget_all)
    given |= practice.given
    systems += [recommend, practice, WebSystem(resources, practice=True, registered=cdn.service.known_urls), limits]
    return Wiring(systems=systems, dependencies=given, operations=operations)


def wire_collector(resources: Resources) -> Wiring:
    """Accounts, to know who reports, and events."""
    accounts = AccountsSystem(resources, profile_removed=_erasing(resources))
    events = EventsSystem(resources, role="collector", projectors=(project_viewing,))
    systems: list[System] = [accounts, events]
    operations = ServiceOperations(resources.data / "run", systems)
    given = {
        "resources": resources,
        "operations": operations,
        "accounts": accounts.service,
        "cookie_jar": Cookies(secure=cookies_are_secure(resources.public_url)),
        "events": events.service,
    }
    return Wiring(systems=systems, dependencies=given, operations=operations)


def _erasing(resources: Resources) -> ProfileRemoved:
    """Has the lake erase what a profile did, in the transaction that removes it."""

    def erase(connection: sa.Connection, profile_id: ProfileId) -> None:
        ask_erasure(connection, profile_id, resources.clock.wall_ns() // 1_000_000)

    return erase


def wire_sources(resources: Resources, *, queue: JobQueue) -> tuple[MediaSystem, CatalogSystem]:
    """Media, and the catalogue whose new sources media encodes."""
    media = MediaSystem(resources, queue=queue)

    async def source_arrived(
        *, playable_id: PlayableId, path: Path, subtitles: tuple[Subtitle, ...], backlog: bool
    ) -> None:
        rows = subtitle_rows(subtitles)
        asset_id = await media.service.ingest(playable_id=playable_id, path=path, subtitles=rows, backlog=backlog)
        with contextlib.suppress(NotFound):
            package = await media.service.get_package(asset_id)
            if package.complete:  # the file is back in the place of another, which plays until now
                await catalog.service.set_playable_state(
                    playable_id, state="ready", asset_id=asset_id, duration_s=package.duration_s
                )

    catalog = CatalogSystem(resources, source_arrived=source_arrived)
    return media, catalog


def migrate(database: Database) -> None:
    """Bring every system's tables to their newest form."""
    database.migrate([f"reelwright.{name}" for name in systems_with("migrations")])
