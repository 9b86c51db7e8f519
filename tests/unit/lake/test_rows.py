"""Events become rows: typed where a column is, whole in any case, and counted for one day."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.events.contract import Event, FailedBatch, FailedEvent, StoredBatch
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.ids import EventId, ProfileId, SessionId, made_ms, new_id
from reelwright.lake.core.rows import DAY_MS, day_of, event_rows, failed_rows
from reelwright.lake.core.tables import BY_NAME, EVENTS, FAILED

NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


def row_of(**fields: Any) -> dict[str, Any]:
    """The row of one event."""
    event = Event(**{"id": EventId(new_id()), "type": "play", "at_ms": NOON_MS, **fields})
    batch = StoredBatch(events=[event], profile_id=ProfileId(new_id()), received_ms=NOON_MS + 5, source="web-a")
    return next(iter(event_rows(batch)))


def session_at(ms: int) -> SessionId:
    """A session id that was made then."""
    return SessionId(new_id(VirtualClock(ms * 1_000_000)))


def test_rows_have_the_tables_columns() -> None:
    """No column without a value to be, no value without a column."""
    assert set(row_of()) == set(BY_NAME[EVENTS].names)
    failed = FailedBatch(events=[FailedEvent(raw=b"{", reason="no")], received_ms=NOON_MS)
    assert set(next(iter(failed_rows("web-a-failed", (1, 40), failed)))) == set(BY_NAME[FAILED].names)


@pytest.mark.parametrize("value", ["12", None, True, [1], float("1e300"), {"a": 1}])
def test_what_has_the_wrong_type_is_kept_in_data_only(value: Any) -> None:
    """A column never lies; the event is whole."""
    row = row_of(data={"start_ms": value})
    assert row["start_ms"] is None
    assert msgspec.json.decode(row["data"]) == {"start_ms": value}


def test_measures_have_columns() -> None:
    """What pipelines count need not be dug out of JSON."""
    row = row_of(
        type="heartbeat", data={"watched_ms": 9000, "stalls": 2, "stalled_ms": 700.5, "edge": "e1", "height": 720}
    )
    assert (row["watched_ms"], row["stalls"], row["stalled_ms"], row["edge"], row["height"]) == (
        9000.0,
        2,
        700.5,
        "e1",
        720,
    )


@given(st.integers(0, (1 << 48) - 1))
def test_an_id_tells_when_it_was_made(ms: int) -> None:
    """The first ten characters are its milliseconds."""
    assert made_ms(new_id(VirtualClock(ms * 1_000_000))) == ms


@pytest.mark.parametrize(
    ("session_ms", "day"),
    [
        (NOON_MS - DAY_MS // 2 - 1, 19_999),
        (NOON_MS, 20_000),
        (NOON_MS + DAY_MS, 20_001),
        (0, 20_000),
        (NOON_MS - 3 * DAY_MS, 19_997),  # a film that was paused over a week-end, whose counts go on
        (NOON_MS - 31 * DAY_MS, 20_000),
        (NOON_MS + 3 * DAY_MS, 20_000),
        (NOON_MS + 30_000 * DAY_MS, 20_000),
    ],
)
def test_an_event_counts_for_the_day_its_session_began(session_ms: int, day: int) -> None:
    """A session over midnight is one day's; an invented session id opens no day of its own."""
    event = Event(id=EventId(new_id()), type="stop", at_ms=NOON_MS, session_id=session_at(session_ms))
    assert day_of(event) == day
