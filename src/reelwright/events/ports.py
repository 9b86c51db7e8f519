"""What events need from outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

import sqlalchemy as sa

from reelwright.events.contract import Fact
from reelwright.kernel.ids import TitleId
from reelwright.kernel.principal import Principal

Projector = Callable[[sa.Connection, Sequence[Fact]], None]
"""What another system makes of events: called in the transaction that counts them, so that each counts once."""


@runtime_checkable  # handlers are given it by name, and its type is checked
class VisibleTitles(Protocol):
    """Which titles exist for a caller; bound to the catalogue."""

    async def visible_titles(self, title_ids: Collection[TitleId], caller: Principal) -> frozenset[TitleId]:
        """Those of the titles that the caller may know of."""
        ...
