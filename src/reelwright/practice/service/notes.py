"""Documents of a person, each kind as its struct; what a person may keep is bounded."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.adapters import notes
from reelwright.practice.contract import NoNote

T = TypeVar("T")


class Shelf(Generic[T]):
    """One kind of document of every person of this installation."""

    def __init__(self, *, database: Database, clock: Clock, kind: str, shape: type[T], most: int) -> None:
        self._database = database
        self._clock = clock
        self._kind = kind
        self._shape = shape
        self._most = most

    async def put(self, person: str, note_id: str, body: T, *, sample: bool = False) -> T:
        """Keep a document in place of the one with that id.

        Raises Conflict where there are too many, Invalid where nothing is left of it that can be stored.
        """
        values = _without_zeros(msgspec.to_builtins(body))
        try:
            kept = msgspec.convert(values, self._shape)
        except msgspec.ValidationError as error:
            raise Invalid(str(error)) from None
        known = await self._database.read(notes.get_note, person, self._kind, note_id)
        count = await self._database.read(notes.count_notes, person, self._kind)
        if known is None and count >= self._most:
            raise Conflict(f"there are {count} already, and {self._most} is the most; delete one first")
        await self._database.write(
            notes.put_note, person=person, kind=self._kind, id=note_id, body=values, sample=sample,
            changed_ms=self._clock.wall_ns() // 1_000_000,
        )  # fmt: skip
        return kept

    async def get(self, person: str, note_id: str) -> T:
        """The document. Raises NoNote."""
        row = await self._database.read(notes.get_note, person, self._kind, note_id)
        if row is None:
            raise NoNote(f"no {self._kind} {note_id[:40]!r} of yours")
        return msgspec.convert(row["body"], self._shape)

    async def find(self, person: str, note_id: str) -> T | None:
        """The document, where there is one."""
        row = await self._database.read(notes.get_note, person, self._kind, note_id)
        return None if row is None else msgspec.convert(row["body"], self._shape)

    async def list(self, person: str) -> dict[str, T]:
        """The person's documents by id, in the order of ids."""
        rows = await self._database.read(notes.list_notes, person, self._kind)
        return {row["id"]: msgspec.convert(row["body"], self._shape) for row in rows}

    async def sampled(self, person: str) -> frozenset[str]:
        """Ids of those that the demo made."""
        rows = await self._database.read(notes.list_notes, person, self._kind)
        return frozenset(row["id"] for row in rows if row["sample"])

    async def delete(self, person: str, note_id: str) -> None:
        """Forget a document. Raises NoNote."""
        if not await self._database.write(notes.delete_note, person, self._kind, note_id):
            raise NoNote(f"no {self._kind} {note_id[:40]!r} of yours")


def _without_zeros(value: Any) -> Any:
    """The same without zero characters, which PostgreSQL does not store."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_without_zeros(key): _without_zeros(one) for key, one in value.items()}
    return [_without_zeros(one) for one in value] if isinstance(value, list | tuple) else value
