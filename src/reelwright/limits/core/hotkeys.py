"""The keys that come most often, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005).

A key's count is at most too high by the least count that is kept, and no key that came more often than that is
missing.
"""

from __future__ import annotations


class HotKeys:
    """The `most` keys that were offered most often."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def offer(self, key: str, much: int = 1) -> None:
        """Count a key; where there is no room, it takes the place and the count of the least. O(most) then."""
        known = self._counts.get(key)
        if known is not None:
            self._counts[key] = known + much
        elif len(self._counts) < self._most:
            self._counts[key] = much
        else:
            least = min(self._counts, key=self._counts.__getitem__)
            self._counts[key] = self._counts.pop(least) + much

    def top(self, count: int) -> list[tuple[str, int]]:
        """The hottest first."""
        return sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:count]
