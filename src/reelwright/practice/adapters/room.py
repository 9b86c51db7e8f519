"""How much practice keeps of one person: nobody fills the disk, or a page that lists it all."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.kernel.errors import Conflict
from reelwright.practice.adapters.lab_runs import LAB_RUNS
from reelwright.practice.adapters.opinions import OPINIONS
from reelwright.practice.adapters.panels import PANELS, SEATS, WRITTEN
from reelwright.practice.adapters.sql import INTERVIEWS, LOOPS, TURNS

MOST_CHARS = 50_000_000
"""Some thousand interviews of long answers, with what was judged of them."""
MOST_INTERVIEWS = 2_000
MOST_LOOPS = 200
MOST_PANELS = 500


def check_new_interview(connection: sa.Connection, person: str) -> None:
    """Raises Conflict where there is no room for another interview."""
    _check_count(connection, INTERVIEWS, INTERVIEWS.c.person == person, MOST_INTERVIEWS, "interviews")


def check_new_loop(connection: sa.Connection, person: str) -> None:
    """Raises Conflict where there is no room for another loop."""
    _check_count(connection, LOOPS, LOOPS.c.person == person, MOST_LOOPS, "loops")


def check_new_panel(connection: sa.Connection, person: str) -> None:
    """Raises Conflict where there is no room for another interview that the person runs."""
    _check_count(connection, PANELS, PANELS.c.owner == person, MOST_PANELS, "interviews that you run")


def check_room(connection: sa.Connection, person: str) -> None:
    """Raises Conflict where a person's texts, and what was judged of them, fill their room.

    Cost: it reads all of them.
    """
    interviews = sa.select(INTERVIEWS.c.id).where(INTERVIEWS.c.person == person)
    panels = sa.select(PANELS.c.id).where(PANELS.c.owner == person)
    kept = (
        (TURNS.c.interview_id.in_(interviews), (TURNS.c.answer, TURNS.c.draft, TURNS.c.verdicts)),
        (OPINIONS.c.person == person, (OPINIONS.c.verdicts,)),
        (LAB_RUNS.c.person == person, (LAB_RUNS.c.source, LAB_RUNS.c.log, LAB_RUNS.c.result)),
        (PANELS.c.owner == person, (PANELS.c.setup,)),
        (SEATS.c.panel_id.in_(panels), (SEATS.c.scorecard,)),
        (WRITTEN.c.panel_id.in_(panels), (WRITTEN.c.text,)),
    )
    if sum(_chars(connection, where, *columns) for where, columns in kept) >= MOST_CHARS:
        raise _full(f"{MOST_CHARS:,} characters")


def _check_count(connection: sa.Connection, table: sa.Table, where: Any, most: int, says: str) -> None:
    count = connection.execute(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one()
    if count >= most:
        raise _full(f"{most:,} {says}")


def _full(says: str) -> Conflict:
    return Conflict(f"practice keeps at most {says} of a person; take yours away and delete them at /practice/data")


def _chars(connection: sa.Connection, where: Any, *columns: Any) -> int:
    lengths = [sa.func.length(sa.func.coalesce(sa.cast(column, sa.Text), "")) for column in columns]
    total = sa.func.coalesce(sa.func.sum(sum(lengths[1:], lengths[0])), 0)
    return int(connection.execute(sa.select(total).where(where)).scalar_one())
