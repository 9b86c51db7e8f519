"""A collector that is killed again and again loses nothing that it acknowledged, and counts nothing twice."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from reelwright.events.adapters import sql
from reelwright.events.replay import Sender, kill, open_database


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """kill -9 while it recovers, stores, projects and answers; sends doubled and in any order."""
    soak = kill(tmp_path, Sender(4), kills=12)
    assert (soak.lost, soak.doubled, soak.strange) == (0, 0, 0), soak
    assert soak.acknowledged > 100 and soak.logged >= soak.acknowledged


def test_a_loss_and_a_double_count_would_be_seen(tmp_path: Path) -> None:
    """The test above can fail: one event that is counted once more shows, and so do segments that are gone."""
    sender = Sender(5)
    assert kill(tmp_path, sender, kills=1).doubled == 0
    database = open_database(tmp_path)
    with database.writing() as connection:
        connection.execute(sa.update(sql.LEDGER).values(stored=sql.LEDGER.c.stored + 1))
    for segment in (tmp_path / "events" / "web").glob("*.wal"):
        segment.unlink()
    account = sender.account(tmp_path, database, 0)
    database.close()
    assert account.doubled >= 1 and account.lost == account.acknowledged > 0
