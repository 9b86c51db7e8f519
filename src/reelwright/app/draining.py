"""What is left of a request's body when its answer is ready."""

from __future__ import annotations

import asyncio
import contextlib

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send

BYTES_MOST = 64 << 20
SECONDS_MOST = 2.0


class Draining:
    """Reads what is left of a body before the answer to it goes out: `BYTES_MOST` at most, for `SECONDS_MOST`.

    A server that answers and closes while bytes still come has the kernel reset the connection, and the answer is
    lost with it: who sent too much, or without permission, would read of a broken connection and not why.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; who asks first whether to send a body (`Expect`) is not told to by this."""
        if scope["type"] != ScopeType.HTTP or scope["method"] in ("GET", "HEAD") or _waits(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)

        async def send_after(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
            await send(message)

        await self._app(scope, body.receive, send_after)


class _Body:
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._over = False

    async def receive(self) -> ReceiveMessage:
        message = await self._receive()
        self._over = message["type"] != "http.request" or not message.get("more_body")
        return message

    async def drain(self) -> None:
        left = BYTES_MOST
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_MOST):
                while not self._over and left > 0:
                    message = await self.receive()
                    left -= len(message["body"]) if message["type"] == "http.request" else 0


def _waits(scope: Scope) -> bool:
    return any(name == b"expect" for name, _ in scope["headers"])
