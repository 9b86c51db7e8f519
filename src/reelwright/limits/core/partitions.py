"""Slots shared by kinds of requests: each has a guaranteed part, and may borrow what others leave.

State is mutable for speed. A kind is admitted while less is held than there is, or while it holds less than its own
part: what others have borrowed does not keep it out. So at most the limit and the parts that were lent are held.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from reelwright.kernel.errors import Invalid


class Partitions:
    """`limit` slots among kinds; `parts` add up to at most 1."""

    def __init__(self, limit: int, parts: Mapping[str, float]) -> None:
        if sum(parts.values()) > 1 + 1e-9 or any(part < 0 for part in parts.values()):
            raise Invalid(f"parts are at least 0 and add up to at most 1, got {dict(parts)}")
        self._parts = dict(parts)
        self.held: dict[str, int] = dict.fromkeys(parts, 0)
        self.total = 0
        self.set_limit(limit)

    def set_limit(self, limit: int) -> None:
        """Another number of slots; what is held stays held."""
        self.limit = limit
        self.guaranteed = {kind: math.ceil(round(limit * part, 9)) for kind, part in self._parts.items()}

    def acquire(self, kind: str) -> bool:
        """Take a slot, if there is one for this kind; an unknown kind has no part of its own."""
        held = self.held.get(kind, 0)
        if self.total >= self.limit and held >= self.guaranteed.get(kind, 0):
            return False
        self.held[kind] = held + 1
        self.total += 1
        return True

    def release(self, kind: str) -> None:
        """Give a slot back."""
        self.held[kind] -= 1
        self.total -= 1
