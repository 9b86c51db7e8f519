"""Tables of experiments, and the statements on them, on SQLite and PostgreSQL.

The configuration is one document with a revision: it is only ever in force as a whole. Older ones are put together
from what each revision changed.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from reelwright.experiments.contract import Change, Configuration
from reelwright.experiments.core import history
from reelwright.experiments.core.history import Piece
from reelwright.experiments.core.product import completed
from reelwright.kernel.database import row_dict, upsert
from reelwright.kernel.errors import Conflict

METADATA = sa.MetaData()
CONFIGURATION = sa.Table(
    "experiments_configuration",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
PIECES = sa.Table(
    "experiments_pieces",
    METADATA,
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=True),
)
CHANGES = sa.Table(
    "experiments_changes",
    METADATA,
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("by", sa.String(64), nullable=False),
    sa.Column("what", sa.Text, nullable=False),
)


def get_revision(connection: sa.Connection) -> int:
    """The revision in force, 0 before the first."""
    return int(connection.execute(sa.select(CONFIGURATION.c.revision)).scalar() or 0)


def get_configuration(connection: sa.Connection) -> tuple[int, Configuration]:
    """(revision, configuration) in force, with what the product itself brings."""
    revision, stored = _stored(connection)
    return revision, completed(stored)


def _stored(connection: sa.Connection) -> tuple[int, Configuration]:
    row = connection.execute(sa.select(CONFIGURATION.c.revision, CONFIGURATION.c.document)).first()
    if row is None:
        return 0, Configuration()
    return int(row.revision), msgspec.json.decode(row.document, type=Configuration)


def put_configuration(connection: sa.Connection, seen: int, changed: Configuration, change: Change) -> None:
    """Replace revision `seen`, and write down who did it. Raises Conflict where it is not in force any more."""
    now, before = _stored(connection)
    if now != seen:
        raise Conflict(f"the configuration is at revision {now}, the change was made from {seen}; look again")
    document = msgspec.json.encode(changed).decode()
    upsert(connection, CONFIGURATION, [{"id": 1, "revision": change.revision, "document": document}])
    pieces = [
        {"revision": change.revision, **msgspec.structs.asdict(one)} for one in history.changed(before, changed)
    ]
    if pieces:
        connection.execute(sa.insert(PIECES), pieces)
    connection.execute(sa.insert(CHANGES).values(**msgspec.structs.asdict(change)))


def get_revision_of(connection: sa.Connection, revision: int) -> Configuration | None:
    """The configuration as it was at a revision, with what the product itself brings; None where none is kept."""
    if revision == 0:
        return completed(Configuration())
    kept = sa.select(PIECES.c.kind, PIECES.c.key, sa.func.max(PIECES.c.revision).label("revision"))
    newest = kept.where(PIECES.c.revision <= revision).group_by(PIECES.c.kind, PIECES.c.key).subquery()
    same = sa.and_(*(PIECES.c[name] == newest.c[name] for name in ("revision", "kind", "key")))
    rows = connection.execute(sa.select(PIECES).join(newest, same)).all()
    if not rows or revision > get_revision(connection):
        return None
    found = [Piece(**{name: getattr(row, name) for name in Piece.__struct_fields__}) for row in rows]
    return completed(history.assembled(found))


def list_changes(connection: sa.Connection, *, limit: int, key: str = "") -> list[Change]:
    """The newest changes first; of one experiment where it is named."""
    query = sa.select(CHANGES).order_by(CHANGES.c.revision.desc()).limit(limit)
    if key:
        query = query.where(CHANGES.c.revision.in_(_revisions_of(connection, key)[-limit:]))
    return [Change(**row_dict(row)) for row in connection.execute(query)]


def _revisions_of(connection: sa.Connection, key: str) -> list[int]:
    """Those that changed an experiment; the first change of all wrote down what the product brings, too."""
    own = sa.select(PIECES.c.revision, PIECES.c.document).where(PIECES.c.kind == "experiments", PIECES.c.key == key)
    brought = next((one for one in completed(Configuration()).experiments if one.key == key), None)
    before, found = brought and msgspec.json.encode(brought).decode(), []
    for row in connection.execute(own.order_by(PIECES.c.revision)):
        if row.document != before:
            found.append(int(row.revision))
        before = row.document
    return found
