"""Titles that few have seen get a place now and then, so that somebody finds out about them. Pure.

Which one is drawn, with a chance that is written down: what was watched there can then be weighed by it, and tells
how the title would do elsewhere (inverse propensity).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

import msgspec

from reelwright.kernel.ids import TitleId

FRESH_VIEWERS = 20
"""A title that fewer have watched in a week is fresh while it is new."""
EVEN = 0.6
"""Share of the chance that goes evenly, so that no propensity is too small to divide by; the rest is taste's."""


class Exploring(Protocol):
    """Decides what may take the explored place."""

    def chances(self, scores: Mapping[TitleId, float], viewers: Mapping[TitleId, int]) -> Mapping[TitleId, float]:
        """The chance of each fresh title, together at most 1; what is left keeps the place for what is ranked there.

        `scores` are the ranking's for this viewer, `viewers` says of each fresh title how many have watched it.
        """
        ...


class EvenAndTaste:
    """Some of it evenly, some by score; what fewer have watched has more of both."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share

    def chances(self, scores: Mapping[TitleId, float], viewers: Mapping[TitleId, int]) -> Mapping[TitleId, float]:
        """O(fresh titles)."""
        rare = {one: 1 / (1 + count) ** 0.5 for one, count in viewers.items()}
        liked = {one: max(0.0, scores.get(one, 0.0)) * rare[one] for one in viewers}
        even, taste = sum(rare.values()), sum(liked.values())
        evenly = EVEN if taste > 0 else 1.0
        return {
            one: self._share * (evenly * rare[one] / even + (1 - evenly) * liked[one] / (taste or 1.0))
            for one in viewers
        }


class Drawn(msgspec.Struct, frozen=True):
    """A title that takes the explored place, and the chance with which it did."""

    title_id: TitleId
    propensity: float


class Explores(msgspec.Struct, frozen=True):
    """That a page explores: on which share of pages, and where between 0 and 1 this page's draw lies."""

    share: float
    at: float


def place_of(profile_id: str, day: int) -> float:
    """Where a profile's draw of a day lies: the same all day, so that a page does not flicker."""
    digest = hashlib.blake2b(f"{profile_id}|{day}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 256**7


def draw(chances: Mapping[TitleId, float], at: float) -> Drawn | None:
    """The title at a place 0..1 of the chances laid end to end; None where it lies beyond them."""
    for title_id, chance in chances.items():
        at -= chance
        if at < 0 < chance:
            return Drawn(title_id, chance)
    return None
