"""Which objects an edge's owner holds and has proved, in words of memory that its workers read.

The table is a set of names with eight places a bucket, a word of 64 bits each: 47 bits of the name's hash and a mark
that is another each time a name is put there. Where a bucket is full another name leaves it: its object is then the
owner's to answer, and nothing else comes of it. One process writes, any number read, nobody waits.

Two numbers stand before it. `removed` is raised whenever something has left the table: who looks at it before each
answer has seen a purge as soon as it is acknowledged. `doubted` is raised when what else was known may be another.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from hashlib import blake2b

PLACES = 8
NUMBERS = 8
"""Words before the first bucket: a line of the processor's cache of their own."""
_MARKS = 0xFFFF
_USED = 1 << 63
_TAG = _USED - 1 - _MARKS
_REMOVED, _DOUBTED = 0, 1


class HeldTable:
    """The table over `words`, unsigned of 64 bits, all 0 at first; `NUMBERS` and eight a bucket."""

    def __init__(self, words: MutableSequence[int]) -> None:
        self._words = words
        self._buckets = (len(words) - NUMBERS) // PLACES
        self._mark = 0

    @property
    def removed(self) -> int:
        """Raised by each name that leaves, and by each doubt."""
        return self._words[_REMOVED]

    @property
    def doubted(self) -> int:
        """How often the owner doubted all that is not in the table."""
        return self._words[_DOUBTED]

    def find(self, name: str) -> int:
        """The word of a name, which is never the same for two puttings; 0 where it is not there. About 2 µs."""
        return self._place(name)[1]

    def add(self, name: str) -> None:
        """Put a name there, also one that is there."""
        at, word, tag = self._place(name)
        full = word or self._words[at]
        self._mark = self._mark % _MARKS + 1
        self._words[at] = tag | self._mark
        if full:
            self._words[_REMOVED] += 1

    def discard(self, name: str) -> None:
        """Take a name away; before its file goes."""
        at, word, _ = self._place(name)
        if word:
            self._words[at] = 0
            self._words[_REMOVED] += 1

    def doubt(self) -> None:
        """Have readers learn anew what is not in the table."""
        self._words[_DOUBTED] += 1
        self._words[_REMOVED] += 1

    def _place(self, name: str) -> tuple[int, int, int]:
        """Where a name is or would be, the word that it has there, and its hash."""
        digest = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "little")
        tag = (digest & _TAG) | _USED
        first = NUMBERS + (digest >> 64) % self._buckets * PLACES
        free = first + digest % PLACES  # who has to leave a full bucket
        for at in range(first + PLACES - 1, first - 1, -1):
            word = self._words[at]
            if word ^ tag <= _MARKS:  # the same but for the mark
                return at, word, tag
            if not word:
                free = at
        return free, 0, tag
