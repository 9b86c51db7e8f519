"""Recommendations as other systems see them: a page of rows, each saying why it is there."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec

from reelwright.catalog.contract import Title
from reelwright.kernel.ids import PlayableId, TitleId
from reelwright.kernel.principal import Principal

Ranker = Literal["popular", "taste", "viewers"]
"""What orders the titles of genre rows and of what is new: views of the week, likeness to what was watched, or what
those watched who watched the same."""
RowKind = Literal["continue", "next_episode", "top10", "new", "because", "genre", "my_list", "again"]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a row."""

    title: Title
    playable_id: PlayableId | None = None
    """What plays on click, where it is a certain one (resume, next episode)."""
    progress: float | None = None
    """0..1 of the playable watched, for continue watching."""
    evidence: str = ""
    """Why it is here, in words: `shares Animation and the director A. Person`."""
    rank: int | None = None
    """Place in the Top 10, from 1."""
    propensity: float | None = None
    """The chance with which the place was drawn for it, where it explores."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Titles under a heading that is the reason for the row."""

    kind: RowKind
    heading: str
    slots: tuple[Slot, ...]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The home page of one profile at one moment: a billboard, then rows; no title appears twice in rows."""

    billboard: Slot | None
    rows: tuple[Row, ...]
    policy: str = ""
    """What ranked it, with its version; only the place that explores is left to chance. Empty where two were
    interleaved."""


@runtime_checkable  # handlers are given it by name, and its type is checked
class RecommendClient(Protocol):
    """What other systems may ask."""

    async def get_page(self, caller: Principal) -> Page:
        """The caller's home page now."""
        ...

    async def list_similar(self, title_id: TitleId, caller: Principal, *, limit: int = 12) -> list[Slot]:
        """More like this one, with the reason said."""
        ...
