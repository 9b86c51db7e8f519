"""Counters in Redis or Valkey for programs without an event loop: one socket, threads take turns on it.

The same script, bounds and keys as `redis.py`: programs of both kinds may share one limit.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any

import hiredis

from reelwright.kernel.clock import Clock, SystemClock
from reelwright.limits.adapters.batch import Batch
from reelwright.limits.adapters.redis import PREFIX, TIMEOUT_S, Address, command, handshake, told
from reelwright.limits.contract import Ask, StoreUnavailable
from reelwright.limits.core.algorithms import Outcome
from reelwright.limits.core.store_time import ServerTime

READ_BYTES = 65_536


class Kept:
    """Where a batch puts what it was told: what a future is to those who do not wait."""

    __slots__ = ("outcomes",)

    def __init__(self) -> None:
        self.outcomes: list[Outcome] | None = None

    def done(self) -> bool:
        """Whether it was told."""
        return self.outcomes is not None

    def set_result(self, outcomes: list[Outcome]) -> None:
        """Tell it."""
        self.outcomes = outcomes


class SyncRedisStore:
    """Asks one server and waits for it, at most `timeout_s`. Safe for threads; not across a fork."""

    blocks = True
    """An event loop must not wait for it: there its methods run in a thread."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, clock: Clock | None = None) -> None:
        self._address = Address.parse(url)
        self._timeout_s = timeout_s
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._time = ServerTime(timeout_s)
        self._socket: socket.socket | None = None
        self._reader: Any = None
        self._lock = threading.Lock()

    def decide_now(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Each ask's outcome, times in ns, in one round trip. Raises StoreUnavailable."""
        return self._ask(asks, settles=False)

    def settle_now(self, asks: Sequence[Ask]) -> None:
        """Charge the costs (negative gives back) without asking. Raises StoreUnavailable."""
        if asks:
            self._ask(asks, settles=True)

    async def decide(self, asks: Sequence[Ask]) -> list[Outcome]:
        """`decide_now` in a thread."""
        return await asyncio.to_thread(self.decide_now, asks)

    async def settle(self, asks: Sequence[Ask]) -> None:
        """`settle_now` in a thread."""
        await asyncio.to_thread(self.settle_now, asks)

    async def close(self) -> None:
        """Close the connection."""
        self.close_now()

    def close_now(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            self._hang_up()

    def epoch(self) -> str:
        """Which life of the store this is, as far as known."""
        return self._time.epoch

    def _ask(self, asks: Sequence[Ask], *, settles: bool) -> list[Outcome]:
        batch, kept = Batch(PREFIX), Kept()
        batch.add(kept, asks, settles=settles)
        with self._lock:
            sent_ns = self._now_ns()
            reply = self._say(command(batch, self._time.bounds(sent_ns)))
            if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
                reply = self._say(command(batch, self._time.bounds(sent_ns), whole=True))
            if isinstance(reply, hiredis.ReplyError):
                raise StoreUnavailable(f"the store answers: {str(reply)[:200]}")
            epoch, numbers = told(reply)
            batch.resolve(numbers, epoch, sent_ns, self._now_ns(), self._time)
        return kept.outcomes or []

    def _say(self, data: bytes) -> Any:
        """Send one command and wait for its reply; a connection that fails is closed, for it may answer late."""
        until = time.monotonic() + self._timeout_s
        try:
            if self._socket is None:
                self._connect(until)
            return self._exchange(data, until)
        except (OSError, hiredis.ProtocolError) as error:
            self._hang_up()
            raise StoreUnavailable(f"the store cannot be reached: {error or 'no answer'}") from error

    def _connect(self, until: float) -> None:
        address, left_s = self._address, max(0.001, until - time.monotonic())
        if address.path:
            opened = socket.socket(socket.AF_UNIX)
            opened.settimeout(left_s)
            opened.connect(address.path)
        else:
            opened = socket.create_connection((address.host, address.port), timeout=left_s)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                opened = ssl.create_default_context().wrap_socket(opened, server_hostname=address.host)
        self._socket, self._reader = opened, hiredis.Reader(notEnoughData=None)
        for said in handshake(address):
            reply = self._exchange(said, until)
            if isinstance(reply, Exception):
                raise OSError(str(reply))

    def _exchange(self, data: bytes, until: float) -> Any:
        assert self._socket is not None
        self._socket.settimeout(max(0.001, until - time.monotonic()))
        self._socket.sendall(data)
        while (reply := self._reader.gets()) is None:
            self._socket.settimeout(max(0.001, until - time.monotonic()))
            found = self._socket.recv(READ_BYTES)
            if not found:
                raise OSError("the store closed the connection")
            self._reader.feed(found)
        return reply

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
