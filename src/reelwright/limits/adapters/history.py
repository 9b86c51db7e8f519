"""What limits did, in the database: every process writes its own minutes, and all are read together.

A decision adds one item to a list; it is counted a tenth of a second later and written every ten seconds, so that
nobody waits for the database. Where that does not answer, what would have been written is lost, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import zlib
from collections.abc import Sequence

import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.telemetry import logger
from reelwright.limits.adapters.sql import list_seen, list_traffic, put_minute
from reelwright.limits.contract import Limit, Minute, Replayed, Verdict
from reelwright.limits.core.traffic import (
    TICK_S,
    TICKS_A_MINUTE,
    Recording,
    Seen,
    Traffic,
    each,
    merged,
    requests_of,
)
from reelwright.limits.replay import Request, try_limits

LOG = logger(__name__)
WRITE_S = 10.0
REPLAYED_MOST = 200_000
MINUTE_NS = 60 * 10**9
_SEEN = msgspec.msgpack.Decoder(Seen)
_TRAFFIC = msgspec.msgpack.Decoder(Traffic)


class History:
    """Writes what this process sees, and reads what all have seen. Belongs to one event loop."""

    def __init__(self, database: Database, *, clock: Clock, hours: int) -> None:
        self._database = database
        self._clock = clock
        self._hours = hours
        self._process = secrets.token_hex(8)
        """A name of this life: one that starts again within a minute must not write over what it wrote before."""
        self._noted: list[Sequence[Verdict]] = []
        self._minute = 0
        self._recording = Recording()
        self._changed = False
        self._writing: asyncio.Task[None] | None = None
        self._ended: set[asyncio.Task[None]] = set()

    def note(self, verdicts: Sequence[Verdict]) -> None:
        """One decision."""
        if not self._noted:
            asyncio.get_running_loop().call_later(TICK_S, self.count)
        self._noted.append(verdicts)

    def note_load(self, kind: str, verdict: str) -> None:
        """A request of a kind was let in (`allowed`) or turned away (`shed`) by load."""
        self._now().count(f"load {kind}", verdict)

    def count(self) -> None:
        """Count what was noted."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        recording, tick = self._now(), self._clock.wall_ns() % MINUTE_NS * TICKS_A_MINUTE // MINUTE_NS
        for verdicts in noted:
            for verdict in verdicts:
                ask, name = verdict.ask, verdict.ask.limit.name
                recording.ask(tick, name, ask.key)
                if verdict.allowed:
                    recording.count(name, "allowed")
                    continue
                recording.count(name, "shadow" if ask.shadow else "denied")
                recording.deny(ask.key)

    def _now(self) -> Recording:
        minute = self._clock.wall_ns() // MINUTE_NS
        if minute != self._minute:
            self._spawn_write()
            self._minute, self._recording = minute, Recording()
        self._changed = True
        return self._recording

    def _spawn_write(self) -> None:
        """Write the minute that ended, while the next is counted."""
        if self._changed:
            task = asyncio.get_running_loop().create_task(self._write(self._minute, self._recording))
            self._ended.add(task)
            task.add_done_callback(self._ended.discard)

    async def start(self) -> None:
        """Begin to write."""
        self._writing = asyncio.create_task(self._keep_writing())

    async def stop(self) -> None:
        """Write what there is, and end."""
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
            await self.flush()

    async def flush(self) -> None:
        """Write what there is."""
        self.count()
        await asyncio.gather(*self._ended)
        if self._changed:
            self._changed = False
            await self._write(self._minute, self._recording)

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_S)
            await self.flush()

    async def _write(self, minute: int, recording: Recording) -> None:
        row = {
            "minute": minute,
            "process": self._process,
            "seen": msgspec.msgpack.encode(recording.seen()),
            "traffic": zlib.compress(msgspec.msgpack.encode(recording.traffic()), 1),
        }
        try:
            await self._database.write(put_minute, row, keep_from=minute - self._hours * 60)
        except ReelwrightError as error:
            LOG.warning("history_not_written", reason=str(error))

    async def minutes(self, count: int) -> list[Minute]:
        """The last `count` minutes, the oldest first; those in which nothing came too."""
        await self.flush()
        last = self._clock.wall_ns() // MINUTE_NS
        rows = await self._database.read(list_seen, since=last - count + 1)
        by_minute: dict[int, list[Seen]] = {}
        for minute, seen in rows:
            by_minute.setdefault(minute, []).append(_SEEN.decode(seen))
        return [_told(minute, by_minute.get(minute, [])) for minute in range(last - count + 1, last + 1)]

    async def replay(self, limits: Sequence[Limit], of: str, *, hours: int, ago_hours: int = 0) -> Replayed:
        """What `limits` in place of the limit `of` would have done to the traffic of so many hours."""
        await self.flush()
        end = self._clock.wall_ns() // MINUTE_NS + 1 - ago_hours * 60
        begin = end - hours * 60
        rows = await self._database.read(list_traffic, since=begin, until=end)
        return await asyncio.to_thread(_replay, limits, of, rows, begin, hours)


def _replay(limits: Sequence[Limit], of: str, rows: Sequence[tuple[int, bytes]], begin: int, hours: int) -> Replayed:
    minutes = [(minute, _TRAFFIC.decode(zlib.decompress(traffic))) for minute, traffic in rows]
    asked, halved = requests_of(minutes, of, REPLAYED_MOST)
    begin_s = begin * 60
    trace = [Request(at_s - begin_s, key) for at_s, key in each(asked)]
    tried = try_limits(limits, trace, slice_s=hours * 3600 / 60, slices=60)
    return Replayed(
        limit=of,
        since_ms=begin_s * 1000,
        hours=hours,
        requests=tried.requests,
        admitted=tried.admitted,
        denied=tried.denied,
        slices=tried.slices,
        worst_keys=tried.worst_keys,
        one_key_in=1 << halved,
    )


def _told(minute: int, many: Sequence[Seen]) -> Minute:
    seen = merged(many)
    return Minute(at_ms=minute * 60_000, counts=seen.counts, hot=seen.hot, processes=len(many))
