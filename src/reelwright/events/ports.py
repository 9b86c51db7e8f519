"""What events need from outside."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from reelwright.kernel.ids import TitleId
from reelwright.kernel.principal import Principal


@runtime_checkable  # handlers are given it by name, and its type is checked
class VisibleTitles(Protocol):
    """Which titles exist for a caller; bound to the catalogue."""

    async def visible_titles(self, title_ids: Collection[TitleId], caller: Principal) -> frozenset[TitleId]:
        """Those of the titles that the caller may know of."""
        ...
