"""One request to an origin over HTTP/1.1, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from reelwright.cdn.adapters.http1 import (
    HEAD_BYTES_MOST,
    BadRequest,
    ResponseHead,
    body_of,
    encode_head,
    read_response,
)
from reelwright.cdn.core.fields import Fields
from reelwright.kernel.errors import Invalid, ReelwrightError, Unavailable

CONNECT_S = 3.0
NO_BODY = frozenset({204, 304})
_T = TypeVar("_T")
Interim = Callable[[ResponseHead], Awaitable[None]]


class Exchange(msgspec.Struct):
    """A response that has begun: its head, and its body as it comes."""

    head: ResponseHead
    blocks: AsyncIterator[bytes]


class Origin:
    """An HTTP server that holds the truth, or the next tier towards it."""

    def __init__(self, url: str, *, stall_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise Invalid(f"an origin is http(s)://host:port, got {url!r}")
        self.url = url.rstrip("/")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._stall_s = stall_s
        self.busy = 0
        """Bodies under way."""
        self.fetched_bytes = 0

    async def ask(
        self, method: str, target: str, fields: Fields, body: AsyncIterator[bytes] | None, interim: Interim
    ) -> Exchange:
        """Send a request; interim answers go to `interim`. Raises Unavailable."""
        reader, writer = await self._connect()
        try:
            writer.write(encode_head(f"{method} {target} HTTP/1.1", (*fields, ("connection", "close"))))
            if body is not None:
                await _send(writer, body, fields)
            head = await self._within(read_response(reader))
            while head.status < 200:
                await interim(head)
                head = await self._within(read_response(reader))
        except (OSError, ReelwrightError, asyncio.CancelledError) as error:
            writer.close()
            if isinstance(error, OSError):
                raise Unavailable(f"{self.url} broke off: {error}") from error
            raise
        empty = method == "HEAD" or head.status in NO_BODY
        return Exchange(head, self._blocks(reader, writer, () if empty else head.fields, empty=empty))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=HEAD_BYTES_MOST)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"{self.url} does not answer: {error}") from error

    async def _within(self, awaited: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout(self._stall_s):
                return await awaited
        except TimeoutError:
            raise Unavailable(f"{self.url} sent nothing for {self._stall_s:.0f} s") from None

    async def _blocks(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: Fields, *, empty: bool
    ) -> AsyncIterator[bytes]:
        blocks = body_of(reader, fields, to_close=not empty)
        self.busy += 1
        try:
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    block = await self._within(anext(blocks))
                    self.fetched_bytes += len(block)
                    yield block
        except (OSError, BadRequest) as error:
            raise Unavailable(f"{self.url} broke off: {error}") from error
        finally:
            self.busy -= 1
            writer.close()


async def _send(writer: asyncio.StreamWriter, body: AsyncIterator[bytes], fields: Fields) -> None:
    chunked = any(name == "transfer-encoding" for name, _ in fields)
    async for block in body:
        writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")
