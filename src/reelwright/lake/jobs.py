"""What keeps a lake: commits from the log, merges, removal of what nothing needs. One keeper a table.

Each step may be cut off anywhere, and any number of keepers may run: a snapshot moves only if nobody else moved it,
and it says how far every log is in it. Whoever comes next goes on from there.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from reelwright.events.adapters.reader import Reader
from reelwright.events.core.frame import Position
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.files import replace_file
from reelwright.kernel.telemetry import counter, gauge, logger
from reelwright.lake.adapters import duck, sql
from reelwright.lake.adapters.arrow import arrow_schema, to_arrow
from reelwright.lake.adapters.erase import erase_from_database, erase_from_logs, erase_from_table, strays
from reelwright.lake.adapters.iceberg import LakeTable, open_catalog
from reelwright.lake.contract import Snapshot
from reelwright.lake.core import offsets as offsets_of
from reelwright.lake.core.pipelines import GRAPH, Node, files_of, name_of, rows_a_day, stages, stale_days
from reelwright.lake.core.rows import DAY_MS, event_rows, failed_rows
from reelwright.lake.core.tables import BY_NAME, EVENTS, FAILED
from reelwright.lake.core.tidy import TAIL_BYTES, merges, tails
from reelwright.lake.ports import Engine
from reelwright.lake.settings import LakeSettings

STORED = counter("lake_events_total", "Events written to the lake, and those that were there already.", ("status",))
BEHIND = gauge("lake_committed_seconds", "When the lake's events were committed last, seconds since the epoch.")
COVERED = "covered.json"
"""When each log segment was first seen to be in a snapshot whole; lost, segments only live longer."""
DAYS_AT_ONCE = 31
log = logger(__name__)


class Keeper:
    """Brings what was acknowledged into the tables `events` and `failed_events`, each once."""

    def __init__(
        self,
        folder: Path,
        *,
        events: Reader,
        settings: LakeSettings,
        clock: Clock,
        tail_bytes: int = TAIL_BYTES,
    ) -> None:
        """A commit writes files of its days anew that are smaller than `tail_bytes`."""
        self._folder = folder
        self._tail_bytes = tail_bytes
        self._events = events
        self._settings = settings
        self._clock = clock
        self.catalog = open_catalog(folder, warehouse=settings.warehouse, uri=settings.catalog)
        self.engine = _engine(settings)
        self.tables = {name: LakeTable(self.catalog, table, folder) for name, table in BY_NAME.items()}
        self._turns = {name: threading.RLock() for name in self.tables}
        """Steps on one table take turns: what one has read of the table still holds when it commits."""

    def schema(self, name: str) -> pa.Schema:
        """A table's columns as Arrow has them."""
        return arrow_schema(BY_NAME[name])

    def commit_some(self) -> int:
        """One commit of each log table, as much as one takes; how many rows were new. Raises Raced, Unavailable."""
        new = self._commit(EVENTS) + self._commit(FAILED)
        BEHIND.set(self._clock.wall_ns() / 1e9)
        return new

    def commit_all(self) -> int:
        """Commit until nothing is left that was acknowledged before; how many rows were new."""
        total = 0
        while True:
            before = self._places()
            total += self.commit_some()
            if self._places() == before:
                return total

    def _places(self) -> list[dict[str, Position]]:
        return [dict(self.tables[name].snapshot.offsets) for name in (EVENTS, FAILED)]

    def _commit(self, name: str) -> int:
        with self._turns[name]:
            return self._commit_next(name)

    def _commit_next(self, name: str) -> int:
        table = self.tables[name]
        rows, offsets = self._read(name, table.snapshot)
        if offsets == table.snapshot.offsets:
            return 0
        arrow = to_arrow(table.table, list({row["id"]: row for row in reversed(rows)}.values()))
        with duck.connection(table.snapshot.files) as connection:
            new = duck.fresh(connection, arrow, table.snapshot.files)
            joined = tails(table.snapshot.files, _days_of(new), tail_bytes=self._tail_bytes)
            rewritten = duck.merged(connection, joined, arrow.schema, rows=new)
        table.commit(add=rewritten, remove=[file.path for file in joined], offsets=offsets)
        STORED.labels("stored").inc(new.num_rows)
        STORED.labels("duplicate").inc(len(rows) - new.num_rows)
        return int(new.num_rows)

    def _read(self, name: str, snapshot: Snapshot) -> tuple[list[dict[str, Any]], dict[str, Position]]:
        """Rows behind the snapshot's offsets, as many as one commit takes, and the offsets behind them."""
        offsets, rows = dict(snapshot.offsets), list[dict[str, Any]]()
        for source in self._events.sources(failed=name == FAILED):
            for position, found in self._rows(name, source, offsets_of.place(offsets, source)):
                rows += found
                offsets[source] = position
                if len(rows) >= self._settings.commit_events:
                    return rows, offsets
        return rows, offsets

    def _rows(self, name: str, source: str, after: Position) -> Iterator[tuple[Position, list[dict[str, Any]]]]:
        if name == EVENTS:
            for position, batch in self._events.stored(source, after):
                yield position, list(event_rows(batch))
        else:
            for position, failed in self._events.failed(source, after):
                yield position, list(failed_rows(source, position, failed))

    def compute(self, days: Collection[int] | None = None) -> int:
        """Bring the computed tables to the state of `events`, or compute the given days anew; how many days were.

        Each table moves on by itself: one that was cut off is behind, never half done.
        """
        done: set[int] = set()
        for nodes in stages(GRAPH):
            with ThreadPoolExecutor(len(nodes)) as threads:
                done.update(*threads.map(lambda node: self._compute(node, days), nodes))
        return len(done)

    def _compute(self, node: Node, days: Collection[int] | None) -> list[int]:
        with self._turns[node.table]:
            events, computed = self.tables[EVENTS].snapshot, self.tables[node.table].snapshot.computed
            stale = sorted(days) if days is not None else stale_days(events, computed)
            for first in range(0, len(stale), DAYS_AT_ONCE):
                self._compute_days(node, stale[first : first + DAYS_AT_ONCE], events)
            return stale

    def _compute_days(self, node: Node, days: list[int], events: Snapshot) -> None:
        table = self.tables[node.table]
        inputs = {name: files_of(self.tables[name].snapshot, days) for name in node.reads}
        rows = self.engine.run(node.sql, inputs, table.table)
        known = rows_a_day(events)
        table.commit(
            add=rows,
            remove=[file.path for file in files_of(table.snapshot, days)],
            computed={name_of(day): known.get(day, 0) for day in days},
        )

    def tidy(self) -> int:
        """Merge small files of every table; how many files went."""
        today = self._clock.wall_ns() // 1_000_000 // DAY_MS
        return sum(self._merge(table, today) for table in self.tables.values())

    def _merge(self, table: LakeTable, today: int) -> int:
        gone = 0
        with self._turns[table.table.name]:
            for group in merges(table.snapshot.files, today=today):
                with duck.connection(group) as connection:
                    rows = duck.merged(connection, group, arrow_schema(table.table))
                table.commit(add=rows, remove=[file.path for file in group])
                gone += len(group)
        return gone

    def forget(self, projected: Mapping[str, Position]) -> None:
        """Expire superseded snapshots, delete what no snapshot names, and log segments that were covered long ago.

        `projected` is how far the other reader of the logs of stored events is: what it still needs stays.
        """
        for table in self.tables.values():
            table.expire(keep_s=self._settings.snapshots_s)
            table.sweep(grace_s=self._settings.snapshots_s)
        self._forget_segments(projected)

    def erase(self, profile_id: str, projected: Mapping[str, Position], database: Database, *, grace_s: float) -> str:
        """Take a profile out of tables, their former files, logs and database; what still holds it, or nothing.

        Every step may be cut off and done again. A file that no snapshot names may be another keeper's next commit:
        it goes when it is `grace_s` old, and the log's newest records when the projections are through with them.
        """
        database.transact(sql.erase_rows, profile_id)
        self.commit_all()
        for name, table in self.tables.items():
            with self._turns[name]:
                erase_from_table(table, profile_id)
                table.expire(keep_s=0)
                table.sweep(grace_s=grace_s)
        held = strays(self.tables, profile_id)
        held += erase_from_logs(self._events, self.tables, projected, profile_id)
        if not erase_from_database(database, profile_id):
            held.append("the database's own log")
        return f"still in {', '.join(sorted(held)[:20])}" if held else ""

    def _forget_segments(self, projected: Mapping[str, Position]) -> None:
        path, now_ms = self._folder / COVERED, self._clock.wall_ns() // 1_000_000
        known = _covered_since(path)
        seen: dict[str, int] = {}
        for name in (EVENTS, FAILED):
            for source in self._events.sources(failed=name == FAILED):
                segments = self._events.segments(source)
                free = offsets_of.covered(projected, source, segments) if name == EVENTS else segments
                for number in offsets_of.covered(self.tables[name].snapshot.offsets, source, segments):
                    since_ms = known.get(f"{source}/{number}", now_ms)
                    if number in free and now_ms - since_ms > self._settings.log_h * 3_600_000:
                        self._events.remove_segment(source, number)
                    else:
                        seen[f"{source}/{number}"] = since_ms
        replace_file(path, msgspec.json.encode(seen))


def _covered_since(path: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}


def _days_of(rows: pa.Table) -> set[int]:
    return set(rows.column("day").cast(pa.int32()).to_pylist())


def _engine(settings: LakeSettings) -> Engine:
    if settings.engine == "duckdb":
        return duck.DuckEngine()
    from reelwright.lake.adapters.spark import SparkEngine

    return SparkEngine(settings.engine)
