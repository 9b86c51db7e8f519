"""Erasures in the database, and what the database itself holds of a profile."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict, upsert
from reelwright.lake.contract import Erasure

METADATA = sa.MetaData()
ERASURES = sa.Table(
    "lake_erasures",
    METADATA,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("subject", sa.String(26)),
    sa.Column("asked_ms", sa.BigInteger, nullable=False),
    sa.Column("done_ms", sa.BigInteger),
    sa.Column("says", sa.Text, nullable=False),
)
_COLUMN = "profile_id"
_FROM_EVENTS = ("events_", "experiments_", "playback_")
"""How the names of tables begin that follow from what a viewer did; other systems delete theirs themselves."""


def digest_of(profile_id: str) -> str:
    """What is kept of a profile that was erased: enough to know it again, too little to name it."""
    return hashlib.sha256(profile_id.encode()).hexdigest()


def ask_erasure(connection: sa.Connection, profile_id: str, now_ms: int) -> None:
    """Note that a profile is to be erased; a second word changes nothing until it is done."""
    row = {"digest": digest_of(profile_id), "subject": profile_id, "asked_ms": now_ms, "done_ms": None, "says": ""}
    known = connection.execute(sa.select(ERASURES).where(ERASURES.c.digest == row["digest"])).first()
    if known is None or known.done_ms is not None:
        upsert(connection, ERASURES, [row])


def get_erasure(connection: sa.Connection, profile_id: str) -> Erasure | None:
    """What became of it."""
    found = connection.execute(sa.select(ERASURES).where(ERASURES.c.digest == digest_of(profile_id))).first()
    return _erasure(row_dict(found)) if found else None


def list_erasures(connection: sa.Connection, limit: int) -> list[Erasure]:
    """The latest."""
    query = sa.select(ERASURES).order_by(ERASURES.c.asked_ms.desc()).limit(limit)
    return [_erasure(row_dict(row)) for row in connection.execute(query)]


def _erasure(row: dict[str, Any]) -> Erasure:
    return Erasure(digest=row["digest"], asked_ms=row["asked_ms"], done_ms=row["done_ms"], says=row["says"])


def open_erasures(connection: sa.Connection) -> list[str]:
    """Profiles that are still to be erased, in the order they were asked for."""
    query = sa.select(ERASURES.c.subject).where(ERASURES.c.done_ms.is_(None)).order_by(ERASURES.c.asked_ms)
    return [subject for subject in connection.scalars(query) if subject]


def note_erasure(connection: sa.Connection, profile_id: str, says: str, now_ms: int) -> None:
    """Write down what still holds the profile; nothing does once `says` is empty, and then its name goes, too."""
    done = {} if says else {"done_ms": now_ms, "subject": None}
    connection.execute(ERASURES.update().where(ERASURES.c.digest == digest_of(profile_id)).values(says=says, **done))


def erase_rows(connection: sa.Connection, profile_id: str) -> int:
    """Delete a profile's rows from every table that is made from events."""
    return sum(
        connection.execute(table.delete().where(table.c[_COLUMN] == profile_id)).rowcount
        for table in _tables_of_profiles(connection)
    )


def _tables_of_profiles(connection: sa.Connection) -> list[sa.TableClause]:
    inspector = sa.inspect(connection)
    return [
        sa.table(name, sa.column(_COLUMN))
        for name in inspector.get_table_names()
        if name.startswith(_FROM_EVENTS) and any(column["name"] == _COLUMN for column in inspector.get_columns(name))
    ]


def rows_of_profile(connection: sa.Connection, profile_id: str) -> dict[str, list[dict[str, Any]]]:
    """What projections of events know of a profile, by table."""
    found = {}
    for table in _tables_of_profiles(connection):
        query = sa.select(sa.text("*")).select_from(table).where(table.c[_COLUMN] == profile_id)
        found[table.name] = [dict(row._mapping) for row in connection.execute(query)]
    return found
