"""Playback sessions in the database, shared by all web processes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict

METADATA = sa.MetaData()
SESSIONS = sa.Table(
    "playback_sessions",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("user_id", sa.String(26), nullable=False),
    sa.Column("profile_id", sa.String(26), nullable=False),
    sa.Column("playable_id", sa.String(26), nullable=False),
    sa.Column("asset_id", sa.String(26), nullable=False),
    sa.Column("device", sa.JSON, nullable=False),
    sa.Column("viewer", sa.Text, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("arms", sa.JSON, nullable=False, server_default="{}"),
)


def put_session(connection: sa.Connection, /, *, forget_ms: int, **values: Any) -> None:
    """Insert a session; those that were last seen before `forget_ms` are gone."""
    connection.execute(SESSIONS.delete().where(SESSIONS.c.seen_ms < forget_ms))
    connection.execute(SESSIONS.insert().values(**values))


def get_session(connection: sa.Connection, session_id: str) -> dict[str, Any] | None:
    """The session's row."""
    row = connection.execute(sa.select(SESSIONS).where(SESSIONS.c.id == session_id)).first()
    return row_dict(row) if row else None


def touch_session(connection: sa.Connection, session_id: str, now_ms: int) -> None:
    """The player is still there."""
    connection.execute(SESSIONS.update().where(SESSIONS.c.id == session_id).values(seen_ms=now_ms))


def delete_session(connection: sa.Connection, session_id: str) -> None:
    """The player has gone."""
    connection.execute(SESSIONS.delete().where(SESSIONS.c.id == session_id))


def count_active(connection: sa.Connection, since_ms: int, until_ms: int) -> int:
    """Sessions that were seen in a window."""
    query = sa.select(sa.func.count()).where(SESSIONS.c.seen_ms >= since_ms, SESSIONS.c.created_ms <= until_ms)
    return connection.scalar(query) or 0
