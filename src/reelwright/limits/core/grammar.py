"""How limits are written: `100/minute burst 20; 5000/day`, `10 per 2 hours window`, `20 concurrent`, `unlimited`."""

from __future__ import annotations

import re

from reelwright.kernel.errors import Invalid
from reelwright.limits.contract import Algorithm, Limit

UNITS_S = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 12 * 30 * 86_400,
}
"""A month is 30 days and a year 12 of them, as in the grammar of the package `limits` that this one extends."""
_SHORT = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}
_RATE = re.compile(
    r"(?P<count>\d{1,15})\s*(?:/|per\b)\s*(?P<multiple>\d{1,9})?\s*(?P<unit>[a-z]+)"
    r"(?:\s+burst\s+(?P<burst>\d{1,15}))?(?:\s+(?P<algorithm>gcra|leaky|fixed|counter|window|log))?"
    r"(?:\s+cells\s+(?P<cells>\d{1,4}))?",
    re.ASCII,
)
_CONCURRENT = re.compile(r"(?P<count>\d{1,15})\s+concurrent(?:\s+for\s+(?P<hold>\d{1,6})\s*s)?", re.ASCII)
HOLD_S = 60
"""How long a slot is held by whoever never gives it back, unless the limit says."""
TEXT_MOST = 1000


def parse_limits(text: str, name: str = "default") -> tuple[Limit, ...]:
    """The limits that `text` describes, separated by `;`, `,` or `|`; none for `unlimited`. Raises Invalid."""
    if not isinstance(text, str) or len(text) > TEXT_MOST:
        raise Invalid(f"limits are a text of at most {TEXT_MOST} characters, got {str(text)[:60]!r}")
    if text.strip().lower() == "unlimited":
        return ()
    parts = re.split(r"[;,|]", text)
    named = [name if len(parts) == 1 else f"{name}-{number}" for number in range(1, len(parts) + 1)]
    return tuple(parse_limit(part, one) for part, one in zip(parts, named, strict=True))


def parse_limit(text: str, name: str = "default") -> Limit:
    """The one limit that `text` describes; without `burst`, all of the count may come at once. Raises Invalid."""
    lowered = text.strip().lower() if isinstance(text, str) else ""
    held = _CONCURRENT.fullmatch(lowered)
    if held:
        period_ns = int(held["hold"] or HOLD_S) * 10**9
        return Limit(name=name, count=int(held["count"]), period_ns=period_ns, algorithm="concurrency")
    found = _RATE.fullmatch(lowered)
    unit_s = _unit_s(found["unit"]) if found else 0
    if not found or not unit_s or int(found["multiple"] or 1) == 0 or found["burst"] == "0":
        raise Invalid(f"a limit looks like '100/minute' or '100/minute burst 20', got {str(text)[:60]!r}")
    algorithm = _algorithm(found, text)
    return Limit(
        name=name,
        count=int(found["count"]),
        period_ns=int(found["multiple"] or 1) * unit_s * 10**9,
        burst=int(found["burst"] or 0),
        algorithm=algorithm,
        cells=int(found["cells"] or 60),
    )


def _algorithm(found: re.Match[str], text: str) -> Algorithm:
    algorithm: Algorithm = found["algorithm"] or "gcra"  # type: ignore[assignment]
    if found["burst"] and algorithm not in ("gcra", "leaky"):
        raise Invalid(f"a burst belongs to gcra and leaky; {algorithm} admits its count at once, got {text[:60]!r}")
    if found["cells"] and algorithm != "window":
        raise Invalid(f"cells belong to a window, got {text[:60]!r}")
    return algorithm


def _unit_s(word: str) -> int:
    singular = word.removesuffix("s") if len(word) > 1 else word
    return UNITS_S.get(_SHORT.get(singular, singular), 0)
