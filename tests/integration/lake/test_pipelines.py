"""What is computed from events is what viewers experienced, on either engine, and costs only what has changed."""

from __future__ import annotations

import math
import random
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import msgspec

from reelwright.events.adapters.wal import Log
from reelwright.events.contract import Event, StoredBatch
from reelwright.events.core.frame import frame
from reelwright.kernel.database import Database
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import EventId, ProfileId, TitleId, new_id
from reelwright.lake.adapters import duck
from reelwright.lake.core.pipelines import GRAPH
from reelwright.lake.core.tables import BY_NAME, EVENTS, Table
from reelwright.lake.jobs import Keeper
from reelwright.lake.replay import DAY_MS, SETTINGS, Truth, Viewers, audience, open_keeper, watch
from reelwright.lake.settings import LakeSettings

NOW_MS = time.time_ns() // 1_000_000
WEEK_LATE = Viewers(lost=0.05, late_ms=7 * DAY_MS, skew_ms=6 * 3_600_000)


def rows(keeper: Keeper, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """A table's rows."""
    with duck.connection() as connection:
        files = keeper.tables[table].snapshot.files
        return connection.execute(f"SELECT {columns} FROM {duck.read_files(files)}").fetchall()


def watched(
    folder: Path, arrive: Viewers, *, sessions: int = 30, settings: LakeSettings = SETTINGS
) -> tuple[Keeper, list[Truth]]:
    """A lake with an audience in it, computed."""
    truths = audience(folder, random.Random(5), sessions=sessions, now_ms=NOW_MS, arrive=arrive)
    keeper = open_keeper(folder, settings)
    keeper.commit_all()
    keeper.compute()
    return keeper, truths


def test_quality_of_experience_is_the_truth_with_full_data(tmp_path: Path) -> None:
    """Start time, seconds watched, stalls and bitrate of every session, exactly."""
    keeper, truths = watched(tmp_path, Viewers())
    columns = "session_id, start_ms, watched_s, stalls, stalled_s, bitrate_bps"
    found = {row[0]: row[1:] for row in rows(keeper, "playback_sessions", columns)}
    assert found == {
        truth.session_id: (
            truth.start_ms,
            truth.watched_ms / 1000,
            truth.stalls,
            truth.stalled_ms / 1000,
            truth.bitrate_bps,
        )
        for truth in truths
    }


def test_lost_late_and_skewed_events_cost_less_than_a_hundredth(tmp_path: Path) -> None:
    """Every heartbeat makes good for those that were lost before it."""
    keeper, truths = watched(tmp_path, WEEK_LATE)
    columns = "sum(sessions), sum(start_ms), sum(watched_s), sum(stalled_s), sum(bits)"
    sums = rows(keeper, "qoe_days", columns)[0]
    expected = (
        len(truths),
        sum(truth.start_ms for truth in truths),
        sum(truth.watched_ms for truth in truths) / 1000,
        sum(truth.stalled_ms for truth in truths) / 1000,
        sum(truth.bits for truth in truths),
    )
    assert sums[0] == expected[0]
    assert sums == pytest.approx(expected, rel=0.01)
    assert len(keeper.tables["qoe_days"].snapshot.files) >= 7


def put(folder: Path, profile_id: ProfileId, *events: Event) -> None:
    """Events in the log of a collector."""
    log = Log(LocalDisk(), folder / "events" / "web-z", segment_bytes=1 << 20)
    batch = StoredBatch(events=list(events), profile_id=profile_id, received_ms=NOW_MS, source="web-z")
    log.commit(frame(msgspec.json.encode(batch)))
    log.close()


def event(kind: Any, *, days_ago: int = 0, **data: Any) -> Event:
    """Something that happened without a session."""
    at_ms = NOW_MS - days_ago * DAY_MS
    return Event(id=EventId(new_id()), type=kind, at_ms=at_ms, title_id=TitleId(new_id()), data=data)


def test_late_events_reopen_their_day_and_no_other(tmp_path: Path) -> None:
    """Files of other days stay as they are."""
    profile_id = ProfileId(new_id())
    put(tmp_path, profile_id, *(event("search", days_ago=days) for days in range(5)))
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    assert keeper.compute() == 5
    assert keeper.compute() == 0
    before = {file.day: file.path for file in keeper.tables["metric_facts"].snapshot.files}
    put(tmp_path, profile_id, event("search", days_ago=3))
    keeper.commit_all()
    assert keeper.compute() == 1
    after = {file.day: file.path for file in keeper.tables["metric_facts"].snapshot.files}
    assert [day for day in after if after[day] != before[day]] == [sorted(before)[1]]
    assert sorted(rows(keeper, "metric_facts", "value")) == [(1.0,), (1.0,), (1.0,), (1.0,), (2.0,)]


def test_late_events_reopen_their_session_and_no_other(tmp_path: Path) -> None:
    """Although they come days after: they count for the day their session began, whose other sessions stay."""
    truths = [watch(random.Random(seed), began_ms=NOW_MS - 3 * DAY_MS) for seed in range(3)]
    late, truths[0][1][-2:] = truths[0][1][-2:], []
    profile_id = ProfileId(new_id())
    for _, events in truths:
        put(tmp_path, profile_id, *events)
    put(tmp_path, profile_id, event("search"))
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    assert keeper.compute() == 2
    before = {row[0]: row for row in rows(keeper, "playback_sessions", "session_id, ended_at, watched_s")}
    put(tmp_path, profile_id, *late)
    keeper.commit_all()
    assert keeper.compute() == 1
    after = {row[0]: row for row in rows(keeper, "playback_sessions", "session_id, ended_at, watched_s")}
    assert [session for session in after if after[session] != before[session]] == [truths[0][0].session_id]


def test_a_backfill_computes_the_given_days_anew_and_no_other(tmp_path: Path) -> None:
    """The same rows again, in files of their own; what was computed before stays known."""
    put(tmp_path, ProfileId(new_id()), *(event("search", days_ago=days) for days in range(4)))
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    keeper.compute()
    table = keeper.tables["metric_facts"]
    before, known = {file.day: file.path for file in table.snapshot.files}, table.snapshot.computed
    found = sorted(rows(keeper, "metric_facts"))
    days = sorted(before)[1:3]
    assert keeper.compute(days) == 2
    after = {file.day: file.path for file in table.snapshot.files}
    assert sorted(day for day in after if after[day] != before[day]) == days
    assert (sorted(rows(keeper, "metric_facts")), table.snapshot.computed) == (found, known)
    assert open_keeper(tmp_path).compute() == 0


def test_a_run_that_was_cut_off_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table knows by itself which days it has."""
    put(tmp_path, ProfileId(new_id()), event("search"))
    keeper = open_keeper(tmp_path)
    keeper.commit_all()

    def breaks(*_: Any, **__: Any) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="gone"):
        patch.setattr(keeper.tables["metric_facts"], "commit", breaks)
        keeper.compute()
    assert open_keeper(tmp_path).compute() == 1
    assert len(rows(open_keeper(tmp_path), "metric_facts")) == 1


class Held(duck.DuckEngine):
    """An engine that has its answer for one table, and hands it over when it is let."""

    def __init__(self, table: str) -> None:
        super().__init__()
        self.table = table
        self.arrived, self.let = threading.Event(), threading.Event()

    def run(self, sql: str, inputs: Any, into: Table) -> Any:
        """The rows, when they are let through."""
        found = super().run(sql, inputs, into)
        if into.name == self.table:
            self.arrived.set()
            assert self.let.wait(30)
        return found


def test_events_are_committed_while_tables_are_computed(tmp_path: Path) -> None:
    """A month that is computed anew for minutes keeps no event from the lake."""
    put(tmp_path, ProfileId(new_id()), event("search"))
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    keeper.engine = held = Held("playback_sessions")
    with ThreadPoolExecutor(1) as thread:
        computing = thread.submit(keeper.compute)
        assert held.arrived.wait(30)
        put(tmp_path, ProfileId(new_id()), event("search", days_ago=1))
        assert thread_commits(keeper) == 1
        held.let.set()
        computing.result()
    held.close()
    keeper.compute()
    assert sorted(rows(keeper, "metric_facts", "value")) == [(1.0,), (1.0,)]


def thread_commits(keeper: Keeper) -> int:
    """What another thread commits, within half a minute."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(keeper.commit_all).result(timeout=30)


def test_an_erasure_waits_for_what_was_computed_from_the_profile(tmp_path: Path) -> None:
    """What an engine has read before the erasure is not written after it."""
    gone = ProfileId(new_id())
    put(tmp_path, gone, *watch(random.Random(1), began_ms=NOW_MS)[1])
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    database = Database(f"sqlite:///{tmp_path}/reelwright.sqlite")
    database.migrate(["reelwright.events", "reelwright.lake"])
    keeper.engine = held = Held("playback_sessions")
    with ThreadPoolExecutor(2) as threads:
        computing = threads.submit(keeper.compute)
        assert held.arrived.wait(30)
        erasing = threads.submit(keeper.erase, gone, {"web-z": (1 << 40, 0)}, database, grace_s=3600)
        while keeper.tables[EVENTS].snapshot.files:
            time.sleep(0.01)
        held.let.set()
        computing.result()
        erasing.result()
    assert rows_left(keeper) == {}
    assert keeper.erase(gone, {"web-z": (1 << 40, 0)}, database, grace_s=-60) == ""
    held.close()
    database.close()


def rows_left(keeper: Keeper) -> dict[str, int]:
    """Rows of every table that has any."""
    return {name: table.snapshot.rows for name, table in keeper.tables.items() if table.snapshot.rows}


def test_exposures_and_judgements_are_facts(tmp_path: Path) -> None:
    """First exposure a day, experiment, cell and profile; thumbs add up."""
    profile_id = ProfileId(new_id())
    seen = [event("exposure", experiment="rows", cell="b") for _ in range(3)]
    put(tmp_path, profile_id, *seen, event("thumb", value=1), event("thumb", value=-1), event("thumb", value=1))
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    keeper.compute()
    assert rows(keeper, "exposures", "experiment, cell, profile_id, exposures") == [("rows", "b", profile_id, 3)]
    assert rows(keeper, "metric_facts", "metric, profile_id, value, weight") == [("thumbs", profile_id, 1.0, 1.0)]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Spark in this process's own Java."""
    pytest.importorskip("pyspark", reason="needs the extra: pip install 'reelwright[spark]'")
    if shutil.which("java") is None:
        pytest.skip("needs Java 17: apt install openjdk-17-jre-headless")
    from reelwright.lake.adapters.spark import SparkEngine

    engine = SparkEngine("local[2]")
    yield engine
    engine.close()


@pytest.mark.slow
def test_spark_computes_what_duckdb_computes(tmp_path: Path, spark: Any) -> None:
    """Every table: counts exactly, floats to a billionth."""
    put(tmp_path, ProfileId(new_id()), event("exposure", experiment="rows", cell="b"), event("thumb", value=1))
    keeper, _ = watched(tmp_path, WEEK_LATE, sessions=25)
    assert_engines_agree(keeper, spark)


@pytest.mark.slow
def test_spark_computes_from_tables_in_s3(tmp_path: Path, spark: Any, s3_url: str) -> None:
    """Of several files, where the variables were set after Spark began."""
    put(tmp_path, ProfileId(new_id()), event("exposure", experiment="rows", cell="b"), event("thumb", value=1))
    settings = msgspec.structs.replace(SETTINGS, warehouse=s3_url)
    keeper, _ = watched(tmp_path, WEEK_LATE, sessions=5, settings=settings)
    assert all(file.path.startswith("s3://") for file in keeper.tables[EVENTS].snapshot.files)
    assert_engines_agree(keeper, spark)


def assert_engines_agree(keeper: Keeper, spark: Any) -> None:
    """Each node of the graph, by both."""
    for node in GRAPH:
        inputs = {name: keeper.tables[name].snapshot.files for name in node.reads}
        table = BY_NAME[node.table]
        ours, theirs = (engine.run(node.sql, inputs, table).to_pylist() for engine in (duck.DuckEngine(), spark))
        keys = [column.name for column in table.columns if column.type != "double"]
        ours, theirs = (sorted(found, key=lambda row: str([row[key] for key in keys])) for found in (ours, theirs))
        assert len(ours) == len(theirs) > 0
        for our, their in zip(ours, theirs, strict=True):
            assert all(same(our[name], their[name]) for name in table.names), (node.table, our, their)


def same(one: Any, other: Any) -> bool:
    """Equal; floats to a billionth."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)
