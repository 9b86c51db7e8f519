"""Tables of the catalogue, and the statements on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from reelwright.catalog.adapters import search
from reelwright.catalog.contract import Playable, Title, TitleDetail
from reelwright.catalog.core.visibility import FOREVER_MS, Sight
from reelwright.kernel.database import among, row_dict
from reelwright.kernel.ids import PlayableId, TitleId
from reelwright.kernel.principal import UNRATED

METADATA = search.METADATA


def _table(name: str, *columns: Any) -> sa.Table:
    return sa.Table(f"catalog_{name}", METADATA, *columns)


TITLES = _table(
    "titles",
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("key", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("year", sa.Integer),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("maturity", sa.Integer),
    sa.Column("genres", sa.JSON, nullable=False),
    sa.Column("people", sa.JSON, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("poster", sa.Text, nullable=False),
    sa.Column("backdrop", sa.Text, nullable=False),
    sa.Column("added_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("available_from_ms", sa.BigInteger),
    sa.Column("available_until_ms", sa.BigInteger),
    sa.Column("synthetic", sa.Boolean, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
)
PLAYABLES = _table(
    "playables",
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("title_id", sa.String(26), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("season", sa.Integer),
    sa.Column("episode", sa.Integer),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("asset_id", sa.String(26)),
    sa.Column("duration_s", sa.Float),
    sa.Column("still", sa.Text, nullable=False),
)
CHANGES = _table(
    "changes",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
)
SOURCES = _table(
    "sources",
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False, index=True),
    sa.Column("playable_id", sa.String(26), nullable=False, index=True),
)
UPLOADS = _table(
    "uploads",
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("user_id", sa.String(26), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False),
)


def put_title(connection: sa.Connection, title: Title, key: str) -> None:
    """Insert a title and make it searchable."""
    connection.execute(TITLES.insert().values(key=key, **_columns(title)))
    search.put(connection, title)


def change_title(connection: sa.Connection, title: Title) -> None:
    """Write a title again."""
    connection.execute(TITLES.update().where(TITLES.c.id == title.id).values(**_columns(title)))
    search.delete(connection, title.id)
    search.put(connection, title)


def index_titles(connection: sa.Connection) -> None:
    """Make all titles searchable, where none is."""
    for row in connection.execute(sa.select(TITLES)):
        search.put(connection, title_of(row_dict(row)))


def find_there(connection: sa.Connection, playable_ids: Collection[PlayableId]) -> set[PlayableId]:
    """Which of these playables there are."""
    keys = [(one,) for one in playable_ids]
    return set(connection.scalars(sa.select(PLAYABLES.c.id).where(among(connection, [PLAYABLES.c.id], keys))))


def delete_title(connection: sa.Connection, title_id: str) -> int:
    """Remove a title with its playables; its files are remembered, so that no later look takes them up again."""
    playables = sa.select(PLAYABLES.c.id).where(PLAYABLES.c.title_id == title_id)
    connection.execute(SOURCES.update().where(SOURCES.c.playable_id.in_(playables)).values(playable_id=""))
    connection.execute(PLAYABLES.delete().where(PLAYABLES.c.title_id == title_id))
    search.delete(connection, title_id)
    return connection.execute(TITLES.delete().where(TITLES.c.id == title_id)).rowcount


def find_title_by_key(connection: sa.Connection, key: str) -> Title | None:
    """The title that files of this name belong to."""
    row = connection.execute(sa.select(TITLES).where(TITLES.c.key == key).order_by(TITLES.c.id)).first()
    return title_of(row_dict(row)) if row else None


def get_detail(connection: sa.Connection, title_id: str) -> TitleDetail | None:
    """A title with its playables."""
    row = connection.execute(sa.select(TITLES).where(TITLES.c.id == title_id)).first()
    return _with_playables(connection, [title_of(row_dict(row))])[0] if row else None


def list_details(
    connection: sa.Connection,
    sight: Sight,
    *,
    states: Collection[str] = (),
    after: tuple[int, str] | None = None,
    limit: int | None = None,
) -> list[TitleDetail]:
    """Titles in sight with their playables, the newest first; with `states` only those that have one in such a state.

    `after` is the (added_ms, id) of the last title of the page before.
    """
    query = sa.select(TITLES).where(*_in_sight(sight)).order_by(TITLES.c.added_ms.desc(), TITLES.c.id).limit(limit)
    if states:
        playable = sa.select(PLAYABLES.c.id).where(PLAYABLES.c.title_id == TITLES.c.id, PLAYABLES.c.state.in_(states))
        query = query.where(playable.exists())
    if after is not None:
        added_ms, title_id = after
        same = sa.and_(TITLES.c.added_ms == added_ms, TITLES.c.id > title_id)
        query = query.where(sa.or_(TITLES.c.added_ms < added_ms, same))
    return _with_playables(connection, [title_of(row_dict(row)) for row in connection.execute(query)])


def count_changes(connection: sa.Connection) -> int:
    """How often titles or playables have changed; the database counts, whoever writes."""
    return int(connection.execute(sa.select(CHANGES.c.number)).scalar_one())


def list_visible(connection: sa.Connection, sight: Sight, title_ids: Collection[TitleId]) -> frozenset[TitleId]:
    """Those of the titles that are in sight."""
    found: set[TitleId] = set()
    for some in _some(title_ids):
        query = sa.select(TITLES.c.id).where(TITLES.c.id.in_(some), *_in_sight(sight))
        found.update(connection.scalars(query))
    return frozenset(found)


def find_matches(connection: sa.Connection, sight: Sight, query: list[str], most: int = 400) -> list[Title]:
    """Titles in sight that answer every word of the query, as the database ranks them."""
    matches = search.matches(connection, query)
    found = sa.select(TITLES).join(matches, matches.c.title_id == TITLES.c.id).where(*_in_sight(sight))
    rows = connection.execute(found.order_by(matches.c.rank, TITLES.c.id).limit(most))
    return [title_of(row_dict(row)) for row in rows]


def _in_sight(sight: Sight) -> list[sa.ColumnElement[bool]]:
    """`core.visibility.is_visible`, as the database asks it."""
    found = [sa.func.coalesce(TITLES.c.maturity, UNRATED) <= sight.maturity_limit]
    if sight.at_ms is not None:
        found.append(sa.func.coalesce(TITLES.c.available_from_ms, 0) <= sight.at_ms)
        found.append(sa.func.coalesce(TITLES.c.available_until_ms, FOREVER_MS) > sight.at_ms)
    return found


def _with_playables(connection: sa.Connection, titles: list[Title]) -> list[TitleDetail]:
    playables: dict[str, list[Playable]] = {title.id: [] for title in titles}
    for some in _some(playables):
        for row in connection.execute(sa.select(PLAYABLES).where(PLAYABLES.c.title_id.in_(some))):
            playables[row.title_id].append(playable_of(row_dict(row)))
    return [TitleDetail(title=title, playables=tuple(sorted(playables[title.id], key=_order))) for title in titles]


def _some(ids: Iterable[Any]) -> Iterable[list[Any]]:
    every = list(ids)
    return (every[start : start + 500] for start in range(0, len(every), 500))


def put_playable(connection: sa.Connection, playable: Playable) -> None:
    """Insert a playable."""
    connection.execute(PLAYABLES.insert().values(**msgspec.structs.asdict(playable)))


def find_playable(connection: sa.Connection, playable_id: str) -> Playable | None:
    """The playable with this id."""
    row = connection.execute(sa.select(PLAYABLES).where(PLAYABLES.c.id == playable_id)).first()
    return playable_of(row_dict(row)) if row else None


def set_playable(connection: sa.Connection, playable_id: str, /, **values: Any) -> None:
    """Change columns of a playable."""
    connection.execute(PLAYABLES.update().where(PLAYABLES.c.id == playable_id).values(**values))


def find_source(connection: sa.Connection, path: str) -> dict[str, Any] | None:
    """What is known of a file."""
    row = connection.execute(sa.select(SOURCES).where(SOURCES.c.path == path)).first()
    return row_dict(row) if row else None


def find_same_sources(connection: sa.Connection, fingerprint: str) -> list[dict[str, Any]]:
    """Files with the same content: one of them may have been renamed to what we look at."""
    query = sa.select(SOURCES).where(SOURCES.c.fingerprint == fingerprint).order_by(SOURCES.c.path)
    return [row_dict(row) for row in connection.execute(query)]


def put_source(connection: sa.Connection, old_path: str = "", /, **values: Any) -> None:
    """Insert or replace a file; with `old_path` it has moved from there."""
    connection.execute(SOURCES.delete().where(SOURCES.c.path.in_((values["path"], old_path))))
    connection.execute(SOURCES.insert().values(**values))


def put_upload(connection: sa.Connection, /, **values: Any) -> None:
    """Insert an upload."""
    connection.execute(UPLOADS.insert().values(**values))


def list_open_uploads(connection: sa.Connection) -> list[dict[str, Any]]:
    """Uploads that have not become films yet."""
    return [row_dict(row) for row in connection.execute(sa.select(UPLOADS).where(UPLOADS.c.done.is_(False)))]


def find_upload(connection: sa.Connection, upload_id: str) -> dict[str, Any] | None:
    """The upload with this id."""
    row = connection.execute(sa.select(UPLOADS).where(UPLOADS.c.id == upload_id)).first()
    return row_dict(row) if row else None


def set_upload_done(connection: sa.Connection, upload_id: str) -> None:
    """Everything of it has arrived."""
    connection.execute(UPLOADS.update().where(UPLOADS.c.id == upload_id).values(done=True))


def delete_upload(connection: sa.Connection, upload_id: str) -> None:
    """Forget an upload."""
    connection.execute(UPLOADS.delete().where(UPLOADS.c.id == upload_id))


def title_of(row: dict[str, Any]) -> Title:
    """A row as a title."""
    row.pop("key", None)
    return msgspec.convert(row, Title)


def playable_of(row: dict[str, Any]) -> Playable:
    """A row as a playable."""
    return msgspec.convert(row, Playable)


def _columns(title: Title) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(title),
        "genres": list(title.genres),
        "people": [msgspec.structs.asdict(person) for person in title.people],
    }


def _order(playable: Playable) -> tuple[int, int, str]:
    return (playable.season or 0, playable.episode or 0, playable.id)
