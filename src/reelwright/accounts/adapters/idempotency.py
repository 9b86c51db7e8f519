"""Idempotency-Key at the door: a creating request that is sent again is not done again."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from reelwright.accounts.adapters.replies import Replies, Reply
from reelwright.kernel.errors import Invalid
from reelwright.kernel.ids import UserId
from reelwright.kernel.principal import Principal


class IdempotencyMiddleware:
    """A POST with an Idempotency-Key is done once: who asks again gets the answer of the first time.

    As draft-ietf-httpapi-idempotency-key-header has it; keys are a user's own and are kept for a day.
    """

    def __init__(self, app: ASGIApp, *, replies: Replies, body_bytes_most: int) -> None:
        self._app = app
        self._replies = replies
        self._most = body_bytes_most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Claim the key, do the work, keep the answer; or give the one that was kept."""
        caller = scope.get("state", {}).get("principal")
        key = _idempotency_key(scope)
        if key is None or not isinstance(caller, Principal) or caller.user_id is None:
            await self._app(scope, receive, send)
            return
        body = await _whole(receive, self._most)
        kept = await self._replies.begin(caller.user_id, key, _identity(scope, caller, body))
        if kept is None:
            await self._do(scope, _Spool(receive, body), send, caller.user_id, key)
        else:
            await _start(send, kept.status, [*kept.headers, ("idempotent-replayed", "true")])
            await send({"type": "http.response.body", "body": kept.body, "more_body": False})

    async def _do(self, scope: Scope, receive: _Spool, send: Send, user_id: UserId, key: str) -> None:
        said = _Recorded()

        async def record(message: Message) -> None:
            # The answer is kept before it is sent: what a client heard, it will hear again.
            if said.add(message):
                await self._keep(user_id, key, said)
            await send(message)

        try:
            await self._app(scope, receive, record)
        except Exception:
            await self._replies.forget(user_id, key)
            raise

    async def _keep(self, user_id: UserId, key: str, said: _Recorded) -> None:
        if 200 <= said.status < 300:
            await self._replies.end(user_id, key, said.reply(), secret=said.secret)
        else:
            await self._replies.forget(user_id, key)


class _Spool:
    """Gives a body that was read ahead, then what follows (a disconnect)."""

    def __init__(self, receive: Receive, body: bytes) -> None:
        self._receive = receive
        self._body: bytes | None = body

    async def __call__(self) -> Any:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Recorded:
    """An answer as it is being sent."""

    def __init__(self) -> None:
        self.status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = b""

    def add(self, message: Message) -> bool:
        """Take one message; whether it was the last."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"]
            )
            return False
        if message["type"] != "http.response.body":
            return False
        self._body += message.get("body", b"")
        return not message.get("more_body", False)

    @property
    def secret(self) -> bool:
        """Whether it holds what must not lie in a database: a cookie, or a token that is shown once."""
        fields = dict(self._headers)
        return "set-cookie" in fields or "no-store" in fields.get("cache-control", "")

    def reply(self) -> Reply:
        """What is kept; how much a limit leaves is told anew each time."""
        kept = tuple(pair for pair in self._headers if not pair[0].startswith("ratelimit"))
        return Reply(self.status, kept, self._body)


async def _start(send: Send, status: int, headers: list[tuple[str, str]]) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _idempotency_key(scope: Scope) -> str | None:
    if scope["type"] != ScopeType.HTTP or scope["method"] != "POST" or not scope["path"].startswith("/api/"):
        return None
    header = dict(scope["headers"]).get(b"idempotency-key")
    if header is None:
        return None
    key = header.decode("latin-1").strip().strip('"')
    if not re.fullmatch("[\x21-\x7e]{1,255}", key):
        raise Invalid("an Idempotency-Key is 1 to 255 visible ASCII characters without spaces; a UUID is a good one")
    return key


def _identity(scope: Scope, caller: Principal, body: bytes) -> str:
    """What makes a request this request: who asks, as whom, with which rights, for what."""
    who = f"{caller.profile_id} {caller.role} {sorted(caller.scopes)}"
    what = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
    return f"{who}\0{what}\0{hashlib.sha256(body).hexdigest()}"


async def _whole(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message: Any = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            raise HTTPException(f"the body has more than {most:,} bytes", status_code=413)
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return bytes(body)
