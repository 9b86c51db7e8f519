"""What people keep for themselves: stories, projects, offers, the plan, cards, question packs; documents by kind."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict, upsert

METADATA = sa.MetaData()
NOTES = sa.Table(
    "practice_notes",
    METADATA,
    sa.Column("person", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("sample", sa.Boolean, nullable=False),
    sa.Column("changed_ms", sa.BigInteger, nullable=False),
)


def put_note(connection: sa.Connection, /, **values: Any) -> None:
    """Keep a document, in place of the one of that kind and id."""
    upsert(connection, NOTES, [values])


def get_note(connection: sa.Connection, person: str, kind: str, note_id: str) -> dict[str, Any] | None:
    """The document, if this person has it."""
    row = connection.execute(sa.select(NOTES).where(*_key(person, kind, note_id))).first()
    return row_dict(row) if row else None


def list_notes(connection: sa.Connection, person: str, kind: str = "") -> list[dict[str, Any]]:
    """The person's documents, of one kind where it is named, in order of their ids."""
    query = sa.select(NOTES).where(NOTES.c.person == person).order_by(NOTES.c.kind, NOTES.c.id)
    rows = connection.execute(query.where(NOTES.c.kind == kind) if kind else query)
    return [row_dict(row) for row in rows]


def count_notes(connection: sa.Connection, person: str, kind: str) -> int:
    """How many of a kind the person has."""
    query = sa.select(sa.func.count()).where(NOTES.c.person == person, NOTES.c.kind == kind)
    return int(connection.execute(query).scalar_one())


def delete_note(connection: sa.Connection, person: str, kind: str, note_id: str) -> bool:
    """Forget one document; False where there was none."""
    return bool(connection.execute(NOTES.delete().where(*_key(person, kind, note_id))).rowcount)


def delete_person(connection: sa.Connection, person: str) -> None:
    """Forget all documents of a person."""
    connection.execute(NOTES.delete().where(NOTES.c.person == person))


def _key(person: str, kind: str, note_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return NOTES.c.person == person, NOTES.c.kind == kind, NOTES.c.id == note_id
