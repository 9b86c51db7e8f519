"""A body in memory that may still be arriving: any number of readers follow one writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from reelwright.kernel.errors import ReelwrightError, Unavailable

BLOCK = 64 << 10


class Body:
    """The bytes [base, base + held) of an object, of `total` bytes where that is known.

    Past `most` bytes the writer waits for its slowest reader, and what all have read is let go (`whole` is then
    False), so that one object costs a bounded amount of memory whatever its size.
    """

    def __init__(self, total: int | None, *, most: int, base: int = 0) -> None:
        self.total = total
        self.base = base
        self.done = False
        self.problem: ReelwrightError | None = None
        self.whole = True
        self._most = most
        self._bytes = bytearray()
        self._readers: dict[int, int] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._next_reader = 0

    def __len__(self) -> int:
        return len(self._bytes)

    @property
    def end(self) -> int:
        """Where the bytes that are here end."""
        return self.base + len(self._bytes)

    @property
    def size(self) -> int | None:
        """The object's size, once it is known."""
        return self.end if self.total is None and self.done else self.total

    def bytes_of(self, start: int, end: int) -> bytes:
        """Bytes that are here."""
        return bytes(self._bytes[start - self.base : end - self.base])

    async def append(self, block: bytes) -> None:
        """Write; waits where readers are far behind."""
        self._bytes += block
        self._wake()
        while len(self._bytes) > self._most and self._readers:
            self.whole = False
            self._trim()
            if len(self._bytes) > self._most:
                await self._change()
        if len(self._bytes) > self._most:
            self.whole = False
            self._trim()

    def finish(self, problem: ReelwrightError | None = None) -> None:
        """No more will come."""
        self.done, self.problem = True, problem
        self._wake()

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        """Blocks of [start, end) as they arrive. Raises what ended the writer."""
        number = self._next_reader = self._next_reader + 1
        self._readers[number] = start
        try:
            while end is None or self._readers[number] < end:
                at = self._readers[number]
                until = min(self.end if end is None else min(end, self.end), at + BLOCK)
                if at < until:
                    block = self.bytes_of(at, until)
                    self._readers[number] = until
                    self._wake()
                    yield block
                elif self.done:
                    if self.problem is not None or end is not None:
                        raise self.problem or Unavailable(f"the body ended at {at} of {end} bytes")
                    return
                else:
                    await self._change()
        finally:
            del self._readers[number]
            self._wake()

    def _trim(self) -> None:
        first = min(self._readers.values(), default=self.end)
        if first > self.base:
            del self._bytes[: first - self.base]
            self.base = first

    async def _change(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in tuple(self._waiting):
            if not future.done():
                future.set_result(None)
