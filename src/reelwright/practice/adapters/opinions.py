"""Other graders' opinions, calibrations and what calls cost, in the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict

METADATA = sa.MetaData()
OPINIONS = sa.Table(
    "practice_opinions",
    METADATA,
    sa.Column("interview_id", sa.String(26), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("grader", sa.String(200), primary_key=True),
    sa.Column("person", sa.String(40), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("verdicts", sa.JSON, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
CALIBRATIONS = sa.Table(
    "practice_calibrations",
    METADATA,
    sa.Column("grader", sa.String(200), primary_key=True),
    sa.Column("found", sa.JSON, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
SPENDING = sa.Table(
    "practice_spending",
    METADATA,
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("grader", sa.String(200), primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("tokens_in", sa.BigInteger, nullable=False),
    sa.Column("tokens_out", sa.BigInteger, nullable=False),
    sa.Column("usd", sa.Float, nullable=False),
)


def put_opinion(connection: sa.Connection, /, **values: Any) -> None:
    """Insert an opinion, in place of an earlier one of the same grader on the same turn."""
    keys = [OPINIONS.c[name] == values[name] for name in ("interview_id", "number", "grader")]
    connection.execute(OPINIONS.delete().where(*keys))
    connection.execute(OPINIONS.insert().values(**values))


def list_opinions(connection: sa.Connection, interview_id: str) -> list[dict[str, Any]]:
    """All opinions on an interview's turns, oldest first."""
    query = sa.select(OPINIONS).where(OPINIONS.c.interview_id == interview_id).order_by(OPINIONS.c.at_ms)
    return [row_dict(row) for row in connection.execute(query)]


def list_all(connection: sa.Connection, person: str) -> list[dict[str, Any]]:
    """All opinions on a person's answers, oldest first."""
    query = sa.select(OPINIONS).where(OPINIONS.c.person == person).order_by(OPINIONS.c.at_ms)
    return [row_dict(row) for row in connection.execute(query)]


def put_calibration(connection: sa.Connection, grader: str, found: dict[str, Any], at_ms: int) -> None:
    """Keep the newest calibration of a grader."""
    connection.execute(CALIBRATIONS.delete().where(CALIBRATIONS.c.grader == grader))
    connection.execute(CALIBRATIONS.insert().values(grader=grader, found=found, at_ms=at_ms))


def list_calibrations(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """The newest calibration of each grader."""
    return {row.grader: row.found for row in connection.execute(sa.select(CALIBRATIONS))}


def add_spending(connection: sa.Connection, day: int, grader: str, *, usd: float, tokens: tuple[int, int]) -> None:
    """One more call."""
    where = (SPENDING.c.day == day, SPENDING.c.grader == grader)
    known = connection.execute(sa.select(SPENDING).where(*where)).first()
    if known is None:
        first = {"calls": 1, "tokens_in": tokens[0], "tokens_out": tokens[1], "usd": usd}
        connection.execute(SPENDING.insert().values(day=day, grader=grader, **first))
        return
    more = {
        "calls": known.calls + 1, "tokens_in": known.tokens_in + tokens[0],
        "tokens_out": known.tokens_out + tokens[1], "usd": known.usd + usd,
    }  # fmt: skip
    connection.execute(SPENDING.update().where(*where).values(**more))


def get_spending(connection: sa.Connection, day: int) -> tuple[float, int]:
    """Dollars and calls of a day, all graders together."""
    query = sa.select(sa.func.sum(SPENDING.c.usd), sa.func.sum(SPENDING.c.calls)).where(SPENDING.c.day == day)
    usd, calls = connection.execute(query).one()
    return float(usd or 0), int(calls or 0)


def delete_person(connection: sa.Connection, person: str) -> None:
    """Forget all opinions on a person's answers."""
    connection.execute(OPINIONS.delete().where(OPINIONS.c.person == person))
