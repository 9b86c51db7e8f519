"""Use cases of the catalogue: who sees what, search, editing, how a file becomes a title, uploads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from reelwright.catalog.adapters import sql
from reelwright.catalog.adapters.beside import Beside, look_beside
from reelwright.catalog.adapters.kept import KeptTitles
from reelwright.catalog.adapters.search import searchable
from reelwright.catalog.adapters.sources import Stamp, fingerprint_of, stamp_of
from reelwright.catalog.adapters.uploads import UploadFolder
from reelwright.catalog.contract import (
    ChangedMeanwhile,
    Person,
    Playable,
    PlayableState,
    SourceArrived,
    Subtitle,
    Title,
    TitleDetail,
)
from reelwright.catalog.core import naming
from reelwright.catalog.core.visibility import is_visible, sight_of
from reelwright.catalog.core.words import score, words
from reelwright.catalog.settings import CatalogSettings
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, NotFound, ReelwrightError
from reelwright.kernel.ids import AssetId, PlayableId, TitleId, new_id
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.principal import Principal
from reelwright.kernel.telemetry import logger

_QUERY_WORDS = 8
PLAYABLE_STATES = ("watchable", "ready")
DAY_MS = 86_400_000
Age = Annotated[int, Meta(ge=0, le=21, description="Least age in years; null is unrated.")]
Moment = Annotated[int, Meta(ge=0, le=253_402_300_799_999, description="Milliseconds since the epoch.")]
log = logger(__name__)


class TitleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an editor changes of a title; what is left out stays."""

    name: Annotated[str, Meta(max_length=300, pattern=r"\w")] | UnsetType = UNSET
    year: Annotated[int, Meta(ge=1870, le=2200)] | UnsetType | None = UNSET
    summary: Annotated[str, Meta(max_length=4000)] | UnsetType = UNSET
    maturity: Age | UnsetType | None = UNSET
    genres: (
        Annotated[tuple[Annotated[str, Meta(max_length=60, pattern=r"\w")], ...], Meta(max_length=20)] | UnsetType
    ) = UNSET
    people: Annotated[tuple[Person, ...], Meta(max_length=100)] | UnsetType = UNSET
    available_from_ms: Moment | UnsetType | None = UNSET
    available_until_ms: Moment | UnsetType | None = UNSET


class CatalogService:
    """Implements `CatalogClient`, and what only pages, API and the watcher use."""

    def __init__(
        self, *, database: Database, objects: ObjectStore, clock: Clock, source_arrived: SourceArrived
    ) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock
        self._source_arrived = source_arrived
        self._kept = KeptTitles()

    # Looking

    async def get_title(self, title_id: TitleId, caller: Principal) -> TitleDetail:
        """One title; NotFound also for what the caller may not see."""
        detail = await self._database.read(sql.get_detail, title_id)
        if detail is None or not is_visible(detail.title, caller, self._now_ms()):
            raise NotFound("no such title")
        return detail

    async def get_playable(self, playable_id: PlayableId, caller: Principal) -> tuple[Title, Playable]:
        """One playable with its title; NotFound also for what the caller may not see."""
        playable = await self._database.read(sql.find_playable, playable_id)
        if playable is None:
            raise NotFound("no such title")
        return (await self.get_title(playable.title_id, caller)).title, playable

    async def list_titles(self, caller: Principal) -> Sequence[TitleDetail]:
        """Every title that the caller may see and that has something to play, newest first.

        The same object while nothing changes: what is made of it can be kept with it.
        """
        sight = sight_of(caller, self._now_ms())
        return await self._database.read(self._kept.list, sight, states=PLAYABLE_STATES)

    async def list_all(self, caller: Principal) -> Sequence[TitleDetail]:
        """Every title that the caller may see, also those still waiting, newest first."""
        return await self._database.read(self._kept.list, sight_of(caller, self._now_ms()))

    async def list_page(
        self, caller: Principal, *, limit: int, after: tuple[int, str] | None = None, waiting: bool = False
    ) -> list[TitleDetail]:
        """One page of `list_titles`, or of `list_all`; `after` is (added_ms, id) of the last title seen."""
        sight, states = sight_of(caller, self._now_ms()), () if waiting else PLAYABLE_STATES
        return await self._database.read(sql.list_details, sight, states=states, after=after, limit=limit)

    async def visible_titles(self, title_ids: Collection[TitleId], caller: Principal) -> frozenset[TitleId]:
        """Those of the titles that exist for the caller."""
        return await self._database.read(sql.list_visible, sight_of(caller, self._now_ms()), title_ids)

    async def search(self, text: str, caller: Principal, *, limit: int = 30) -> list[Title]:
        """Titles that match every word by word, prefix or near-miss, best first."""
        query = words(text[:200])[:_QUERY_WORDS]
        if not query:
            return []
        titles = await self._database.read(sql.find_matches, sight_of(caller, self._now_ms()), query)
        ranked = sorted(titles, key=lambda title: (-score(query, searchable(title)), title.name, title.id))
        return ranked[:limit]

    # Editing

    async def change_title(self, title_id: TitleId, caller: Principal, change: TitleChange, revision: int) -> Title:
        """Change a title; ChangedMeanwhile when somebody else has changed it since `revision`."""
        values = {key: value for key, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        await self.get_title(title_id, caller)

        def write(connection: sa.Connection) -> Title:
            detail = sql.get_detail(connection, title_id)
            if detail is None:
                raise NotFound("no such title")
            if detail.title.revision != revision:
                raise ChangedMeanwhile(f"{detail.title.name} was changed meanwhile; load it again, then change it")
            changed = msgspec.structs.replace(detail.title, **values, revision=revision + 1)
            _check(changed)
            sql.change_title(connection, changed)
            return changed

        return await self._database.write(write)

    async def find_there(self, playable_ids: Collection[PlayableId]) -> set[PlayableId]:
        """Which of these playables there are, for nobody's eyes."""
        return await self._database.read(sql.find_there, playable_ids)

    async def delete_title(self, title_id: TitleId, caller: Principal) -> None:
        """Remove a title; its source files stay where they are, and are not taken up again.

        What was made of them goes an hour later, by the worker.
        """
        await self.get_title(title_id, caller)
        await self._database.write(sql.delete_title, title_id)

    # Files

    async def add(self, path: Path, *, root: Path | None = None) -> PlayableId | None:
        """Take up a film file, with what lies beside it. None when it is known already, or is no film by its name.

        Within a watched `root`, samples and trailers are passed over and links are refused; all of it is backlog,
        behind what somebody uploads or names.
        """
        relative = path.relative_to(root) if root else path
        if path.suffix.lower() not in naming.VIDEO_SUFFIXES or (root and naming.is_extra(relative)):
            return None
        stamp = await anyio.to_thread.run_sync(lambda: stamp_of(path, follow_links=root is None))
        known = await self._database.read(sql.find_source, str(path))
        if known and (known["size"], known["mtime_ns"]) == stamp:
            return None
        fingerprint = await anyio.to_thread.run_sync(fingerprint_of, path)
        if await self._is_same(path, stamp, fingerprint, known):
            return None
        beside = await anyio.to_thread.run_sync(look_beside, path, self._objects)
        playable_id = await self._database.write(self._enter, path, naming.parse(relative), beside)
        await self._source_arrived(
            playable_id=playable_id, path=path, subtitles=beside.subtitles, backlog=root is not None
        )
        # Written last: a crash before this line is repaired by the next look, which finds the same title again.
        await self._put_source(path, stamp, fingerprint, playable_id)
        return playable_id

    async def _is_same(self, path: Path, stamp: Stamp, fingerprint: str, known: dict[str, Any] | None) -> bool:
        """Whether this is what is known here already, only touched, or what was known elsewhere and has moved."""
        for source in await self._database.read(sql.find_same_sources, fingerprint):
            here = known is not None and source["path"] == known["path"]
            if here or (known is None and not await anyio.to_thread.run_sync(Path(source["path"]).exists)):
                if not here and source["playable_id"]:
                    await self._tell_moved(path, PlayableId(source["playable_id"]))
                await self._put_source(path, stamp, fingerprint, source["playable_id"], source["path"])
                return True
        return False

    async def _tell_moved(self, path: Path, playable_id: PlayableId) -> None:
        """Its encode may not have begun, or not have ended."""
        beside = await anyio.to_thread.run_sync(look_beside, path, self._objects)
        await self._source_arrived(playable_id=playable_id, path=path, subtitles=beside.subtitles, backlog=True)

    async def _put_source(
        self, path: Path, stamp: Stamp, fingerprint: str, playable_id: str, old_path: str = ""
    ) -> None:
        size, mtime_ns = stamp
        await self._database.write(
            sql.put_source,
            old_path,
            path=str(path),
            size=size,
            mtime_ns=mtime_ns,
            fingerprint=fingerprint,
            playable_id=playable_id,
        )

    def _enter(self, connection: sa.Connection, path: Path, name: naming.FileName, beside: Beside) -> PlayableId:
        known = sql.find_source(connection, str(path))
        if known is not None and known["playable_id"]:  # the file was replaced: the same playable gets a new source
            return PlayableId(known["playable_id"])
        title = self._title_for(connection, name, beside)
        detail = sql.get_detail(connection, title.id)
        for playable in detail.playables if detail else ():
            if (playable.season, playable.episode) == (name.season, name.episode):
                return playable.id
        numbered = f"Episode {name.episode}" if name.episode is not None else title.name
        playable = Playable(
            id=PlayableId(new_id(self._clock)),
            title_id=title.id,
            name=(beside.facts.episode_name or name.episode_name or numbered)[:300],
            season=name.season,
            episode=name.episode,
            summary=beside.facts.episode_summary or "",
        )
        sql.put_playable(connection, playable)
        return playable.id

    def _title_for(self, connection: sa.Connection, name: naming.FileName, beside: Beside) -> Title:
        facts = beside.facts
        series = name.episode is not None
        shown, year = facts.name or name.name, facts.year or name.year
        # A year tells two films of one name apart; of a series, one episode's file may name it and another's not.
        key = (
            f"series|{' '.join(words(shown))}|" if series else f"film|{' '.join(words(shown)) or shown}|{year or ''}"
        )
        found = sql.find_title_by_key(connection, key)
        if found is not None:
            fuller = _filled(found, beside, series=series)
            if fuller != found:
                sql.change_title(connection, fuller)
            return fuller
        title = Title(
            id=TitleId(new_id(self._clock)),
            kind="series" if series else "film",
            name=shown[:300],
            year=year,
            language=facts.language,
            added_ms=self._now_ms(),
            synthetic=facts.synthetic,
        )
        title = _filled(title, beside, series=series)
        sql.put_title(connection, title, key)
        return title

    # Told by media

    async def set_playable_state(
        self,
        playable_id: PlayableId,
        *,
        state: PlayableState,
        asset_id: AssetId | None = None,
        duration_s: float | None = None,
        still: str = "",
        poster: str = "",
        backdrop: str = "",
        problem: str = "",
    ) -> None:
        """Told by media as an encode goes on; pictures fill only what is empty."""
        await self._database.write(
            set_playable_state,
            playable_id,
            state=state,
            asset_id=asset_id,
            duration_s=duration_s,
            still=still,
            poster=poster,
            backdrop=backdrop,
            problem=problem,
        )

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


def set_playable_state(
    connection: sa.Connection,
    playable_id: PlayableId,
    *,
    state: PlayableState,
    asset_id: AssetId | None = None,
    duration_s: float | None = None,
    still: str = "",
    poster: str = "",
    backdrop: str = "",
    problem: str = "",
) -> None:
    """The statement behind `set_playable_state`, for workers, which are synchronous."""
    playable = sql.find_playable(connection, playable_id)
    detail = sql.get_detail(connection, playable.title_id) if playable else None
    if playable is None or detail is None:
        return  # the title was deleted while it was encoded
    values: dict[str, object] = {"problem": problem}
    # A new source of a title that plays already must not take it away until it is ready itself.
    if not (playable.state == "ready" and state in ("encoding", "watchable", "failed")):
        values["state"] = state
        values["asset_id"] = asset_id or playable.asset_id
    values["duration_s"] = duration_s or playable.duration_s
    values["still"] = still or playable.still
    sql.set_playable(connection, playable_id, **values)
    title = detail.title
    if (poster and not title.poster) or (backdrop and not title.backdrop):
        sql.change_title(
            connection,
            msgspec.structs.replace(title, poster=title.poster or poster, backdrop=title.backdrop or backdrop),
        )


def _filled(title: Title, beside: Beside, *, series: bool) -> Title:
    """The title with what was empty filled; a series is rated as its highest episode."""
    facts = beside.facts
    ages = [age for age in (title.maturity, facts.maturity) if age is not None]
    return msgspec.structs.replace(
        title,
        summary=title.summary or facts.summary or "",
        maturity=max(ages, default=None) if series or title.maturity is None else title.maturity,
        genres=title.genres or facts.genres,
        people=title.people or facts.people,
        poster=title.poster or beside.poster,
        backdrop=title.backdrop or beside.backdrop,
    )


def _check(title: Title) -> None:
    """What no single field can say of itself. Raises Invalid."""
    begin, end = title.available_from_ms, title.available_until_ms
    if begin is not None and end is not None and begin >= end:
        raise Invalid("available_until_ms comes after available_from_ms")


def subtitle_rows(subtitles: tuple[Subtitle, ...]) -> tuple[tuple[str, str, str, bool], ...]:
    """Subtitles as media takes them."""
    return tuple((row.path, row.language, row.label, row.forced) for row in subtitles)


class UploadState(msgspec.Struct, frozen=True, kw_only=True):
    """How far an upload is."""

    offset: int
    length: int


class UploadService:
    """Files that come in through the API, piece by piece, and become films when they are whole."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        folder: UploadFolder,
        catalog: CatalogService,
        settings: CatalogSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._folder = folder
        self._catalog = catalog
        self._settings = settings

    async def create(self, caller: Principal, *, name: str, length: int) -> str:
        """Begin an upload of `length` bytes; returns its id. Raises Invalid."""
        if not 1 <= length <= self._settings.upload_bytes:
            raise Invalid(f"an upload has 1 to {self._settings.upload_bytes} bytes, got {length}")
        upload_id = new_id(self._clock)
        await anyio.to_thread.run_sync(self._folder.create, upload_id)
        await self._database.write(
            sql.put_upload,
            id=upload_id,
            user_id=caller.user_id or "",
            name=name,
            length=length,
            created_ms=self._now_ms(),
            done=False,
        )
        return upload_id

    async def get(self, caller: Principal, upload_id: str) -> UploadState:
        """How far an upload of the caller is. Raises NotFound, also for anybody else's."""
        row = await self._own(caller, upload_id)
        offset = await anyio.to_thread.run_sync(self._folder.offset, upload_id, row["name"])
        return UploadState(offset=row["length"] if row["done"] else offset, length=row["length"])

    async def append(
        self, caller: Principal, upload_id: str, blocks: AsyncIterator[bytes], *, offset: int, checksum: str = ""
    ) -> UploadState:
        """Write what comes at `offset`, durably; when the last byte has arrived the film is added."""
        row = await self._own(caller, upload_id)
        length = row["length"]
        if row["done"]:
            return UploadState(offset=length, length=length)
        arrived = await self._folder.append(
            upload_id, row["name"], blocks, offset=offset, length=length, checksum=checksum
        )
        if arrived == length:
            await self._complete(row)
        return UploadState(offset=arrived, length=length)

    async def give_up(self, caller: Principal, upload_id: str) -> None:
        """Throw away an upload that has not become a film."""
        row = await self._own(caller, upload_id)
        if not row["done"]:
            await self._discard(upload_id)

    async def look_after(self) -> None:
        """Complete what is whole and was cut off before it became a film; throw away what nobody goes on with."""
        oldest_ms = self._now_ms() - self._settings.upload_days * DAY_MS
        for row in await self._database.read(sql.list_open_uploads):
            try:
                offset = await anyio.to_thread.run_sync(self._folder.offset, row["id"], row["name"])
                changed_ms = await anyio.to_thread.run_sync(self._folder.changed_ms, row["id"])
                if offset == row["length"]:
                    await self._complete(row)
                elif max(changed_ms, row["created_ms"]) < oldest_ms:
                    await self._discard(row["id"])
            except (ReelwrightError, OSError) as error:
                log.warning("upload waits", upload=row["id"], problem=str(error))

    async def _complete(self, row: dict[str, Any]) -> None:
        path = await anyio.to_thread.run_sync(self._folder.finish, row["id"], row["name"])
        await self._catalog.add(path)
        await self._database.write(sql.set_upload_done, row["id"])

    async def _discard(self, upload_id: str) -> None:
        await self._database.write(sql.delete_upload, upload_id)
        await anyio.to_thread.run_sync(self._folder.delete, upload_id)

    async def _own(self, caller: Principal, upload_id: str) -> dict[str, Any]:
        row = await self._database.read(sql.find_upload, upload_id)
        if row is None or row["user_id"] != (caller.user_id or ""):
            raise NotFound("no such upload")
        return row

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000
