"""Responses of origins held in memory, by target, within a budget of bytes."""

from __future__ import annotations

import msgspec

from reelwright.cdn.adapters.body import Body
from reelwright.cdn.core.eviction import S3FifoPolicy
from reelwright.cdn.core.purge import Purge, aged
from reelwright.cdn.core.reuse import Stored

VARIANTS_MOST = 32
HEAD_BYTES = 1024
"""What a response's head is reckoned to cost."""


class Held(Stored):
    """A stored response with its bytes."""

    body: Body
    tags: frozenset[str] = frozenset()


class ResponseStore:
    """Variants by key; S3-FIFO says which keys go when the budget is exceeded."""

    def __init__(self, budget_bytes: int) -> None:
        self._index = S3FifoPolicy(budget_bytes)
        self._held: dict[str, list[Held]] = {}

    def find(self, key: str) -> list[Held]:
        """All variants of a key."""
        found = self._held.get(key, [])
        if found:
            self._index.use(key)
        return found

    def put(self, key: str, held: Held, replaces: Stored | None = None) -> None:
        """Hold a response, in the place of another variant where given."""
        kept = [one for one in self._held.get(key, []) if one is not replaces]
        self._held[key] = [*kept, held][-VARIANTS_MOST:]
        self.weigh(key)

    def weigh(self, key: str) -> None:
        """Reckon a key's size anew: its bodies have grown."""
        if key not in self._held:
            return
        size = sum(HEAD_BYTES + len(one.body) for one in self._held.get(key, []))
        for victim in self._index.put(key, size):
            self._held.pop(str(victim), None)

    def drop(self, key: str, held: Stored | None = None) -> bool:
        """Forget a variant, or all of a key; True when there was something."""
        left = [one for one in self._held.get(key, []) if held is not None and one is not held]
        there = len(left) < len(self._held.get(key, []))
        if left:
            self._held[key] = left
        else:
            self._held.pop(key, None)
            self._index.drop(key)
        return there

    def held_bytes(self) -> int:
        """Of all responses."""
        return sum(HEAD_BYTES + len(one.body) for held in self._held.values() for one in held)

    def purge(self, purge: Purge, now_s: float) -> int:
        """Forget or age what a purge means; returns how many responses that were. O(responses held)."""
        found = [(key, one) for key, held in self._held.items() for one in held if purge.matches(key, one.tags)]
        for key, one in found:
            if purge.soft and one.body.done:
                request_s, response_s = aged(one, now_s)
                made = msgspec.structs.replace(one, request_s=request_s, response_s=response_s)
                self.put(key, made, replaces=one)
            else:
                self.drop(key, one)
        return len(found)
