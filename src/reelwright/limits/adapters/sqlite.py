"""Counters in one SQLite file: for several processes of one machine, and for limits that survive a restart.

Time is the machine's monotonic clock, which all its processes share, moved by an offset that is kept in the file.
Only over a restart of the machine does the wall clock say how long it was, and then it never goes back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.limits.contract import NEVER, Ask, Limit, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome, compiled, decide
from reelwright.limits.core.step import Rule, State, owed_ticks
from reelwright.limits.core.store_time import TICK_NS, TICKS_A_SECOND

T = TypeVar("T")
BUSY_S = 0.5
SWEPT_A_CALL = 4
"""Dead rows removed with each call: more than a call can add, on average."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, state BLOB NOT NULL, dies INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_dies ON state (dies);
CREATE TABLE IF NOT EXISTS clock
  (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, high INTEGER NOT NULL, wall_ns INTEGER NOT NULL,
   shift INTEGER NOT NULL);
"""


class SqliteStore:
    """Implements `Store` in the file `path`; SQLite works in a thread of its own, so that no loop is blocked."""

    def __init__(self, path: str | Path, *, clock: Clock | None = None, boot: str | None = None) -> None:
        self._path = str(path)
        self._clock = clock or SystemClock()
        self._boot = boot if boot is not None else _boot()
        self._thread = ThreadPoolExecutor(1, "limits-sqlite")
        self._connection: sqlite3.Connection | None = None

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns. Raises StoreUnavailable."""
        return await self._run(lambda connection: self._decide(connection, asks))

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking. Raises StoreUnavailable."""
        await self._run(lambda connection: self._settle(connection, asks))

    async def close(self) -> None:
        """Close the file."""

        def close() -> None:
            if self._connection is not None:
                self._connection.close()

        await asyncio.get_running_loop().run_in_executor(self._thread, close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._connection or self._open()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                return work(connection)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store {self._path} answers: {error}") from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        self._connection = connection
        return connection

    def _decide(self, connection: sqlite3.Connection, asks: Sequence[Ask]) -> list[Outcome]:
        now, rules = self._now(connection), [compiled(ask.limit, TICKS_A_SECOND) for ask in asks]
        states = [self._get(connection, ask, rule) for ask, rule in zip(asks, rules, strict=True)]
        costs, shadows = [ask.cost for ask in asks], [ask.shadow for ask in asks]
        after, outcomes = decide(rules, states, now, costs, shadows)
        if after is not None:
            self._put(connection, asks, rules, after, now)
        return [in_ns(outcome) for outcome in outcomes]

    def _settle(self, connection: sqlite3.Connection, asks: Sequence[Ask]) -> None:
        now, rules = self._now(connection), [compiled(ask.limit, TICKS_A_SECOND) for ask in asks]
        states = [self._get(connection, ask, rule) for ask, rule in zip(asks, rules, strict=True)]
        after = [rule.settle(state, now, ask.cost) for rule, state, ask in zip(rules, states, asks, strict=True)]
        self._put(connection, asks, rules, after, now)

    def _get(self, connection: sqlite3.Connection, ask: Ask, rule: Rule) -> State:
        row = connection.execute("SELECT state FROM state WHERE key = ?", (key_of(ask),)).fetchone()
        return msgspec.msgpack.decode(row[0], type=int | tuple[int, ...]) if row else rule.empty

    def _put(
        self,
        connection: sqlite3.Connection,
        asks: Sequence[Ask],
        rules: Sequence[Rule],
        states: Sequence[State],
        now: int,
    ) -> None:
        rows = [
            (key_of(ask), msgspec.msgpack.encode(state), now + max(rule.lifetime, owed_ticks(rule, state, now)))
            for ask, rule, state in zip(asks, rules, states, strict=True)
        ]
        connection.executemany("REPLACE INTO state VALUES (?, ?, ?)", rows)
        dead = "SELECT key FROM state WHERE dies < ? ORDER BY dies LIMIT ?"
        connection.execute(f"DELETE FROM state WHERE key IN ({dead})", (now, SWEPT_A_CALL * len(asks)))  # noqa: S608

    def _now(self, connection: sqlite3.Connection) -> int:
        ticks, wall_ns = self._clock.monotonic_ns() // TICK_NS, self._clock.wall_ns()
        row = connection.execute("SELECT boot, high, wall_ns, shift FROM clock").fetchone()
        if row is None:
            shift, high = 0, 0
        elif row[0] == self._boot:
            shift, high = row[3], row[1]
        else:  # the machine has started anew: its wall clock says for how long it was away, if it says anything
            high = row[1] + max(0, wall_ns - row[2]) // TICK_NS
            shift = high - ticks
        now = max(high, ticks + shift)
        connection.execute("REPLACE INTO clock VALUES (1, ?, ?, ?, ?)", (self._boot, now, wall_ns, shift))
        return int(now)


def key_of(ask: Ask) -> str:
    """The key of an ask's counter: another limit, and another strategy of the same one, has another."""
    return f"{_name(ask.limit)}:{ask.key.encode('utf-8', 'surrogatepass').hex() if _odd(ask.key) else ask.key}"


def in_ns(outcome: Outcome) -> Outcome:
    """The outcome with ticks as ns."""
    allowed, remaining, wait, reset = outcome
    return allowed, remaining, wait if wait == NEVER else wait * TICK_NS, reset * TICK_NS


def _name(limit: Limit) -> str:
    return f"{limit.name}:{limit.algorithm}:{limit.period_ns}:{limit.cells}"


def _odd(key: str) -> bool:
    return not key.isprintable()


def _boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
