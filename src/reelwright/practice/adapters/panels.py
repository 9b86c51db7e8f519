"""Panels, their seats, answers and audit log in the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict, upsert

METADATA = sa.MetaData()
PANELS = sa.Table(
    "practice_panels",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("owner", sa.String(40), nullable=False, index=True),
    sa.Column("setup", sa.JSON, nullable=False),
    sa.Column("sample", sa.Boolean, nullable=False),
    sa.Column("consent_ms", sa.BigInteger, nullable=False),
    sa.Column("finished_ms", sa.BigInteger, nullable=False),
    sa.Column("decision", sa.JSON(none_as_null=True)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("delete_ms", sa.BigInteger, nullable=False, index=True),
)
SEATS = sa.Table(
    "practice_seats",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("panel_id", sa.String(26), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("token", sa.String(64), nullable=False, unique=True),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sa.Column("scorecard", sa.JSON(none_as_null=True)),
)
WRITTEN = sa.Table(
    "practice_written",
    METADATA,
    sa.Column("panel_id", sa.String(26), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
AUDIT = sa.Table(
    "practice_audit",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("owner", sa.String(40), nullable=False, index=True),
    sa.Column("panel_id", sa.String(26), nullable=False, index=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("did", sa.Text, nullable=False),
)
Entry = dict[str, Any]
"""A row of the audit log, written together with what it tells."""


def put_panel(connection: sa.Connection, panel: dict[str, Any], seats: list[dict[str, Any]], entry: Entry) -> None:
    """Insert a panel with its seats."""
    connection.execute(PANELS.insert().values(**panel))
    connection.execute(SEATS.insert(), seats)
    connection.execute(AUDIT.insert().values(**entry))


def get_panel(connection: sa.Connection, panel_id: str, owner: str) -> dict[str, Any] | None:
    """The panel, if it is this owner's."""
    query = sa.select(PANELS).where(PANELS.c.id == panel_id, PANELS.c.owner == owner)
    row = connection.execute(query).first()
    return row_dict(row) if row else None


def find_seat(connection: sa.Connection, token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Seat and panel of a link's hash."""
    seat = connection.execute(sa.select(SEATS).where(SEATS.c.token == token)).first()
    if seat is None:
        return None
    panel = connection.execute(sa.select(PANELS).where(PANELS.c.id == seat.panel_id)).first()
    return (row_dict(seat), row_dict(panel)) if panel else None


def list_panels(connection: sa.Connection, owner: str) -> list[dict[str, Any]]:
    """The owner's panels, newest first."""
    query = sa.select(PANELS).where(PANELS.c.owner == owner).order_by(PANELS.c.id.desc())
    return [row_dict(row) for row in connection.execute(query)]


def list_seats(connection: sa.Connection, panel_id: str) -> list[dict[str, Any]]:
    """The panel's seats: the candidate, then the interviewers by name."""
    query = sa.select(SEATS).where(SEATS.c.panel_id == panel_id).order_by(SEATS.c.kind, SEATS.c.name, SEATS.c.id)
    return [row_dict(row) for row in connection.execute(query)]


def list_written(connection: sa.Connection, panel_id: str) -> list[dict[str, Any]]:
    """What the candidate wrote, by question."""
    query = sa.select(WRITTEN).where(WRITTEN.c.panel_id == panel_id).order_by(WRITTEN.c.number)
    return [row_dict(row) for row in connection.execute(query)]


def put_written(connection: sa.Connection, values: dict[str, Any]) -> bool:
    """Keep an answer in place of an earlier one; False once the candidate has finished, or has not agreed.

    One that did not change keeps its time, since a form sends all of them again; an empty one is taken back.
    """
    panel = connection.execute(sa.select(PANELS).where(PANELS.c.id == values["panel_id"])).first()
    if panel is None or panel.finished_ms or not panel.consent_ms:
        return False
    this = sa.and_(WRITTEN.c.panel_id == values["panel_id"], WRITTEN.c.number == values["number"])
    if not values["text"].strip():
        connection.execute(WRITTEN.delete().where(this))
    elif connection.execute(sa.select(WRITTEN.c.text).where(this)).scalar() != values["text"]:
        upsert(connection, WRITTEN, [values])
    return True


def change_panel(connection: sa.Connection, panel_id: str, field: str, value: Any, entry: Entry) -> bool:
    """Set a field that is not set yet: consent, end, decision; False where it is."""
    unset = PANELS.c[field].is_(None) if field == "decision" else PANELS.c[field] == 0
    changed = connection.execute(
        PANELS.update().where(PANELS.c.id == panel_id, unset).values({field: value})
    ).rowcount
    if changed:
        connection.execute(AUDIT.insert().values(**entry))
    return bool(changed)


def put_scorecard(connection: sa.Connection, seat_id: str, scorecard: Any, entry: Entry) -> bool:
    """Seal a scorecard; False where there is one already."""
    statement = SEATS.update().where(SEATS.c.id == seat_id, SEATS.c.scorecard.is_(None)).values(scorecard=scorecard)
    changed = connection.execute(statement).rowcount
    if changed:
        connection.execute(AUDIT.insert().values(**entry))
    return bool(changed)


def excuse_seat(connection: sa.Connection, seat_id: str, expires_ms: int, entry: Entry) -> bool:
    """Void a seat's link for good; False where its scorecard is in."""
    statement = SEATS.update().where(SEATS.c.id == seat_id, SEATS.c.scorecard.is_(None)).values(expires_ms=expires_ms)
    changed = connection.execute(statement).rowcount
    if changed:
        connection.execute(AUDIT.insert().values(**entry))
    return bool(changed)


def put_link(connection: sa.Connection, seat_id: str, token: str, expires_ms: int, entry: Entry) -> None:
    """A new link for a seat, in place of the old one."""
    connection.execute(SEATS.update().where(SEATS.c.id == seat_id).values(token=token, expires_ms=expires_ms))
    connection.execute(AUDIT.insert().values(**entry))


def add_entry(connection: sa.Connection, entry: Entry) -> None:
    """Write down what was done."""
    connection.execute(AUDIT.insert().values(**entry))


def list_entries(connection: sa.Connection, owner: str, panel_id: str = "") -> list[dict[str, Any]]:
    """The owner's audit log, oldest first; of one panel where it is named."""
    query = sa.select(AUDIT).where(AUDIT.c.owner == owner).order_by(AUDIT.c.at_ms, AUDIT.c.id)
    rows = connection.execute(query.where(AUDIT.c.panel_id == panel_id) if panel_id else query)
    return [row_dict(row) for row in rows]


def list_overdue(connection: sa.Connection, now_ms: int) -> list[dict[str, Any]]:
    """Panels whose retention is over."""
    return [row_dict(row) for row in connection.execute(sa.select(PANELS).where(PANELS.c.delete_ms <= now_ms))]


def erase_panel(connection: sa.Connection, panel_id: str, entry: Entry) -> None:
    """Forget a panel, its seats and answers; the audit log, which names nobody, stays."""
    connection.execute(WRITTEN.delete().where(WRITTEN.c.panel_id == panel_id))
    connection.execute(SEATS.delete().where(SEATS.c.panel_id == panel_id))
    connection.execute(PANELS.delete().where(PANELS.c.id == panel_id))
    connection.execute(AUDIT.insert().values(**entry))


def delete_person(connection: sa.Connection, owner: str) -> None:
    """Forget all panels of an owner, with their audit log."""
    mine = sa.select(PANELS.c.id).where(PANELS.c.owner == owner)
    connection.execute(WRITTEN.delete().where(WRITTEN.c.panel_id.in_(mine)))
    connection.execute(SEATS.delete().where(SEATS.c.panel_id.in_(mine)))
    connection.execute(PANELS.delete().where(PANELS.c.owner == owner))
    connection.execute(AUDIT.delete().where(AUDIT.c.owner == owner))
