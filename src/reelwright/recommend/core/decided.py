"""What a page puts first, as it is written down. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from reelwright.recommend.contract import Page, Slot
from reelwright.recommend.core.page import Signals

ALTERNATIVES_MOST = 50


def decision_of(page: Page, first: Slot, signals: Signals) -> dict[str, Any]:
    """The data of a `decision` event: the alternatives are the titles that the page shows below, in their order."""
    shown = dict.fromkeys([first.title.id, *(slot.title.id for row in page.rows for slot in row.slots)])
    reference = {
        "at_ms": signals.now_ms,
        "titles": len(signals.titles),
        "watched": len(signals.watched),
        "views_week": sum(signals.views_week.values()),
        "counted_ms": signals.counted_ms,
    }
    return {
        "system": "recommend",
        "policy_version": page.policy,
        "input": msgspec.json.encode(reference).decode(),
        "choice": first.title.id,
        "alternatives": [{"id": title_id} for title_id in list(shown)[:ALTERNATIVES_MOST]],
        "reason": first.evidence[:2000],
        "propensity": 1.0 if first.propensity is None else first.propensity,
    }
