"""How much may be read at once: senders are told to come later before memory grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reelwright.events.contract import Backlogged


class Intake:
    """Bytes of requests that are being read, kept below a bound."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.taken_bytes = 0

    @contextmanager
    def take(self, size_bytes: int) -> Iterator[None]:
        """Hold `size_bytes` during the block. Raises Backlogged where they would be too many."""
        if self.taken_bytes + size_bytes > self._most_bytes:
            raise Backlogged("too many batches arrive at this moment; send this one again in a second")
        self.taken_bytes += size_bytes
        try:
            yield
        finally:
            self.taken_bytes -= size_bytes
