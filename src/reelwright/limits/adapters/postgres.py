"""Counters in PostgreSQL: one call of one function for whatever asks while the call before is under way.

`decide.sql` holds the step functions; keys of one call are locked in one order, so that no two calls wait for each
other. The server's clock decides, held between the bounds that follow from the caller's monotonic clock.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import os
from collections.abc import Sequence
from importlib import resources
from typing import Any

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.errors import MissingExtra
from reelwright.limits.adapters.batch import BATCH_KEYS_MOST, Batch
from reelwright.limits.contract import Ask, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.store_time import TICKS_A_SECOND, ServerTime

try:
    import psycopg
except ImportError as error:
    raise MissingExtra("postgres", "limits in PostgreSQL") from error

TIMEOUT_S = 0.25
_SCHEMA_LOCK = 4206
_DECIDE = "SELECT epoch, answer FROM reelwright_limits_decide(%b, %b, %b, %b)"


class PostgresStore:
    """Implements `Store` in one database. Belongs to one event loop."""

    def __init__(
        self, url: str, *, timeout_s: float = TIMEOUT_S, clock: Clock | None = None, slack_s: float | None = None
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._time = ServerTime(timeout_s if slack_s is None else slack_s)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._batches: list[Batch] = []
        self._working: asyncio.Task[None] | None = None

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns. Raises StoreUnavailable."""
        return await self._ask(asks, settles=False)

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking. Raises StoreUnavailable."""
        if asks:
            await self._ask(asks, settles=True)

    async def close(self) -> None:
        """Close the connection."""
        if self._working is not None:
            self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._working
        if self._connection is not None:
            await self._connection.close()

    def epoch(self) -> str:
        """Which life of the store this is, as far as known: another one has lost all counters."""
        return self._time.epoch

    def time(self) -> ServerTime:
        """What is known of the server's clock."""
        return self._time

    def _ask(self, asks: Sequence[Ask], *, settles: bool) -> asyncio.Future[list[Outcome]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        if not self._batches or len(self._batches[-1]) >= BATCH_KEYS_MOST:
            self._batches.append(Batch(b""))
        self._batches[-1].add(future, asks, settles=settles)
        if self._working is None:
            self._working = loop.create_task(self._work())
        return future

    async def _work(self) -> None:
        try:
            while self._batches:
                await self._send(self._batches.pop(0))
        finally:
            self._working = None

    async def _send(self, batch: Batch) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connected()
                sent_ns = self._now_ns()
                fresh = binascii.hexlify(os.urandom(6)).decode()
                numbers = [*self._time.bounds(sent_ns), *batch.numbers()]
                cursor = await connection.execute(_DECIDE, (batch.keys(), TICKS_A_SECOND, fresh, numbers))
                epoch, answer = await cursor.fetchone() or ("", [])
            batch.resolve(answer, epoch, sent_ns, self._now_ns(), self._time)
        except (psycopg.Error, OSError, TimeoutError) as error:
            batch.fail(StoreUnavailable(f"the store answers: {str(error)[:200] or 'nothing in time'}"))
            connection, self._connection = self._connection, None  # type: ignore[assignment]
            if connection is not None:
                await connection.close()

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=1)
        return self._connection


async def install(url: str) -> None:
    """Make the tables and functions, or bring them to this version; as often as one likes.

    Raises StoreUnavailable.
    """
    text = resources.files(__package__).joinpath("decide.sql").read_bytes()
    try:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            await connection.execute(text)
    except psycopg.Error as error:
        raise StoreUnavailable(f"the store of limits cannot be made ready: {error}") from error
