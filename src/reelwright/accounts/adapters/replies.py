"""Answers to creating requests that carried an Idempotency-Key, kept for those who did not hear them."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import msgspec
import sqlalchemy as sa

from reelwright.accounts.adapters import sql
from reelwright.accounts.contract import KeyReused, OutcomeUnknown, SecretReply
from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.ids import UserId
from reelwright.kernel.keys import KeyRing

KEPT_MS = 24 * 3_600_000
"""How long an answer is given again; afterwards its key is as good as new."""
KEPT_BYTES = 64 << 10
"""Of a longer answer only that it was given is kept: a day of them would fill the disk."""
KEYS_MOST = 10_000
"""Of one person; the oldest goes for a new one."""
_PURPOSE = "idempotency"


class Reply(msgspec.Struct, frozen=True):
    """An answer as it was given."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Replies:
    """One row a user and key: written before the work begins, completed with what was answered."""

    def __init__(self, *, database: Database, keys: KeyRing, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def begin(self, user_id: UserId, key: str, request: str) -> Reply | None:
        """Claim `key` for this request (all that makes it what it is, as a text): None when the work is to be done.

        Returns the answer of the first time where there is one. Raises KeyReused, OutcomeUnknown or SecretReply.
        """
        known = await self._database.write(
            _claim, user_id, key, self._keys.sign(_PURPOSE, request), self._clock.wall_ns() // 1_000_000
        )
        if known is None:
            return None
        if not self._keys.verifies(_PURPOSE, request, known["signed_by"], known["signature"]):
            raise KeyReused
        if known["status"] is None:
            raise OutcomeUnknown
        if known["body"] is None:
            raise SecretReply
        return Reply(
            known["status"], msgspec.json.decode(known["headers"], type=tuple[tuple[str, str], ...]), known["body"]
        )

    async def end(self, user_id: UserId, key: str, reply: Reply, *, secret: bool) -> None:
        """Keep the answer; of a secret or a long one only that it was given."""
        untold = secret or len(reply.body) > KEPT_BYTES
        await self._database.write(
            _complete,
            user_id,
            key,
            status=reply.status,
            headers=msgspec.json.encode(() if untold else reply.headers).decode(),
            body=None if untold else reply.body,
        )

    async def forget_all(self, user_id: UserId) -> None:
        """Forget all that was answered to a person: what it told of is deleted."""
        await self._database.write(_forget_all, user_id)
        await anyio.to_thread.run_sync(self._database.scrub, sql.REPLIES.name)

    async def forget(self, user_id: UserId, key: str) -> None:
        """Nothing was made: the key may be used again."""
        await self._database.write(_forget, user_id, key)


def _claim(
    connection: sa.Connection, user_id: str, key: str, signed: tuple[str, str], now_ms: int
) -> dict[str, Any] | None:
    table = sql.REPLIES
    connection.execute(table.delete().where(table.c.created_ms < now_ms - KEPT_MS))
    known = sql.find(connection, table, user_id=user_id, key=key)
    if known is None:
        _make_room(connection, user_id)
        name, signature = signed
        sql.insert(
            connection, table, user_id=user_id, key=key, signed_by=name, signature=signature, created_ms=now_ms
        )
    return known


def _make_room(connection: sa.Connection, user_id: str) -> None:
    table = sql.REPLIES
    mine = sa.select(table.c.created_ms).where(table.c.user_id == user_id).order_by(table.c.created_ms.desc())
    oldest_ms = connection.execute(mine.offset(KEYS_MOST - 1).limit(1)).scalar()
    if oldest_ms is not None:
        connection.execute(table.delete().where(table.c.user_id == user_id, table.c.created_ms <= oldest_ms))


def _complete(connection: sa.Connection, /, user_id: str, key: str, **values: Any) -> None:
    sql.update(connection, sql.REPLIES, {"user_id": user_id, "key": key}, **values)


def _forget_all(connection: sa.Connection, user_id: str) -> None:
    connection.execute(sql.REPLIES.delete().where(sql.REPLIES.c.user_id == user_id))


def _forget(connection: sa.Connection, user_id: str, key: str) -> None:
    sql.delete(connection, sql.REPLIES, user_id=user_id, key=key)
