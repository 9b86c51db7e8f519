"""The engine of jobs beside whatever SQLite is installed."""

from __future__ import annotations

import time

import sqlalchemy as sa

from reelwright.kernel import jobs


def test_sqlite_of_any_age_tells_parts_of_a_second() -> None:
    """DBOS asks for them from Python 3.12 on; where the answer is NULL no worker starts."""
    assert sa.event.contains(sa.Engine, "connect", jobs.tell_subseconds)
    with sa.create_engine("sqlite://").connect() as connection:
        told_ms = connection.scalar(sa.text("SELECT unixepoch('subsec') * 1000"))
    assert abs(told_ms - time.time() * 1000) < 60_000
