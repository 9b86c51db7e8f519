"""Questions to the lake see what was just acknowledged, cost what they may, and touch nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="needs the extra: pip install 'reelwright[lake]'")

from reelwright.kernel.clock import VirtualClock
from reelwright.lake.contract import Answer, NotReadable, TookTooLong
from reelwright.lake.replay import Sender, open_keeper
from reelwright.lake.service import LATE_S, LakeService
from reelwright.lake.settings import LakeSettings

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sender]:
    """A lake with committed events, some that are in the log only, and some that are in both."""
    folder = tmp_path_factory.mktemp("lake")
    sender = Sender(folder / "events", random.Random(3))
    sender.send(batches=8)
    open_keeper(folder).commit_all()
    sender.send(batches=8)
    return folder, sender


def service(folder: Path, **settings: Any) -> LakeService:
    """The lake in a folder."""
    return LakeService(
        folder=folder / "lake", events=folder / "events", settings=LakeSettings(**settings), clock=VirtualClock()
    )


@pytest.fixture(scope="module")
def ask(lake: tuple[Path, Sender]) -> Ask:
    """Ask it."""

    def asked(sql: str, **settings: Any) -> Answer:
        return asyncio.run(service(lake[0], **settings).ask(sql))

    return asked


def test_an_event_can_be_asked_for_before_it_is_committed_and_counts_once(
    lake: tuple[Path, Sender], ask: Ask
) -> None:
    """Tables and log together hold every acknowledged event, each once."""
    found = ask("SELECT id FROM events")
    ids = [row[0] for row in found.rows]
    assert sorted(ids) == sorted(lake[1].acknowledged)


def test_every_table_can_be_asked_before_it_has_rows(tmp_path: Path) -> None:
    """An empty lake answers with nothing, not with an error."""
    found = asyncio.run(service(tmp_path).ask("SELECT count(*) FROM events, metric_facts, failed_events"))
    assert found.rows == [[0]]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY events TO '/tmp/reelwright-stolen.parquet'",
        "SELECT 1; SELECT 2",
        "ATTACH '/tmp/reelwright-other.db'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "SELECT * FROM glob('/*')",
        "SELEKT",
        "SELECT nothing FROM events",
        "",
    ],
)
def test_questions_change_nothing_and_see_nothing_else(ask: Ask, sql: str) -> None:
    """One SELECT over the tables is all there is."""
    with pytest.raises(NotReadable):
        ask(sql)


def test_a_question_that_would_never_end_is_stopped(ask: Ask) -> None:
    """And says after how long."""
    with pytest.raises(TookTooLong, match="stopped after 2 s"):
        ask("SELECT count(*) FROM range(1000000000000) a, range(1000000) b", sql_s=2)


def test_a_question_has_a_bound_on_memory(ask: Ask) -> None:
    """It is refused; the service lives."""
    with pytest.raises(TookTooLong):
        ask("SELECT array_agg(a::VARCHAR || repeat('x', 200)) FROM range(100000000) t(a)", sql_memory_mb=64, sql_s=60)


def test_an_answer_has_a_bound_on_rows(ask: Ask) -> None:
    """It says that there were more."""
    found = ask("SELECT * FROM range(100)", sql_rows=10)
    assert (len(found.rows), found.truncated) == (10, True)


def test_a_committer_that_stands_still_is_noticed(tmp_path: Path) -> None:
    """Acknowledged events that stay in the log for a minute are said aloud; those of a moment ago are not."""
    sender = Sender(tmp_path / "events", random.Random(5))
    sender.send()
    clock = VirtualClock()
    lake = LakeService(folder=tmp_path / "lake", events=tmp_path / "events", settings=LakeSettings(), clock=clock)
    assert lake.problem() == ""
    clock.advance(LATE_S + 1)
    assert "have not reached the lake" in lake.problem()
    open_keeper(tmp_path).commit_all()
    assert lake.problem() == ""
