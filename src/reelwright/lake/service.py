"""Use cases of the lake for those who ask: SQL in a child process, and how fresh the tables are."""

from __future__ import annotations

import asyncio
import datetime
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from reelwright.events.adapters.bus import open_reader
from reelwright.events.contract import EventsClient, SentHour
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, MissingExtra, Unavailable
from reelwright.kernel.ids import ProfileId, is_id
from reelwright.lake.adapters import sql
from reelwright.lake.adapters.nursery import Nursery
from reelwright.lake.adapters.published import Published
from reelwright.lake.contract import (
    Answer,
    Answers,
    Chart,
    Erasure,
    Freshness,
    Ledger,
    NotReadable,
    Quality,
    QualityReport,
    Question,
    Refusal,
    Refused,
    Replayed,
    TookTooLong,
)
from reelwright.lake.core import account, charts
from reelwright.lake.core.offsets import Offsets, place
from reelwright.lake.core.tables import EVENTS, TABLES
from reelwright.lake.settings import LakeSettings

REPLAYED_AT_ONCE = 1000
LATE_S = 60.0
"""A committer that has left acknowledged events alone for so long is in trouble."""


def is_installed() -> bool:
    """Whether the extra is there; imports none of it."""
    return all(find_spec(name) for name in ("duckdb", "pyarrow", "pyiceberg"))


class LakeService:
    """Implements `LakeClient`; holds no engine itself, so that any process may have one."""

    def __init__(
        self,
        *,
        folder: Path,
        events: Path | str,
        settings: LakeSettings,
        clock: Clock,
        database: Database | None = None,
    ) -> None:
        self.settings = settings
        self._folder = folder
        self._events = str(events)
        self._clock = clock
        self._database = database
        self._reader = open_reader(self._events)
        self._published = Published(folder, settings.warehouse)
        self._nursery = Nursery()
        self._behind_since: tuple[int, float] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether events become tables here."""
        return self.settings.enabled and is_installed()

    def expect_questions(self) -> None:
        """Start the process that answers, where questions can be asked."""
        if self.is_kept:
            self._nursery.expect()

    async def ask(self, sql: str) -> Answer:
        """Answer one SELECT over tables and hot tail. Raises NotReadable, TookTooLong, MissingExtra."""
        return (await self._ask(sql))[0]

    async def export(self, sql: str, form: Literal["csv", "parquet"]) -> Answer:
        """Answer one SELECT as a file, of many more rows than a page shows."""
        return (await self._ask(sql, form=form, rows=self.settings.export_rows))[0]

    async def chart(self, chart: Chart, first: str, last: str) -> Answer:
        """What one of the product's own charts shows, from day to day. Raises Invalid, TookTooLong."""
        sql = charts.chart_sql(chart, checked_day(first), checked_day(last))
        return (await self._ask(sql, tables=charts.chart_tables(chart)))[0]

    async def export_chart(self, chart: Chart, first: str, last: str, form: Literal["csv", "parquet"]) -> Answer:
        """The same as a file, of many more rows."""
        sql, rows = charts.chart_sql(chart, checked_day(first), checked_day(last)), self.settings.export_rows
        return (await self._ask(sql, tables=charts.chart_tables(chart), form=form, rows=rows))[0]

    async def _ask(
        self,
        *sql: str,
        tables: tuple[str, ...] = (),
        form: Literal["rows", "csv", "parquet"] = "rows",
        rows: int | None = None,
    ) -> list[Answer]:
        """Answer several, of the same state, in one child."""
        if not is_installed():
            raise MissingExtra("lake", "a question to the lake")
        said = await self._nursery.ask(
            Question(
                sql=sql,
                lake=str(self._folder),
                warehouse=self.settings.warehouse_of(self._folder),
                events=self._events,
                memory_mb=self.settings.sql_memory_mb,
                within_s=self.settings.sql_s,
                rows=rows or self.settings.sql_rows,
                form=form,
                tables=tables,
            )
        )
        found = msgspec.json.decode(said, type=Answers | Refusal)
        if isinstance(found, Answers):
            return found.answers
        raise (TookTooLong if found.too_much else NotReadable)(found.says)

    async def fold(self, sql: str, *, by: str, fold: Callable[[Any], Any], into: Any) -> Any:
        """One SELECT over the events as of the last commit, folded where Spark computes, as an Arrow table.

        Rows with one value of the column `by` come to `fold` together. Raises Invalid without Spark, MissingExtra.
        """
        if self.settings.engine == "duckdb":
            raise Invalid("folding where the rows lie needs Spark: set [lake] engine")
        from reelwright.lake.adapters.spark import SparkEngine

        inputs = {EVENTS: (await asyncio.to_thread(self._published.get, EVENTS)).files}
        engine = await asyncio.to_thread(SparkEngine, self.settings.engine)
        return await asyncio.to_thread(engine.fold, sql, inputs, by=by, fold=fold, into=into)

    async def stop(self) -> None:
        """End the process that answers."""
        self._nursery.end()

    def freshness(self) -> list[Freshness]:
        """Every table, with when it was committed last."""
        found = []
        for table in TABLES:
            snapshot = self._published.get(table.name)
            found.append(
                Freshness(
                    table=table.name,
                    says=table.says,
                    rows=snapshot.rows,
                    files=len(snapshot.files),
                    size_bytes=sum(file.size_bytes for file in snapshot.files),
                    days=len({file.day for file in snapshot.files}),
                    committed_ms=snapshot.committed_ms,
                )
            )
        return found

    async def reconcile(
        self, acknowledged: Sequence[Mapping[str, Any]], sent: Sequence[SentHour], *, hours: int = 48
    ) -> Ledger:
        """The events' own ledger, read before, and what devices say they sent, beside what the lake holds."""
        now_hour = self._clock.wall_ns() // 3_600_000_000_000
        stored, failed = await self._ask(*charts.ledger(now_hour - hours), tables=charts.BOOKS)
        recent = [row for row in acknowledged if row["hour"] >= now_hour - hours]
        found = account.entries(recent, _counts(stored), _counts(failed))
        gaps = [*account.gaps(found, open_hour=now_hour - 1), *account.missing(sent)]
        return Ledger(entries=found, gaps=gaps, sent=list(sent))

    async def list_refused(self, *, limit: int = 200, after: Refused | None = None) -> list[Refused]:
        """Refused events that are not stored by now, newest first; with `after`, those that follow it."""
        (answer,) = await self._ask(charts.failed(limit, after), tables=charts.BOOKS)
        return [Refused(**dict(zip(Refused.__struct_fields__, row, strict=True))) for row in answer.rows]

    async def replay(self, events: EventsClient) -> Replayed:
        """Send all refused events again as they came, each for whom it came from; none is refused twice.

        Cost: a question to the lake for each thousand, and the storing of each event.
        """
        counts = {"stored": 0, "duplicate": 0, "failed": 0}
        page = await self.list_refused(limit=REPLAYED_AT_ONCE)
        while page:
            for refused in page:
                verdicts = await events.record_raw(
                    [msgspec.Raw(refused.raw.encode())],
                    profile_id=ProfileId(refused.profile_id) if refused.profile_id else None,
                    synthetic=refused.synthetic,
                    now_ms=refused.received_ms,
                    keep_failed=False,
                )
                counts[verdicts[0].status] += 1
            page = await self.list_refused(limit=REPLAYED_AT_ONCE, after=page[-1])
        return Replayed(**counts)

    async def quality(self, *, first: str, last: str, by: str) -> QualityReport:
        """Quality of experience from day to day, by `edge`, `device` or `title`. Raises Invalid."""
        if by not in charts.DIMENSIONS:
            raise Invalid(f"quality is grouped by {', '.join(charts.DIMENSIONS)}, got {by[:30]!r}")
        days = (checked_day(first), checked_day(last))
        total, daily, groups, funnel = await self._ask(*charts.quality(*days, by), tables=charts.SESSIONS)
        return QualityReport(
            first=first,
            last=last,
            by=by,
            total=_quality(total.rows[0]),
            days=[(str(row[0]), _quality(row[1:])) for row in daily.rows],
            groups=[(str(row[0] or "unknown"), _quality(row[1:])) for row in groups.rows],
            funnel=list(zip(charts.STEPS, funnel.rows[0], strict=True)),
        )

    async def erase(self, profile_id: ProfileId) -> Erasure:
        """Have a profile taken out of everything; the worker that keeps the lake does it. Raises Unavailable."""
        now_ms = self._clock.wall_ns() // 1_000_000
        await self._kept_in.write(sql.ask_erasure, profile_id, now_ms)
        found = await self._kept_in.read(sql.get_erasure, profile_id)
        if found is None:
            raise Unavailable("the erasure was not written down; ask again")
        return found

    async def list_erasures(self, *, limit: int = 50) -> list[Erasure]:
        """Erasures, the latest first."""
        return await self._kept_in.read(sql.list_erasures, limit)

    @property
    def _kept_in(self) -> Database:
        if self._database is None:
            raise Unavailable("this lake was opened without a database")
        return self._database

    async def export_profile(self, profile_id: ProfileId, form: Literal["json", "parquet"]) -> bytes:
        """A ZIP of everything that events tell of a profile: a file a table, and the projections as JSON."""
        quoted = checked_id(profile_id)
        names = [table.name for table in TABLES if "profile_id" in table.names]
        questions = [f"SELECT * FROM {name} WHERE profile_id = '{quoted}'" for name in names]  # noqa: S608
        rows = self.settings.export_rows
        answers = await self._ask(*questions, form="parquet" if form == "parquet" else "rows", rows=rows)
        files = {f"{name}.{form}": _file_of(answer) for name, answer in zip(names, answers, strict=True)}
        if self._database is not None:
            found = await self._database.read(sql.rows_of_profile, quoted)
            files |= {f"{name}.json": msgspec.json.encode(rows) for name, rows in found.items()}
        return await asyncio.to_thread(_zipped, files)

    def problem(self) -> str:
        """What is wrong with the committer, empty when nothing is: called now and then, it notices standstill."""
        try:
            snapshot = self._published.get(EVENTS)
            behind = self._sources_behind(snapshot.offsets)
        except Unavailable as error:
            return str(error)
        now_s = self._clock.monotonic_ns() / 1e9
        if not behind:
            self._behind_since = None
        elif self._behind_since is None or self._behind_since[0] != snapshot.snapshot_id:
            self._behind_since = (snapshot.snapshot_id, now_s)
        elif now_s - self._behind_since[1] > LATE_S:
            return f"events of {', '.join(behind)} are acknowledged but have not reached the lake for {LATE_S:g} s"
        return ""

    def _sources_behind(self, offsets: Offsets) -> list[str]:
        return [
            source
            for source in self._reader.sources()
            if self._reader.durable(source) > max((1, 0), place(offsets, source))
        ]


def checked_day(text: str) -> str:
    """A day as an ISO date. Raises Invalid."""
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Invalid(f"a day looks like 2026-11-30, got {text[:30]!r}") from error


def checked_id(text: str) -> str:
    """An id as ids are. Raises Invalid."""
    if not is_id(text):
        raise Invalid(f"a profile's id has 26 letters and digits, got {text[:30]!r}")
    return text


def _file_of(answer: Answer) -> bytes:
    if answer.truncated:
        raise TookTooLong("the profile has more rows than one export may have: raise [lake] export_rows")
    return answer.body or msgspec.json.encode([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])


def _zipped(files: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return sink.getvalue()


def _counts(answer: Answer) -> dict[account.Key, int]:
    return {(int(row[0]), str(row[1]), bool(row[2])): int(row[3]) for row in answer.rows}


def _quality(row: Sequence[Any]) -> Quality:
    named = dict(zip(charts.QUALITY, row, strict=True))
    return Quality(**{**named, "watched_s": named["watched_s"] or 0.0})
