"""Use cases of events: store them durably, project them, and answer what was made of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from reelwright.events.adapters import sql
from reelwright.events.adapters.bus import EventLog, bus_of, open_log
from reelwright.events.contract import MAX_EVENT_BYTES, Event, FailedBatch, FailedEvent, StoredBatch, Verdict, Watched
from reelwright.events.core.check import clock_skew_ms, corrected_ms, is_oversized, reason_to_refuse
from reelwright.events.core.frame import START, Position
from reelwright.events.core.intake import Intake
from reelwright.events.ports import Projector
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId
from reelwright.kernel.telemetry import counter, gauge, logger

RECEIVED = counter("events_received_total", "Events received, by verdict.", ("status",))
BEHIND = gauge("events_projection_behind_bytes", "Bytes of the log that are not projected yet.")
_RECENT = 100_000
_CATCH_UP_S = 0.5
_PROJECT_AT_ONCE = 5_000
_KEPT_BYTES = 64 << 10
_EVENT = msgspec.json.Decoder(Event)
_EVENTS = msgspec.json.Decoder(list[Event])
_STORED = msgspec.json.Decoder(StoredBatch)
log = logger(__name__)


class Projections:
    """What was made of events, read from the database; any process may ask."""

    def __init__(self, *, database: Database, clock: Clock, intake_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._intake = Intake(intake_bytes)

    def take(self, size_bytes: int) -> AbstractContextManager[None]:
        """Room for a request of this size while it is read and stored."""
        return self._intake.take(size_bytes)

    async def catch_up(self) -> None:
        """Wait until what this process has stored is projected; here nothing is stored."""

    async def get_position(self, profile_id: ProfileId, playable_id: PlayableId) -> Watched | None:
        """Where this profile stopped."""
        await self.catch_up()
        return await self._database.read(sql.get_position, profile_id, playable_id)

    async def list_watched(
        self, profile_id: ProfileId, *, limit: int = 200, before: tuple[int, PlayableId] | None = None
    ) -> list[Watched]:
        """What the profile has watched, latest first."""
        await self.catch_up()
        return await self._database.read(sql.list_watched, profile_id, limit, before)

    async def count_views(self, *, since_ms: int, until_ms: int) -> dict[TitleId, int]:
        """Viewers per title in the window."""
        return await self._database.read(sql.count_views, since_ms, until_ms)

    async def list_thumbs(self, profile_id: ProfileId) -> dict[TitleId, int]:
        """The profile's last judgement of each title."""
        await self.catch_up()
        return await self._database.read(sql.list_thumbs, profile_id)

    async def list_saved(self, profile_id: ProfileId) -> list[TitleId]:
        """The profile's own list, latest first."""
        await self.catch_up()
        return await self._database.read(sql.list_saved, profile_id)

    async def list_ledger(self, *, hours: int = 48) -> list[dict[str, Any]]:
        """What was stored in the last hours, per hour and source, synthetic events apart."""
        await self.catch_up()
        since = self._clock.wall_ns() // 3_600_000_000_000 - hours
        return await self._database.read(sql.list_ledger, since)


class EventsService(Projections):
    """Implements `EventsClient` on a log of this process and projections in the database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: EventsSettings,
        folder: Path,
        source: str,
        projectors: Sequence[Projector] = (),
    ) -> None:
        super().__init__(database=database, clock=clock, intake_bytes=settings.waiting_bytes)
        self._settings = settings
        self._folder = folder
        self._source = source
        self._projectors = projectors
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._projected: Position = START
        self._more = asyncio.Event()
        self._caught_up = asyncio.Condition()
        self._projector: asyncio.Task[None] | None = None
        self.problem = ""

    async def start(self) -> None:
        """Open the log and begin to project what is not projected yet."""
        self._projected = await self._database.read(sql.get_offset, self._source)
        self._wal = await asyncio.to_thread(self._open, self._source, self._projected)
        self._failed = await asyncio.to_thread(self._open, f"{self._source}-failed", START)
        await asyncio.to_thread(self._recall)
        self._more.set()
        self._projector = asyncio.create_task(self._project_for_ever())

    def _open(self, name: str, after: Position) -> EventLog:
        return open_log(bus_of(self._settings, self._folder), name, settings=self._settings, after=after)

    def _recall(self) -> None:
        """Know again the ids of the newest segment: clients send again what a crash left unanswered."""
        number = self._wal.durable[0]
        for _, payload in self._wal.read((number - 1, 0)):
            batch = _stored(payload)
            self._remember([event.id for event in batch.events] if batch else [])

    async def stop(self) -> None:
        """Project what is there, then close."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wait_until(self._wal.durable), 1)
        if self._projector:
            self._projector.cancel()
        await self._wal.close()
        await self._failed.close()

    # Telling

    async def record_raw(
        self,
        raws: Sequence[msgspec.Raw],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        sent_ms: int | None = None,
        keep_failed: bool = True,
    ) -> list[Verdict]:
        """Store a client's events; each gets a verdict, and a bad one never fails the others."""
        received_ms = now_ms if now_ms is not None else self._now_ms()
        skew_ms = clock_skew_ms(sent_ms=sent_ms, received_ms=received_ms)
        decoded = _decode_all(raws)
        failed = [(raw, event) for raw, event in zip(raws, decoded, strict=True) if isinstance(event, str)]
        if keep_failed:
            await self._keep_failed(failed, profile_id, synthetic)
        good = [event for event in decoded if isinstance(event, Event)]
        stored = iter(await self._record(good, profile_id, synthetic, received_ms, skew_ms, keep_failed))
        RECEIVED.labels("failed").inc(len(failed))
        return [
            Verdict(id=_id_in(raw), status="failed", reason=event) if isinstance(event, str) else next(stored)
            for raw, event in zip(raws, decoded, strict=True)
        ]

    async def record(
        self, events: list[Event], *, profile_id: ProfileId | None, synthetic: bool = False, now_ms: int | None = None
    ) -> list[Verdict]:
        """Store events durably; returns after fdatasync."""
        received_ms = now_ms if now_ms is not None else self._now_ms()
        return await self._record(events, profile_id, synthetic, received_ms, 0, True)

    async def _record(
        self,
        events: list[Event],
        profile_id: ProfileId | None,
        synthetic: bool,
        received_ms: int,
        skew_ms: int,
        keep_failed: bool,
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        fresh: dict[str, Event] = {}
        refused = []
        for event in events:
            reason = reason_to_refuse(event)
            if reason:
                refused.append((msgspec.Raw(msgspec.json.encode(event)), reason))
                verdicts.append(Verdict(id=event.id, status="failed", reason=reason))
            elif event.id in self._recent or event.id in fresh:
                verdicts.append(Verdict(id=event.id, status="duplicate"))
            else:
                at_ms = corrected_ms(event.at_ms, received_ms, skew_ms)
                fresh[event.id] = event if at_ms == event.at_ms else msgspec.structs.replace(event, at_ms=at_ms)
                verdicts.append(Verdict(id=event.id, status="stored"))
        if keep_failed:
            await self._keep_failed(refused, profile_id, synthetic)
        if fresh:
            batch = StoredBatch(
                events=list(fresh.values()),
                profile_id=profile_id,
                received_ms=received_ms,
                source=self._source,
                synthetic=synthetic,
            )
            await self._wal.append(msgspec.json.encode(batch))
            self._remember(fresh)
            self._more.set()
        self._count(failed=len(refused), stored=len(fresh), duplicate=len(events) - len(refused) - len(fresh))
        return verdicts

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000

    def _count(self, **verdicts: int) -> None:
        for status, count in verdicts.items():
            if count:
                RECEIVED.labels(status).inc(count)

    async def _keep_failed(
        self, rows: Sequence[tuple[msgspec.Raw, str]], profile_id: ProfileId | None, synthetic: bool
    ) -> None:
        """What was refused lies in a log of its own, with the reason, so that it can be looked at and sent again."""
        if rows:
            kept = FailedBatch(
                events=[FailedEvent(raw=bytes(raw)[:_KEPT_BYTES], reason=reason) for raw, reason in rows],
                received_ms=self._now_ms(),
                profile_id=profile_id,
                synthetic=synthetic,
            )
            await self._failed.append(msgspec.json.encode(kept))

    def _remember(self, ids: Iterable[str]) -> None:
        self._recent.update(dict.fromkeys(ids))
        while len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    # Projecting

    async def _project_for_ever(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            try:
                while self._projected < self._wal.durable:
                    await self._project_some()
                self.problem = ""
            except Exception as error:
                # The log keeps everything: whatever is wrong, the same place is tried again.
                self.problem = str(error)
                log.warning("projection waits", problem=self.problem)
                await asyncio.sleep(0.5)
                self._more.set()

    async def _project_some(self) -> None:
        after = self._projected
        until = await self._database.write(self._project, after, self._wal.durable)
        async with self._caught_up:
            self._projected = until
            self._caught_up.notify_all()
        BEHIND.set(await asyncio.to_thread(self._wal.bytes_after, until))

    def _project(self, connection: sa.Connection, after: Position, until: Position) -> Position:
        batches: list[StoredBatch] = []
        count = 0
        for position, payload in self._wal.read(after):
            batch = _stored(payload)
            if batch is None:
                log.error("a record of the event log cannot be read", segment=position[0], offset=position[1])
                continue
            batches.append(batch)
            count += len(batch.events)
            if count >= _PROJECT_AT_ONCE:
                until = position
                break
        now_ms = self._clock.wall_ns() // 1_000_000
        return sql.project(connection, self._source, batches, after, until, now_ms, self._projectors)

    async def _wait_until(self, position: Position) -> None:
        async with self._caught_up:
            await self._caught_up.wait_for(lambda: self._projected >= position)

    async def catch_up(self) -> None:
        """Wait until what was stored before this call is projected, half a second at most."""
        if self._projected < self._wal.durable:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wait_until(self._wal.durable), _CATCH_UP_S)


def _decode_all(raws: Sequence[msgspec.Raw]) -> list[Event | str]:
    """Each event, or why it is none."""
    if not any(is_oversized(memoryview(raw)) for raw in raws):
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return list(_EVENTS.decode(b"[" + b",".join(map(bytes, raws)) + b"]"))
    return [_decode(raw) for raw in raws]


def _decode(raw: msgspec.Raw) -> Event | str:
    data = bytes(raw)
    if is_oversized(data):
        return f"the event has {len(data)} bytes; at most {MAX_EVENT_BYTES} are taken"
    try:
        return _EVENT.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)


def _stored(payload: bytes) -> StoredBatch | None:
    try:
        return _STORED.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _id_in(raw: msgspec.Raw) -> str:
    try:
        found = msgspec.json.decode(bytes(raw)).get("id", "")
    except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError, RecursionError):
        return ""
    return str(found)[:26]
