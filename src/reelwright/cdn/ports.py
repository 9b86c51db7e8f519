"""What the edge needs from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Fetcher(Protocol):
    """Where a caching edge gets what it does not hold."""

    async def open(self, name: str, offset: int) -> tuple[int, AsyncIterator[bytes]]:
        """The object's whole size, and its bytes from `offset`. Raises NotFound or Unavailable."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...
