"""What SQLite does not wait for by itself."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid


def test_the_first_to_open_waits_for_one_that_already_writes(tmp_path: Path) -> None:
    """Two processes start on an empty folder: switching to WAL is refused at once while the other writes."""
    other = sqlite3.connect(tmp_path / "new.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE films (name TEXT)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO films VALUES ('Low Sun')")
    commit = threading.Timer(0.3, other.execute, ["COMMIT"])
    commit.start()
    database = Database(f"sqlite:///{tmp_path}/new.sqlite")
    with database.writing() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("SELECT count(*) FROM films")) == 1
    commit.join()
    database.close()


@pytest.mark.parametrize(
    "url", ["mysql://ada:secret@host/x", "postgresql://ada:secret@host:port/x", "ada:secret@host"]
)
def test_what_is_no_database_is_refused_with_one_that_is_and_without_its_password(url: str) -> None:
    """The message goes to the terminal, and into the log."""
    with pytest.raises(Invalid, match=r"postgresql://user@host:5432/name") as refused:
        Database(url)
    assert "secret" not in str(refused.value)
