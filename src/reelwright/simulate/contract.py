"""Simulated people as other systems see them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reelwright.events.contract import Event
from reelwright.kernel.ids import ProfileId


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated person."""

    profile_id: ProfileId
    tastes: Mapping[str, float]
    """How much they like a genre: 1 is indifferent, 3 a lot, 0.3 hardly."""
    evenings: float
    """Share of days on which they watch, 0..1."""
    maturity_limit: int = 1000


class Quality(msgspec.Struct, frozen=True):
    """How one play went."""

    start_ms: float
    """From play to the first frame."""
    stalls_ms: tuple[float, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """An event, and whose it is."""

    profile_id: ProfileId
    event: Event
