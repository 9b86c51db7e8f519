"""`reelwright bench lake`: how fresh, how tidy, how true, and how fast.

Method: each group runs the service's own code on a lake in a temporary folder on this machine's disk. `fresh` writes
single events to a log and measures from their sync: to the answer of a question asked at once (a fork of a process
that has read its libraries, as the web process keeps one), and to the commit by a keeper at its usual pace. `tidy`
commits small batches one after the other and merges as the worker does; its scan is compared with one file of the
same rows, the peer's with plain pyiceberg appends; `REELWRIGHT_TEST_COMMITS=17280` is a whole day of them.
`qoe_truth` knows what its viewers experienced. `scale` makes its events in SQL; how many is
`REELWRIGHT_TEST_SCALE_EVENTS`, and the goal stands only for 100 million. `nothing_lost` kills
`REELWRIGHT_TEST_KILLS` times.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reelwright.events.adapters.reader import LogReader
from reelwright.kernel.bench import Row
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import MissingExtra
from reelwright.lake.adapters import duck
from reelwright.lake.contract import LakeFile
from reelwright.lake.core.pipelines import GRAPH
from reelwright.lake.core.tables import BY_NAME, EVENTS
from reelwright.lake.jobs import Keeper
from reelwright.lake.replay import DAY_MS, SETTINGS, Sender, Truth, Viewers, audience, kill, open_keeper
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings

QUESTIONS = 20
COMMITS = int(os.environ.get("REELWRIGHT_TEST_COMMITS", "360"))
PLAIN_COMMITS = 360
"""Of the peer, whose every commit costs more than the one before."""
DAY_COMMITS = 17_280
MERGE_EVERY, FORGET_EVERY = 12, 120
DAY_SETTINGS = msgspec.structs.replace(SETTINGS, snapshots_s=1)
"""Of a day whose commits come one after the other: each copies all snapshots that stay, and no scan reads them."""
KILLS = int(os.environ.get("REELWRIGHT_TEST_KILLS", "1000"))
WHOLE_KILLS = 1000
DAYS = 30
WHOLE_SCALE = 100_000_000
SCALE_EVENTS = int(os.environ.get("REELWRIGHT_TEST_SCALE_EVENTS", "2000000"))
EVENTS_A_SESSION = 100
_SCAN = "SELECT type, count(*), count(DISTINCT profile_id), avg(position_s) FROM {} GROUP BY type"


def rows(only: str = "") -> Iterator[Row]:
    """The rows whose group begins with `only`."""
    for group in (fresh, nothing_lost, tidy, two_engines, qoe_truth, scale):
        if group.__name__.startswith(only.split(".")[0]):
            with tempfile.TemporaryDirectory() as folder:
                yield from group(Path(folder))


def fresh(folder: Path) -> Iterator[Row]:
    """From an event's sync to SQL, and to Iceberg."""
    settings = LakeSettings()
    sender, keeper = Sender(folder / "events", random.Random(1)), open_keeper(folder, settings)  # noqa: S311
    sender.send(batches=200)
    keeper.commit_all()
    stopped = threading.Event()
    worker = threading.Thread(target=_commit_until, args=(keeper, stopped, settings.commit_s))
    worker.start()
    try:
        to_sql = asyncio.run(_ask_at_once(folder, sender))
        to_iceberg = [_until_committed(keeper, sender) for _ in range(6)]
    finally:
        stopped.set()
        worker.join()
        sender.close()
    yield Row(
        id="fresh.sql", what="from an event's sync to the answer that counts it, 95th percentile",
        value=round(_p95(to_sql), 3), unit="s", op="<=", goal=1.0,
    )  # fmt: skip
    yield Row(
        id="fresh.iceberg", what=f"from an event's sync to its snapshot, a commit every {settings.commit_s:g} s",
        value=round(_p95(to_iceberg), 2), unit="s", op="<=", goal=10.0,
    )  # fmt: skip


async def _ask_at_once(folder: Path, sender: Sender) -> list[float]:
    lake = LakeService(folder=folder / "lake", events=folder / "events", settings=LakeSettings(), clock=SystemClock())
    await lake.ask("SELECT 1")
    took = []
    for _ in range(QUESTIONS):
        await asyncio.sleep(1)
        sender.send(batches=1)
        began = time.perf_counter()
        answer = await lake.ask("SELECT count(*) FROM events")
        took.append(time.perf_counter() - began)
        if answer.rows != [[len(sender.acknowledged)]]:
            raise AssertionError(f"{len(sender.acknowledged)} acknowledged, {answer.rows} found")
    await lake.stop()
    return took


def _until_committed(keeper: Keeper, sender: Sender) -> float:
    sender.send(batches=1)
    began = time.perf_counter()
    while keeper.tables[EVENTS].snapshot.rows < len(sender.acknowledged):
        time.sleep(0.01)
    return time.perf_counter() - began


def _commit_until(keeper: Keeper, stopped: threading.Event, every_s: float) -> None:
    while not stopped.wait(every_s):
        keeper.commit_all()


def nothing_lost(folder: Path) -> Iterator[Row]:
    """The committer killed at random points; `reelwright bench events` cuts the log's own power."""
    found = kill(folder, kills=KILLS, seed=1)
    what = "kill −9 of a committing, merging and deleting keeper, events sent again and out of order"
    whole = found.kills >= WHOLE_KILLS
    yield Row(
        id="nothing_lost.kills", what=what, value=found.kills, unit="", op=">=" if whole else "",
        goal=WHOLE_KILLS if whole else None, note="" if whole else f"a short run; the goal is {WHOLE_KILLS:,}",
    )  # fmt: skip
    note = f"of {found.acknowledged:,} acknowledged events"
    yield Row(id="nothing_lost.lost", what="not in the table", value=found.lost, unit="", op="==", goal=0, note=note)
    what = "in the table more than once"
    yield Row(id="nothing_lost.doubled", what=what, value=found.doubled, unit="", op="==", goal=0, note=note)


def tidy(folder: Path) -> Iterator[Row]:
    """A scan after many small commits, and commits that race."""
    sender, keeper = Sender(folder / "events", random.Random(2)), open_keeper(folder, DAY_SETTINGS)  # noqa: S311
    reader = LogReader(folder / "events")
    plain = Keeper(folder / "plain", events=reader, settings=DAY_SETTINGS, clock=SystemClock(), tail_bytes=0)
    for number in range(COMMITS):
        sender.send(batches=2)
        keeper.commit_all()
        if number < PLAIN_COMMITS:
            plain.commit_all()
        if number % MERGE_EVERY == 0:
            keeper.tidy()
        if number % FORGET_EVERY == 0:
            keeper.forget({})
    files, appended = (one.tables[EVENTS].snapshot.files for one in (keeper, plain))
    whole = COMMITS >= DAY_COMMITS
    yield Row(
        id="tidy.scan",
        what=f"a scan after {COMMITS:,} commits, against one file of the same rows",
        value=_scan_cost(folder, files),
        unit="×",
        op="<=",
        goal=1.3,
        peer="pyiceberg append",
        peer_value=_scan_cost(folder, appended),
        note=f"{len(files)} files; the peer's {len(appended)} after {min(COMMITS, PLAIN_COMMITS)} commits; "
        + ("a whole day" if whole else f"a part of a day, which has {DAY_COMMITS:,}"),
    )
    yield Row(
        id="tidy.failed_commits",
        what="commits that failed while ingest, merges and backfill raced",
        value=_race(keeper, sender),
        unit="",
        op="==",
        goal=0,
    )
    sender.close()


def _scan_cost(folder: Path, files: Sequence[LakeFile]) -> float:
    """How many times what one file of the same rows costs a scan of these does; the best of fifty, in turns."""
    whole, single = duck.read_files(files), f"read_parquet('{folder}/one.parquet')"
    best = {whole: math.inf, single: math.inf}
    with duck.connection() as connection:
        connection.execute(f"COPY (SELECT * FROM {whole} ORDER BY id) TO '{folder}/one.parquet' (COMPRESSION zstd)")  # noqa: S608
        for _ in range(50):  # beside other work a few are not enough to meet a quiet moment
            for relation in best:
                began = time.perf_counter()
                connection.execute(_SCAN.format(relation)).fetchall()
                best[relation] = min(best[relation], time.perf_counter() - began)
    return round(best[whole] / best[single], 2)


def _race(keeper: Keeper, sender: Sender) -> int:
    until, failed = time.monotonic() + 6, list[str]()

    def again(step: Callable[[], object]) -> None:
        while time.monotonic() < until:
            try:
                step()
            except Exception as error:
                failed.append(repr(error))

    def ingest() -> None:
        sender.send(batches=1)
        keeper.commit_all()

    days = sorted({file.day for file in keeper.tables[EVENTS].snapshot.files})
    steps: list[Callable[[], object]] = [ingest, keeper.tidy, lambda: keeper.compute(days)]
    threads = [threading.Thread(target=again, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failed)


def two_engines(folder: Path) -> Iterator[Row]:
    """Every computed table on DuckDB and on Spark."""
    what = "greatest relative difference of any float, DuckDB against Spark; all else must be equal"
    if shutil.which("java") is None:
        note = "needs Java 17"
        yield Row(id="two_engines.max_difference", what=what, value=None, unit="", peer="pyspark", note=note)
        return
    try:
        from reelwright.lake.adapters.spark import SparkEngine

        spark = SparkEngine("local[2]")
    except MissingExtra as error:
        yield Row(id="two_engines.max_difference", what=what, value=None, unit="", peer="pyspark", note=str(error))
        return
    keeper, _ = _watched(folder, Viewers(lost=0.05, late_ms=7 * DAY_MS), sessions=40)
    differences, took = [0.0], {"duckdb": 0.0, "spark": 0.0}
    for node in GRAPH:
        found = []
        for name, engine in (("duckdb", duck.DuckEngine()), ("spark", spark)):
            began = time.perf_counter()
            inputs = {name: keeper.tables[name].snapshot.files for name in node.reads}
            found.append(engine.run(node.sql, inputs, BY_NAME[node.table]).to_pylist())
            took[name] += time.perf_counter() - began
        differences += _differences(node.table, *found)
    spark.close()
    yield Row(
        id="two_engines.max_difference", what=what, value=max(differences), unit="", op="<=", goal=1e-9,
        peer="pyspark s", peer_value=round(took["spark"], 2), note=f"DuckDB took {took['duckdb']:.2f} s",
    )  # fmt: skip


def _differences(name: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Iterator[float]:
    """Relative differences of floats; anything else that differs counts as infinite."""
    keys = [column.name for column in BY_NAME[name].columns if column.type != "double"]
    ours, theirs = (sorted(found, key=lambda row: str([row[key] for key in keys])) for found in (ours, theirs))
    if len(ours) != len(theirs):
        yield math.inf
    for our, their in zip(ours, theirs, strict=False):
        for column in BY_NAME[name].columns:
            one, other = our[column.name], their[column.name]
            if isinstance(one, float) and isinstance(other, float):
                yield abs(one - other) / max(abs(one), abs(other), 1e-12)
            elif one != other:
                yield math.inf


def qoe_truth(folder: Path) -> Iterator[Row]:
    """Quality of experience against what viewers experienced."""
    keeper, truths = _watched(folder / "full", Viewers(), sessions=60)
    what = "sessions whose start time, seconds watched, stalls or bitrate differ from the truth, with full data"
    wrong = sum(_session(keeper, truth.session_id) != _true(truth) for truth in truths)
    yield Row(id="qoe_truth.full", what=what, value=wrong, unit="", op="==", goal=0, note=f"of {len(truths)}")
    lossy = Viewers(lost=0.05, late_ms=7 * DAY_MS, skew_ms=6 * 3_600_000)
    keeper, truths = _watched(folder / "lossy", lossy, sessions=200)
    columns = "sum(start_ms), sum(watched_s), sum(stalls), sum(stalled_s), sum(bits)"
    sums = _ask(keeper, "qoe_days", columns)[0]
    true = [sum(_true(truth)[place] for truth in truths) for place in range(4)]
    true.append(sum(truth.bits for truth in truths))
    worst = max(abs(one - other) / other for one, other in zip(sums, true, strict=True))
    what = "worst relative error of any sum: 5 % of events lost, up to 7 days late, clocks up to 6 h wrong"
    yield Row(id="qoe_truth.lossy", what=what, value=round(worst, 6), unit="", op="<=", goal=0.01)


def _watched(folder: Path, arrive: Viewers, *, sessions: int) -> tuple[Keeper, list[Truth]]:
    now_ms = time.time_ns() // 1_000_000
    truths = audience(folder, random.Random(3), sessions=sessions, now_ms=now_ms, arrive=arrive)  # noqa: S311
    keeper = open_keeper(folder)
    keeper.commit_all()
    keeper.compute()
    return keeper, truths


def _ask(keeper: Keeper, table: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    files = duck.read_files(keeper.tables[table].snapshot.files)
    with duck.connection() as connection:
        return connection.execute(f"SELECT {columns} FROM {files} WHERE {where}").fetchall()  # noqa: S608


def _session(keeper: Keeper, session_id: str) -> tuple[float, ...] | None:
    columns = "start_ms, watched_s, stalls, stalled_s, bitrate_bps"
    found = _ask(keeper, "playback_sessions", columns, f"session_id = '{session_id}'")
    return found[0] if len(found) == 1 else None


def _true(truth: Truth) -> tuple[float, ...]:
    return (
        truth.start_ms, truth.watched_ms / 1000, truth.stalls, truth.stalled_ms / 1000, truth.bitrate_bps,
    )  # fmt: skip


def scale(folder: Path) -> Iterator[Row]:
    """Sessions and all that follows from many events over thirty days, and one day more."""
    keeper = open_keeper(folder)
    today = int(time.time() * 1000) // DAY_MS
    for day in range(today - DAYS, today):
        keeper.tables[EVENTS].commit(add=_made(keeper, day, SCALE_EVENTS // DAYS))
    began = time.perf_counter()
    keeper.compute()
    full_s = time.perf_counter() - began
    keeper.tables[EVENTS].commit(add=_made(keeper, today - 3, 1000, first=1 << 25))
    began = time.perf_counter()
    keeper.compute()
    more_s = time.perf_counter() - began
    whole = SCALE_EVENTS >= WHOLE_SCALE
    note = "" if whole else f"{SCALE_EVENTS:,} events only: the goal is for {WHOLE_SCALE:,}"
    sessions = keeper.tables["playback_sessions"].snapshot.rows
    yield Row(
        id="scale.seconds", what=f"{SCALE_EVENTS:,} events of {DAYS} days to sessions, quality, popularity, facts",
        value=round(full_s, 2), unit="s", op="<=" if whole else "", goal=300 if whole else None,
        note=note or f"{sessions:,} sessions",
    )  # fmt: skip
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    yield Row(
        id="scale.memory", what="greatest memory of the process", value=round(memory, 2), unit="GB",
        op="<=" if whole else "", goal=24 if whole else None, note=note,
    )  # fmt: skip
    what = "late events of one day, against the full run"
    yield Row(
        id="scale.incremental", what=what, value=round(more_s / full_s, 4), unit="", op="<=" if whole else "",
        goal=0.05 if whole else None, note=note,
    )  # fmt: skip


def _made(keeper: Keeper, day: int, count: int, *, first: int = 0) -> Any:
    """Rows of one day: sessions of a hundred heartbeats each."""
    made = {
        "id": "printf('%010d%08d%08d', day, s, e)", "day": "DATE '1970-01-01' + day", "source": "'bench'",
        "happened_at": "make_timestamptz((day * 86400 + s % 80000 + e * 10) * 1000000)", "type": "'heartbeat'",
        "received_at": "make_timestamptz((day * 86400 + s % 80000 + e * 10) * 1000000)", "synthetic": "false",
        "version": "1", "profile_id": "printf('profile-%09d', s % 50000)", "session_id": "printf('s-%d-%d', day, s)",
        "title_id": "printf('title-%05d', (s * s) % 1000)", "playable_id": "printf('title-%05d', (s * s) % 1000)",
        "position_s": "e * 10.0", "duration_s": "1200.0", "watched_ms": "e * 10000.0", "stalls": "e // 40",
        "stalled_ms": "(e // 40) * 700.0", "start_ms": "500.0 + s % 900", "bitrate_bps": "1e6 + s % 4000000",
        "edge": "printf('edge-%d', s % 8)", "device": "printf('device-%d', s % 5)",
    }  # fmt: skip
    schema = keeper.schema(EVENTS)
    columns = ", ".join(f"{made.get(name, 'NULL')} AS {name}" for name in schema.names)
    source = (
        f"(SELECT {day} AS day, {first} + n // {EVENTS_A_SESSION} AS s, n % {EVENTS_A_SESSION} AS e "  # noqa: S608
        f"FROM range({count}) made(n))"
    )
    with duck.connection() as connection:
        return connection.sql(f"SELECT {columns} FROM {source}").to_arrow_table().cast(schema)  # noqa: S608


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
