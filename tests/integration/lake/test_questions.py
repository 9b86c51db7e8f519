"""Questions to the lake see what was just acknowledged, cost what they may, and touch nothing else."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

pytest.importorskip("duckdb", reason="needs the extra: pip install 'reelwright[lake]'")

from reelwright.kernel.clock import VirtualClock
from reelwright.lake.contract import Answer, Chart, NotReadable, TookTooLong
from reelwright.lake.core.charts import chart_sql
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
    within = LakeSettings(**{"sql_s": 120, **settings})
    return LakeService(folder=folder / "lake", events=folder / "events", settings=within, clock=VirtualClock())


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
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_json('../../../../etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "PRAGMA enable_profiling",
        "LOAD httpfs",
        "CREATE TABLE x AS SELECT 1",
        "DELETE FROM events",
        "EXPORT DATABASE '/tmp/reelwright-all'",
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


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    ],
)
def test_questions_that_run_for_ever_in_other_ways_are_stopped_too(ask: Ask, sql: str) -> None:
    """By time or by memory, whichever is first."""
    with pytest.raises(TookTooLong):
        ask(sql, sql_s=8, sql_memory_mb=128)


def test_a_huge_value_is_refused_or_bounded(ask: Ask) -> None:
    """One row can be larger than any answer may be."""
    with pytest.raises(TookTooLong):
        ask("SELECT repeat('x', 3000000000)", sql_memory_mb=128, sql_s=60)


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


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_answer_can_be_a_file(lake: tuple[Path, Sender], form: Any) -> None:
    """Of the same rows as the table, within a bound of its own, with lists, decimals and times."""
    from pyarrow import csv, parquet

    sql = "SELECT id, happened_at, sum(version) OVER () AS all_versions, [type, source] AS several FROM events"
    found = asyncio.run(service(lake[0], export_rows=10_000).export(sql, form))
    read = csv.read_csv if form == "csv" else parquet.read_table
    table = read(io.BytesIO(found.body))
    assert (table.column_names, found.truncated) == (["id", "happened_at", "all_versions", "several"], False)
    assert sorted(table.column("id").to_pylist()) == sorted(lake[1].acknowledged)
    short = asyncio.run(service(lake[0], export_rows=5).export(sql, form))
    assert (read(io.BytesIO(short.body)).num_rows, short.truncated) == (5, True)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_spreadsheet_computes_nothing_that_a_viewer_wrote(lake: tuple[Path, Sender], cell: str) -> None:
    """Text only: numbers below zero stay numbers. Parquet, which programs read, has it as it came."""
    from pyarrow import csv, parquet

    sql = f"SELECT chr({ord(cell[0])}) || '{cell[1:]}' AS said, -1 AS number, 'a=1' AS plain"
    bodies = [asyncio.run(service(lake[0]).export(sql, form)).body for form in ("csv", "parquet")]
    assert csv.read_csv(io.BytesIO(bodies[0])).to_pylist() == [{"said": f"'{cell}", "number": -1, "plain": "a=1"}]
    assert parquet.read_table(io.BytesIO(bodies[1])).column("said").to_pylist() == [cell]


def test_every_chart_has_a_question(lake: tuple[Path, Sender]) -> None:
    """And each runs over an empty table as over a full one."""
    charts = get_args(Chart)
    answers = asyncio.run(service(lake[0])._ask(*(chart_sql(one, "2026-01-01", "2026-12-31") for one in charts)))
    assert [answer.columns[0] for answer in answers] == ["day", "device", "edge", "title_id", "day", "experiment"]
