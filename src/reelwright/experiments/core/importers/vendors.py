"""Which vendors' files can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reelwright.experiments.contract import BadConfiguration, FlagSource, UnknownOperator, Vendor
from reelwright.experiments.core.importers.eppo import Eppo
from reelwright.experiments.core.importers.flagd import Flagd
from reelwright.experiments.core.importers.flagsmith import Flagsmith
from reelwright.experiments.core.importers.growthbook import GrowthBookFlags
from reelwright.experiments.core.importers.unleash import Unleash

NowMs = Callable[[], int]
VENDORS: Mapping[Vendor, Callable[[Mapping[str, Any], NowMs], FlagSource]] = {
    "growthbook": lambda document, _: GrowthBookFlags(document),
    "unleash": lambda document, _: Unleash(document),
    "flagd": lambda document, now_ms: Flagd(document, now_ms=now_ms),
    "flagsmith": lambda document, _: Flagsmith(document),
    "eppo": lambda document, now_ms: Eppo(document, now_ms=now_ms),
}


def read_flags(vendor: str, document: Any, *, now_ms: NowMs) -> FlagSource:
    """A vendor's file as flags with that vendor's buckets.

    Raises UnknownOperator for what we do not know of it, BadConfiguration for a file of something else.
    """
    make = VENDORS.get(vendor)  # type: ignore[call-overload]
    if make is None:
        raise UnknownOperator(f"vendor {vendor[:60]!r} is none of {', '.join(VENDORS)}")
    if not isinstance(document, Mapping):
        raise BadConfiguration([f"a file of {vendor} is a JSON object, got {type(document).__name__}"])
    try:
        found: FlagSource = make(document, now_ms)
        return found
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise BadConfiguration([f"this is no file of {vendor}: {what}"]) from error
