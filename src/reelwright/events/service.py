"""Use cases of events: store them durably, project them, and answer what was made of them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from reelwright.events.adapters import sql
from reelwright.events.adapters.bus import EventLog, bus_of, open_log
from reelwright.events.contract import (
    Event,
    FailedBatch,
    FailedEvent,
    SentHour,
    StoredBatch,
    Tally,
    Verdict,
    View,
    Watched,
)
from reelwright.events.core.check import clock_skew_ms
from reelwright.events.core.frame import START, Position
from reelwright.events.core.intake import Intake
from reelwright.events.core.schema import SCHEMA
from reelwright.events.core.sift import Recent, Sifted, sift_array, sift_each
from reelwright.events.core.stored import read_stored, stored_batch
from reelwright.events.core.tally import SETTLE_MS, refused_hours
from reelwright.events.ports import Projector
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.ids import PlayableId, ProfileId, TitleId
from reelwright.kernel.telemetry import counter, gauge, logger

RECEIVED = counter("events_received_total", "Events received, by verdict.", ("status",))
_STORED = RECEIVED.labels("stored")
BEHIND = gauge("events_projection_behind_bytes", "Bytes of the log that are not projected yet.")
_RECENT = 100_000
_CATCH_UP_S = 0.5
_PROJECT_AT_ONCE = 2_000
_REST = 3.0
"""While more comes than it can do, the projection rests for this many times as long as it worked."""
_REFUSED_S = 60.0
"""How long it is told that events were refused: players come again much sooner."""
_STEP_S = 0.1
"""While events keep coming one by one and nobody waits for them, they are projected together this often: a step costs
milliseconds however few it is for."""
_HAND_OVER_S = 0.001
"""How long the thread that projects may keep Python's lock while the loop waits for it; Python's own 5 ms are for
throughput, and would be added to every acknowledgement several times."""
log = logger(__name__)


class Projections:
    """What was made of events, read from the database; any process may ask."""

    def __init__(self, *, database: Database, clock: Clock, intake_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._intake = Intake(intake_bytes)
        self._refusal = ""
        self._refused_ns = 0

    @property
    def refused(self) -> str:
        """Why no event could be stored of late; empty when they are."""
        since_s = (self._clock.monotonic_ns() - self._refused_ns) / 1e9
        return self._refusal if since_s < _REFUSED_S else ""

    def _refuse(self, problem: str) -> None:
        self._refusal, self._refused_ns = problem, self._clock.monotonic_ns()

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

    async def list_views(self, *, since_ms: int, limit: int) -> list[View]:
        """Views of all profiles, latest first."""
        return await self._database.read(sql.list_views, since_ms, limit)

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

    async def list_sent(self, *, hours: int = 48) -> list[SentHour]:
        """What devices say they sent in the last hours, beside what came."""
        await self.catch_up()
        now_ms = self._clock.wall_ns() // 1_000_000
        since = now_ms // 3_600_000 - hours
        return await self._database.read(sql.list_sent, since, now_ms - SETTLE_MS)


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
        self._recent = Recent(_RECENT)
        self._waiting = 0
        self._projected: Position = START
        self._more = asyncio.Event()
        self._asked = asyncio.Event()
        self._behind: list[tuple[Position, asyncio.Future[None]]] = []
        """Who waits until a place in the log is projected."""
        self._projector: asyncio.Task[None] | None = None
        self.problem = ""

    async def start(self) -> None:
        """Open the log and begin to project what is not projected yet."""
        sys.setswitchinterval(min(sys.getswitchinterval(), _HAND_OVER_S))
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
            self._recent.add([event.id for event in batch.events] if batch else [])

    async def stop(self) -> None:
        """Project what is there, then close."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wait_until(self._wal.durable), 1)
        if self._projector:
            self._projector.cancel()
        await self._wal.close()
        await self._failed.close()

    async def settle(self) -> None:
        """Wait until everything that is stored now is projected, however long that takes."""
        await self._wait_until(self._wal.durable)

    # Telling

    async def record_array(
        self,
        array: msgspec.Raw,
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        sent_ms: int | None = None,
        keep_failed: bool = True,
        source: str = "",
        tally: Tally | None = None,
    ) -> list[Verdict]:
        """Store a client's events, a JSON array; each gets a verdict. Raises Invalid where that is none."""
        sifted = sift_array(array, self._recent, SCHEMA)
        return await self._store(sifted, profile_id, synthetic, now_ms, sent_ms, keep_failed, source, tally)

    async def record_raw(
        self,
        raws: Sequence[msgspec.Raw],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        keep_failed: bool = True,
        source: str = "",
    ) -> list[Verdict]:
        """The same for events one by one, some of which may be no JSON; what is refused need not be kept again."""
        sifted = sift_each(raws, self._recent, SCHEMA)
        return await self._store(sifted, profile_id, synthetic, now_ms, None, keep_failed, source)

    async def record(
        self,
        events: list[Event],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        source: str = "",
    ) -> list[Verdict]:
        """Store events durably; returns after fdatasync."""
        raws = [msgspec.Raw(msgspec.json.encode(event)) for event in events]
        return await self.record_raw(raws, profile_id=profile_id, synthetic=synthetic, now_ms=now_ms, source=source)

    async def _store(
        self,
        sifted: Sifted,
        profile_id: ProfileId | None,
        synthetic: bool,
        now_ms: int | None,
        sent_ms: int | None,
        keep_failed: bool,
        source: str,
        tally: Tally | None = None,
    ) -> list[Verdict]:
        received_ms = now_ms if now_ms is not None else self._now_ms()
        if sifted.failed and keep_failed:
            await self._keep_failed(sifted.failed, profile_id, synthetic)
        if sifted.ids or (tally is not None and (tally.hours or sifted.failed)):
            record = stored_batch(
                sifted.array,
                profile_id=profile_id,
                received_ms=received_ms,
                source=source or self._source,
                skew_ms=clock_skew_ms(sent_ms=sent_ms, received_ms=received_ms),
                synthetic=synthetic,
                tally=tally,
                refused=refused_hours(sifted.failed, received_ms) if tally is not None else None,
            )
            self._waiting += 1
            try:
                await self._wal.append(record)
                self._refusal = ""
            except Unavailable as error:
                self._refuse(str(error))
                raise
            finally:
                self._waiting -= 1
            self._recent.add(sifted.ids)
            self._more.set()
        self._count(sifted)
        return sifted.verdicts

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000

    def _count(self, sifted: Sifted) -> None:
        _STORED.inc(len(sifted.ids))
        if len(sifted.ids) < len(sifted.verdicts):
            failed = sum(verdict.status == "failed" for verdict in sifted.verdicts)
            RECEIVED.labels("failed").inc(failed)
            RECEIVED.labels("duplicate").inc(len(sifted.verdicts) - len(sifted.ids) - failed)

    async def _keep_failed(
        self, events: Sequence[FailedEvent], profile_id: ProfileId | None, synthetic: bool
    ) -> None:
        """What was refused lies in a log of its own, with the reason, so that it can be looked at and sent again."""
        kept = FailedBatch(
            events=list(events), received_ms=self._now_ms(), profile_id=profile_id, synthetic=synthetic
        )
        await self._failed.append(msgspec.json.encode(kept))

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
        after, durable, began = self._projected, self._wal.durable, time.monotonic()
        until = await self._database.write(self._project, after, durable)
        self._projected = until
        self._release()
        BEHIND.set(await asyncio.to_thread(self._wal.bytes_after, until))
        if until == durable:
            await self._gather()
        elif self._waiting:  # more comes than can be projected: acknowledging goes first
            await asyncio.sleep(_REST * (time.monotonic() - began))

    async def _gather(self) -> None:
        """Let events come together, until somebody waits for them."""
        self._asked.clear()
        if self._behind or self._projected == self._wal.durable:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STEP_S):
                await self._asked.wait()

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

    def _release(self) -> None:
        waiting, self._behind = self._behind, []
        for position, done in waiting:
            if self._projected < position:
                self._behind.append((position, done))
            elif not done.done():
                done.set_result(None)

    async def _wait_until(self, position: Position) -> None:
        if self._projected >= position:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._behind.append((position, done))
        self._asked.set()
        try:
            await done
        except asyncio.CancelledError:
            self._behind = [one for one in self._behind if one[1] is not done]
            raise

    async def catch_up(self) -> None:
        """Wait until what was stored before this call is projected, half a second at most."""
        if self._projected < self._wal.durable:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CATCH_UP_S):
                    await self._wait_until(self._wal.durable)


def _stored(payload: bytes) -> StoredBatch | None:
    try:
        return read_stored(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
