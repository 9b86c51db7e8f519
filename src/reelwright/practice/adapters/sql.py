"""Interviews and turns in the database, for any number of web processes and devices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict
from reelwright.practice.adapters import lab_runs, notes, opinions, panels

METADATA = sa.MetaData()
INTERVIEWS = sa.Table(
    "practice_interviews",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("person", sa.String(40), nullable=False, index=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("track", sa.Text, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("elapsed_ms", sa.BigInteger, nullable=False),
    sa.Column("running_since_ms", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("loop_id", sa.String(26), nullable=False),
    sa.Column("sample", sa.Boolean, nullable=False),
    sa.Index("practice_interviews_loop", "loop_id"),
)
TURNS = sa.Table(
    "practice_turns",
    METADATA,
    sa.Column("interview_id", sa.String(26), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("question_id", sa.Text, nullable=False),
    sa.Column("challenge_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("asks", sa.Text, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("verdicts", sa.JSON, nullable=False),
    sa.Column("answered_ms", sa.BigInteger, nullable=False),
    sa.Column("draft", sa.Text, nullable=False),
    sa.Column("worded", sa.Boolean, nullable=False, default=False),
)
LOOPS = sa.Table(
    "practice_loops",
    METADATA,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("person", sa.String(40), nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("track", sa.Text, nullable=False),
    sa.Column("style", sa.Text, nullable=False),
    sa.Column("pace", sa.Text, nullable=False),
    sa.Column("rounds", sa.JSON, nullable=False),
    sa.Column("sample", sa.Boolean, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)


def put_interview(connection: sa.Connection, /, *, turn: dict[str, Any], **values: Any) -> str:
    """Insert an interview with its first turn, and return its id; a round of a loop that has begun stays the one."""
    begun = connection.execute(
        sa.select(INTERVIEWS.c.id).where(
            INTERVIEWS.c.loop_id == values["loop_id"],
            INTERVIEWS.c.loop_id != "",
            INTERVIEWS.c.stage == values["stage"],
        )
    ).scalar()
    if begun is not None:
        return str(begun)
    connection.execute(INTERVIEWS.insert().values(**values))
    connection.execute(TURNS.insert().values(**turn))
    return str(values["id"])


def get_interview(connection: sa.Connection, interview_id: str, person: str) -> dict[str, Any] | None:
    """The interview's row, if it is this person's."""
    query = sa.select(INTERVIEWS).where(INTERVIEWS.c.id == interview_id, INTERVIEWS.c.person == person)
    row = connection.execute(query).first()
    return row_dict(row) if row else None


def list_interviews(connection: sa.Connection, person: str, limit: int = 500) -> list[dict[str, Any]]:
    """The person's interviews, newest first."""
    query = sa.select(INTERVIEWS).where(INTERVIEWS.c.person == person).order_by(INTERVIEWS.c.id.desc()).limit(limit)
    return [row_dict(row) for row in connection.execute(query)]


def list_turns(connection: sa.Connection, interview_id: str) -> list[dict[str, Any]]:
    """The interview's turns, in order."""
    query = sa.select(TURNS).where(TURNS.c.interview_id == interview_id).order_by(TURNS.c.number)
    return [row_dict(row) for row in connection.execute(query)]


def list_answered(connection: sa.Connection, person: str) -> list[dict[str, Any]]:
    """Every answered turn of the person, oldest first."""
    query = (
        sa.select(TURNS, INTERVIEWS.c.sample)
        .join(INTERVIEWS, INTERVIEWS.c.id == TURNS.c.interview_id)
        .where(INTERVIEWS.c.person == person, TURNS.c.answer.is_not(None))
        .order_by(TURNS.c.answered_ms, TURNS.c.interview_id, TURNS.c.number)
    )
    return [row_dict(row) for row in connection.execute(query)]


def answer_turn(
    connection: sa.Connection, /, *, interview_id: str, number: int, values: dict[str, Any],
    following: dict[str, Any] | None, state: dict[str, Any],
) -> bool:  # fmt: skip
    """Save an answer and what is asked next; False when the turn has an answer already."""
    changed = connection.execute(
        TURNS.update()
        .where(TURNS.c.interview_id == interview_id, TURNS.c.number == number, TURNS.c.answer.is_(None))
        .values(**values)
    ).rowcount
    if not changed:
        return False
    if following:
        connection.execute(TURNS.insert().values(**following))
    connection.execute(INTERVIEWS.update().where(INTERVIEWS.c.id == interview_id).values(**state))
    return True


def put_state(connection: sa.Connection, /, interview_id: str, **values: Any) -> None:
    """Change the interview's state and timer."""
    connection.execute(INTERVIEWS.update().where(INTERVIEWS.c.id == interview_id).values(**values))


def put_draft(connection: sa.Connection, interview_id: str, number: int, text: str) -> bool:
    """Keep what was typed so far; False when the turn has an answer already."""
    statement = TURNS.update().where(
        TURNS.c.interview_id == interview_id, TURNS.c.number == number, TURNS.c.answer.is_(None)
    )
    return bool(connection.execute(statement.values(draft=text)).rowcount)


def claim_words(connection: sa.Connection, /, interview_id: str, number: int) -> bool:
    """Whether the waiting challenge is now the caller's to put in words; each is at most once, whoever asks."""
    statement = TURNS.update().where(
        TURNS.c.interview_id == interview_id, TURNS.c.number == number, TURNS.c.answer.is_(None),
        TURNS.c.challenge_id != "", TURNS.c.worded.is_(False),
    )  # fmt: skip
    return bool(connection.execute(statement.values(worded=True)).rowcount)


def put_words(connection: sa.Connection, /, interview_id: str, number: int, asks: str) -> bool:
    """Ask in these words; False when the turn has an answer already: what was answered stays as it was asked."""
    statement = TURNS.update().where(
        TURNS.c.interview_id == interview_id, TURNS.c.number == number, TURNS.c.answer.is_(None)
    )
    return bool(connection.execute(statement.values(asks=asks)).rowcount)


def put_loop(connection: sa.Connection, /, **values: Any) -> None:
    """Insert a loop."""
    connection.execute(LOOPS.insert().values(**values))


def get_loop(connection: sa.Connection, loop_id: str, person: str) -> dict[str, Any] | None:
    """The loop's row, if it is this person's."""
    row = connection.execute(sa.select(LOOPS).where(LOOPS.c.id == loop_id, LOOPS.c.person == person)).first()
    return row_dict(row) if row else None


def list_loops(connection: sa.Connection, person: str) -> list[dict[str, Any]]:
    """The person's loops, newest first."""
    query = sa.select(LOOPS).where(LOOPS.c.person == person).order_by(LOOPS.c.created_ms.desc(), LOOPS.c.id.desc())
    return [row_dict(row) for row in connection.execute(query)]


def list_rounds(connection: sa.Connection, loop_ids: list[str]) -> list[dict[str, Any]]:
    """The interviews of loops."""
    query = sa.select(INTERVIEWS).where(INTERVIEWS.c.loop_id.in_(loop_ids)).order_by(INTERVIEWS.c.id)
    return [row_dict(row) for row in connection.execute(query)]


def delete_person(connection: sa.Connection, person: str) -> None:
    """Everything of a person is gone."""
    mine = sa.select(INTERVIEWS.c.id).where(INTERVIEWS.c.person == person)
    connection.execute(TURNS.delete().where(TURNS.c.interview_id.in_(mine)))
    connection.execute(INTERVIEWS.delete().where(INTERVIEWS.c.person == person))
    connection.execute(LOOPS.delete().where(LOOPS.c.person == person))
    lab_runs.delete_person(connection, person)
    opinions.delete_person(connection, person)
    notes.delete_person(connection, person)
    panels.delete_person(connection, person)


KEPT_OF_PEOPLE = (
    *(table.name for table in (TURNS, INTERVIEWS, LOOPS, lab_runs.LAB_RUNS, opinions.OPINIONS, notes.NOTES)),
    *(table.name for table in (panels.PANELS, panels.SEATS, panels.WRITTEN, panels.AUDIT)),
)
"""Tables that hold what people gave."""
