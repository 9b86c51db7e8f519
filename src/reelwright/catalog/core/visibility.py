"""What a caller may see: the one rule behind every read of the catalogue."""

from __future__ import annotations

import msgspec

from reelwright.catalog.contract import Title
from reelwright.kernel.principal import EVERYTHING, Principal, is_suitable

FOREVER_MS = 1 << 60


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """How far a caller sees."""

    maturity_limit: int
    at_ms: int | None
    """When the caller looks; None sees titles outside their availability as well."""


EVERYTHING_ALWAYS = Sight(maturity_limit=EVERYTHING, at_ms=None)
"""For who runs the service, at the terminal."""


def sight_of(caller: Principal, now_ms: int) -> Sight:
    """Editors work on titles before they are available and after; nobody sees above their limit."""
    return Sight(maturity_limit=caller.maturity_limit, at_ms=None if caller.may("editor") else now_ms)


def is_visible(title: Title, caller: Principal, now_ms: int) -> bool:
    """Whether the title exists for this caller now."""
    return is_in_sight(title, sight_of(caller, now_ms))


def is_in_sight(title: Title, sight: Sight) -> bool:
    """Whether a title is suitable, and available when it is looked at."""
    at_ms = sight.at_ms
    return is_suitable(title.maturity, sight.maturity_limit) and (
        at_ms is None or (title.available_from_ms or 0) <= at_ms < (title.available_until_ms or FOREVER_MS)
    )
