"""Which objects a cache holds, and which it gives up: least recently used first, within a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict


class LruIndex:
    """Names and sizes in order of use. O(1) an operation."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self.held_bytes = 0

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def use(self, name: str) -> None:
        """Note a hit."""
        self._sizes.move_to_end(name)

    def put(self, name: str, size: int) -> list[str]:
        """Hold an object; returns the names to delete for the budget (itself too, when it alone exceeds it)."""
        self.drop(name)
        self._sizes[name] = size
        self.held_bytes += size
        given_up = []
        while self.held_bytes > self._budget_bytes:
            victim, freed = self._sizes.popitem(last=False)
            self.held_bytes -= freed
            given_up.append(victim)
        return given_up

    def drop(self, name: str) -> None:
        """Forget an object."""
        self.held_bytes -= self._sizes.pop(name, 0)
