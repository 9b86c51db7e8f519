"""Live streams to browsers: Server-Sent Events that end when the process is told to stop.

A server that waits for open streams before it stops would wait for ever, so each stream also listens to `Closing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from litestar.response import Stream

KEEP_ALIVE_S = 15.0
LONGEST_S = 60.0
"""Then a stream ends, and browsers ask for it again: who may see it is asked anew."""


class Closing:
    """Set once, when the process begins to stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def begin(self) -> None:
        """End every live stream now."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Sleep for `seconds` or until closing; True when closing."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True


closing = Closing()
"""The process's own; the web process sets it on SIGTERM."""


def live(look: Callable[[], Awaitable[Any]], *, every_s: float = 1.0) -> Stream:
    """A stream that sends what `look` returns, as JSON, whenever it has changed; looks every `every_s` seconds.

    It ends after a minute, so that nobody who was shut out goes on watching; the client asks for it again.
    """
    return Stream(
        _changes(look, every_s),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def sent(messages: AsyncIterator[Any]) -> Stream:
    """A stream of messages as JSON, each as soon as it is there; it ends with them."""
    return Stream(
        _each(messages),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _each(messages: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for one in messages:
        yield b"data: " + msgspec.json.encode(one) + b"\n\n"


async def _changes(look: Callable[[], Awaitable[Any]], every_s: float) -> AsyncIterator[bytes]:
    last, quiet_s = b"", 0.0
    for _ in range(max(1, round(LONGEST_S / every_s))):
        now = msgspec.json.encode(await look())
        if now != last:
            yield b"data: " + now + b"\n\n"
            last, quiet_s = now, 0.0
        elif quiet_s >= KEEP_ALIVE_S:
            yield b": still here\n\n"
            quiet_s = 0.0
        if await closing.wait(every_s):
            return
        quiet_s += every_s
