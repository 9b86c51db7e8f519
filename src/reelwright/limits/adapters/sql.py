"""The statements of limits' history."""

from __future__ import annotations

import sqlalchemy as sa

from reelwright.kernel.database import upsert

METADATA = sa.MetaData()

MINUTES = sa.Table(
    "limits_minutes",
    METADATA,
    sa.Column("minute", sa.BigInteger, nullable=False),
    sa.Column("process", sa.String(32), nullable=False),
    sa.Column("seen", sa.LargeBinary, nullable=False),
    sa.Column("traffic", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("minute", "process"),
)


def put_minute(connection: sa.Connection, row: dict[str, object], *, keep_from: int) -> None:
    """Write a minute of a process, and forget what is older than is kept."""
    upsert(connection, MINUTES, [row])
    connection.execute(MINUTES.delete().where(MINUTES.c.minute < keep_from))


def list_seen(connection: sa.Connection, *, since: int) -> list[tuple[int, bytes]]:
    """Minutes of all processes."""
    query = sa.select(MINUTES.c.minute, MINUTES.c.seen).where(MINUTES.c.minute >= since)
    return [(minute, seen) for minute, seen in connection.execute(query)]


def list_traffic(connection: sa.Connection, *, since: int, until: int) -> list[tuple[int, bytes]]:
    """Recorded traffic of all processes."""
    query = sa.select(MINUTES.c.minute, MINUTES.c.traffic)
    query = query.where(MINUTES.c.minute >= since, MINUTES.c.minute < until)
    return [(minute, traffic) for minute, traffic in connection.execute(query)]
