"""The ledger: books that do not agree are said aloud, those that are still being written are not."""

from __future__ import annotations

from typing import Any

import pytest

from reelwright.lake.core.account import Key, entries, gaps

HOUR = 480_000


def told(hour: int, stored: int, *, source: str = "web-a", duplicate: int = 0) -> dict[str, Any]:
    """A row of the events' own ledger."""
    return {"hour": hour, "source": source, "synthetic": False, "stored": stored, "duplicate": duplicate}


def test_an_hour_is_received_acknowledged_refused_and_stored() -> None:
    """Whatever was answered counts as received; a source that only refused has its entry, too."""
    found = entries(
        [told(HOUR, 10, duplicate=2)],
        {(HOUR, "web-a", False): 10},
        {(HOUR, "web-a", False): 3, (HOUR, "web-b", False): 1},
    )
    counts = [(one.source, one.received, one.acknowledged, one.duplicate, one.failed, one.stored) for one in found]
    assert counts == [("web-a", 15, 10, 2, 3, 10), ("web-b", 1, 0, 0, 1, 0)]


@pytest.mark.parametrize(
    ("hour", "stored", "expected"),
    [
        (HOUR, {"web-a": 10}, []),
        (HOUR, {"web-a": 9}, [("lost", 1)]),
        (HOUR, {}, [("lost", 10)]),
        (HOUR, {"web-a": 12}, []),
        (HOUR - 5, {"web-a": 12}, [("uncounted", 2)]),
        (HOUR - 5, {"web-b": 10}, []),
    ],
)
def test_a_gap_is_an_alarm(hour: int, stored: dict[str, int], expected: list[tuple[str, int]]) -> None:
    """Only the hours in progress may have more in the lake; which source an event counts for matters to nobody."""
    lake: dict[Key, int] = {(hour, source, False): count for source, count in stored.items()}
    found = gaps(entries([told(hour, 10)], lake, {}), open_hour=HOUR)
    assert [(gap.kind, gap.count) for gap in found] == expected
