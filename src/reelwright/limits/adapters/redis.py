"""Counters in Redis or Valkey: one connection, one script call an event-loop tick, whatever asks in it.

Everything asked within a tick of the loop is one EVALSHA of `decide.lua`; the keys of one call lie in one hash slot,
so that it runs on a cluster too. The server's clock decides, held between bounds that follow from the caller's
monotonic clock and the time the server told last: it never goes back, and a jump ahead counts for no more than the
timeout. RESP is written here and read by hiredis: a client library would cost ten times what the decision does.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.errors import Invalid, MissingExtra
from reelwright.limits.adapters.batch import BATCH_KEYS_MOST, Batch
from reelwright.limits.contract import Ask, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.store_time import TICKS_A_SECOND, ServerTime

try:
    import hiredis
except ImportError as error:
    raise MissingExtra("redis", "limits in Redis or Valkey") from error

Taken = tuple[int, int, int]
"""How much; ns until all of it would have been there; the store's tick."""
TIMEOUT_S = 0.04
PREFIX = b"rw:{limits}:"
SCRIPT = resources.files(__package__).joinpath("decide.lua").read_bytes()
_SHA = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest().encode()


_LIKE = "a store looks like redis://host:6379/0, rediss://host or unix:///path"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is, of a `redis://`, `rediss://` or `unix://` URL."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    user: str = ""
    password: str = ""
    database: int = 0
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address of `url`. Raises Invalid."""
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
        except ValueError:
            raise Invalid(f"{_LIKE}, with a number as its port") from None
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.scheme == "unix":
            return cls(path=parts.path, user=user, password=password)
        database = parts.path.strip("/") or "0"
        if parts.scheme not in ("redis", "rediss") or not database.isdecimal():
            raise Invalid(f"{_LIKE}, got {parts.scheme}://…")
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=port,
            user=user,
            password=password,
            database=int(database),
            tls=parts.scheme == "rediss",
        )


def command(batch: Batch, bounds: tuple[int, int], *, whole: bool = False) -> bytes:
    """The EVALSHA (or, where the server forgot the script, EVAL) of a batch."""
    keys = batch.keys()
    said = [TICKS_A_SECOND, *bounds, os.urandom(6).hex(), *batch.numbers()]
    start = [b"EVAL", SCRIPT] if whole else [b"EVALSHA", _SHA]
    return pack(*start, b"%d" % len(keys), *keys, msgspec.msgpack.encode(said))


def told(reply: bytes) -> tuple[str, list[int]]:
    """The script's reply: the store's epoch, and the numbers that a batch resolves."""
    numbers = msgspec.msgpack.decode(reply)
    return numbers.pop(1), numbers


def handshake(address: Address) -> list[bytes]:
    """What is said first on a connection."""
    said = []
    if address.password:
        user = [address.user.encode()] if address.user else []
        said.append(pack(b"AUTH", *user, address.password.encode()))
    if address.database:
        said.append(pack(b"SELECT", b"%d" % address.database))
    said.append(pack(b"SCRIPT", b"LOAD", SCRIPT))
    return said


def pack(*parts: bytes) -> bytes:
    """One command."""
    return b"".join([b"*%d\r\n" % len(parts), *[_bulk(part) for part in parts]])


def _bulk(part: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(part), part)


class Connection(asyncio.Protocol):
    """One connection: answers come in the order of what was sent."""

    def __init__(self, timeout_s: float, lost: Callable[[], None]) -> None:
        self._reader = hiredis.Reader(notEnoughData=None)
        self._transport: asyncio.Transport | None = None
        self._expected: deque[tuple[float, Callable[[Any], None]]] = deque()
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self.open = False

    def connection_made(self, transport: Any) -> None:
        """Part of asyncio.Protocol: it is open."""
        self._transport, self.open = transport, True

    def send(self, data: bytes, answer: Callable[[Any], None]) -> None:
        """Send one command; `answer` gets the reply, or an exception."""
        if self._transport is None or not self.open:
            answer(StoreUnavailable("the store's connection is closed"))
            return
        self._expected.append((self._loop.time() + self._timeout_s, answer))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._look)
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol: replies."""
        self._reader.feed(data)
        while self._expected:
            try:
                reply = self._reader.gets()
            except hiredis.ProtocolError as error:
                self.close(StoreUnavailable(f"the store speaks no RESP: {error}"))
                return
            if reply is None:
                return
            self._expected.popleft()[1](reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol: it is closed."""
        self.close(StoreUnavailable(f"the store closed the connection: {exc or 'end of file'}"))

    def close(self, error: Exception) -> None:
        """Everybody who waits gets `error`."""
        if self.open:
            self.open = False
            if self._transport is not None:
                self._transport.abort()
            self._lost()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._expected:
            self._expected.popleft()[1](error)

    def _look(self) -> None:
        self._timer = None
        if not self._expected:
            return
        late = self._expected[0][0] - self._loop.time()
        if late <= 0:
            self.close(StoreUnavailable(f"no answer from the store within {self._timeout_s * 1000:.0f} ms"))
        else:
            self._timer = self._loop.call_later(late, self._look)


class RedisStore:
    """Implements `Store` on one server. Belongs to one event loop."""

    def __init__(
        self,
        url: str = "",
        *,
        address: Address | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
        slack_s: float | None = None,
    ) -> None:
        self._address = address or Address.parse(url)
        self._timeout_s = timeout_s
        self._slack_s = timeout_s if slack_s is None else slack_s
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._batches: dict[bytes, Batch] = {}
        self._flushing = False
        self._loop: asyncio.AbstractEventLoop
        self._times: dict[bytes, ServerTime] = {}
        self.round_trips = 0
        """Script calls sent: what a benchmark counts."""

    def decide(self, asks: Sequence[Ask]) -> Awaitable[list[Outcome]]:
        """Each ask's outcome, times in ns, in a future, which is cheap. Raises StoreUnavailable."""
        batch = self._batch(asks)
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        batch.add(future, asks)
        return future

    async def settle(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking. Raises StoreUnavailable."""
        if asks:
            batch = self._batch(asks)
            future: asyncio.Future[list[Outcome]] = self._loop.create_future()
            batch.add(future, asks, settles=True)
            await future

    async def close(self) -> None:
        """Close the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close(StoreUnavailable("the store was closed"))

    async def take(self, ask: Ask, *, back: tuple[int, int] = (0, 0)) -> Taken:
        """Take up to the cost; before that, give back so much of what was taken at a tick: once, and never again.

        Raises StoreUnavailable, and then nobody knows what the store did.
        """
        future: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._batch((ask,)).add_take(future, ask, back)
        return await future

    def _batch(self, asks: Sequence[Ask]) -> Batch:
        """The batch of this tick of the loop, which is sent at the tick's end."""
        prefix = self._prefix(asks)
        batch = self._batches.get(prefix)
        if batch is None or len(batch) >= BATCH_KEYS_MOST:
            if batch is not None:
                self._flush()
            batch = self._batches[prefix] = Batch(prefix)
        if not self._flushing:
            self._flushing = True
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush)
        return batch

    def _prefix(self, _asks: Sequence[Ask]) -> bytes:
        """What all keys of a call begin with: one hash tag, so one slot of a cluster."""
        return PREFIX

    def epoch(self) -> str:
        """Which life of the store this is, as far as known: another one has lost all counters."""
        known = self._times.get(PREFIX)
        return known.epoch if known else ""

    def time(self, prefix: bytes = PREFIX) -> ServerTime:
        """What is known of the clock that these keys live by."""
        found = self._times.get(prefix)
        if found is None:
            found = self._times[prefix] = ServerTime(self._slack_s)
        return found

    def _flush(self) -> None:
        self._flushing = False
        if self._connection is None or not self._connection.open:
            if self._connecting is None:
                self._connecting = asyncio.get_running_loop().create_task(self._connect())
            return
        batches, self._batches = self._batches, {}
        for prefix, batch in batches.items():
            self._send(self._connection, prefix, batch)

    def _send(self, connection: Connection, prefix: bytes, batch: Batch, *, whole: bool = False) -> None:
        clock, sent_ns = self.time(prefix), self._now_ns()

        def answered(reply: Any) -> None:
            if isinstance(reply, hiredis.ReplyError):
                self._refused(connection, prefix, batch, str(reply), whole)
            elif isinstance(reply, Exception):
                batch.fail(reply)
            else:
                epoch, numbers = told(reply)
                batch.resolve(numbers, epoch, sent_ns, self._now_ns(), clock)

        self.round_trips += 1
        connection.send(command(batch, clock.bounds(sent_ns), whole=whole), answered)

    def _refused(self, connection: Connection, prefix: bytes, batch: Batch, reason: str, whole: bool) -> None:
        if reason.startswith("NOSCRIPT") and not whole:
            self._send(connection, prefix, batch, whole=True)
        else:
            batch.fail(StoreUnavailable(f"the store answers: {reason[:200]}"))

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._connection = await open_connection(self._address, self._timeout_s, lambda: None)
        except (OSError, TimeoutError, StoreUnavailable) as error:
            batches, self._batches = self._batches, {}
            for batch in batches.values():
                batch.fail(StoreUnavailable(f"the store cannot be reached: {error or 'no answer'}"))
        finally:
            self._connecting = None
        if self._batches:
            self._flush()


async def open_connection(address: Address, timeout_s: float, lost: Callable[[], None]) -> Connection:
    """A connection that has said hello and holds the script. Raises OSError, StoreUnavailable."""
    loop = asyncio.get_running_loop()
    made: Connection
    if address.path:
        _, made = await loop.create_unix_connection(lambda: Connection(timeout_s, lost), address.path)
    else:
        context = ssl.create_default_context() if address.tls else None
        transport, made = await loop.create_connection(
            lambda: Connection(timeout_s, lost), address.host, address.port, ssl=context
        )
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    replies: list[asyncio.Future[Any]] = []
    for command in handshake(address):
        replies.append(loop.create_future())
        made.send(command, setter(replies[-1]))
    for reply in [await one for one in replies]:
        if isinstance(reply, Exception):
            made.close(StoreUnavailable("said hello in vain"))
            raise reply if isinstance(reply, StoreUnavailable) else StoreUnavailable(f"the store answers: {reply}")
    return made


def setter(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    """A function that gives a future its reply, unless it has been given up."""

    def answered(reply: Any) -> None:
        if not future.done():
            future.set_result(reply)

    return answered
