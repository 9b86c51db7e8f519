"""Runs of labs in the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.database import row_dict

LAB_RUNS = sa.Table(
    "practice_lab_runs",
    sa.MetaData(),
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("person", sa.String(40), nullable=False, index=True),
    sa.Column("lab", sa.Text, nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("predicted", sa.Float),
    sa.Column("log", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("beat_ms", sa.BigInteger, nullable=False),
)


def put_run(connection: sa.Connection, /, **values: Any) -> None:
    """Insert a run."""
    connection.execute(LAB_RUNS.insert().values(**values))


def change_run(connection: sa.Connection, run_id: str, values: dict[str, Any]) -> None:
    """Add to a run's log, or give it its result."""
    connection.execute(LAB_RUNS.update().where(LAB_RUNS.c.id == run_id).values(**values))


def get_run(connection: sa.Connection, run_id: str, person: str) -> dict[str, Any] | None:
    """The run, if it is this person's."""
    query = sa.select(LAB_RUNS).where(LAB_RUNS.c.id == run_id, LAB_RUNS.c.person == person)
    row = connection.execute(query).first()
    return row_dict(row) if row else None


def list_runs(
    connection: sa.Connection, person: str, *, lab: str = "", limit: int | None = None
) -> list[dict[str, Any]]:
    """The person's runs, newest first; of one lab where it is named."""
    query = sa.select(LAB_RUNS).where(LAB_RUNS.c.person == person).order_by(LAB_RUNS.c.id.desc()).limit(limit)
    rows = connection.execute(query.where(LAB_RUNS.c.lab == lab) if lab else query)
    return [row_dict(row) for row in rows]


def list_graded(connection: sa.Connection, person: str) -> list[dict[str, Any]]:
    """Lab, result and time of the person's runs on hidden seeds that have a result, newest first."""
    told = sa.select(LAB_RUNS.c.lab, LAB_RUNS.c.result, LAB_RUNS.c.created_ms)
    graded = told.where(LAB_RUNS.c.person == person, LAB_RUNS.c.hidden).order_by(LAB_RUNS.c.id.desc())
    return [{**row} for row in connection.execute(graded).mappings() if row["result"]]


def delete_person(connection: sa.Connection, person: str) -> None:
    """Forget a person's runs."""
    connection.execute(LAB_RUNS.delete().where(LAB_RUNS.c.person == person))
