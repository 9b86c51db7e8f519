"""What an event must be, and how a client's clock is corrected."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.events.contract import Backlogged, Event
from reelwright.events.core.check import (
    FUTURE_MS,
    ON_THE_WAY_MS,
    PAST_MS,
    clock_skew_ms,
    corrected_ms,
    reason_to_refuse,
)
from reelwright.events.core.intake import Intake
from reelwright.kernel.ids import is_id, new_id

ID, TITLE, PLAYABLE = new_id(), new_id(), new_id()
NOW_MS = 1_700_000_000_000


def event(**fields: Any) -> Event:
    """An event that is good but for what is changed."""
    base = {"id": ID, "type": "heartbeat", "at_ms": NOW_MS, "title_id": TITLE, "playable_id": PLAYABLE}
    return msgspec.convert({**base, **fields}, Event)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"id": "7"}, "26 characters"),
        ({"id": ID.upper()}, "26 characters"),
        ({"id": ID[:-1] + "\x00"}, "26 characters"),
        ({"id": ID + "\n"}, "26 characters"),
        ({"title_id": "x" * 26}, ""),
        ({"title_id": "é" * 26}, "ids"),
        ({"title_id": TITLE + "0"}, "ids"),
        ({"playable_id": ""}, "ids"),
        ({"session_id": "me"}, "ids"),
        ({"playable_id": None}, "names title_id and playable_id"),
        ({"title_id": None}, "names title_id and playable_id"),
        ({"type": "thumb", "title_id": None, "data": {"value": 1}}, "names title_id"),
        ({"type": "thumb"}, "data.value"),
        ({"type": "thumb", "data": {"value": 2}}, "data.value"),
        ({"type": "thumb", "data": {"value": "1"}}, "data.value"),
        ({"type": "list_change"}, "data.saved"),
        ({"type": "list_change", "data": {"saved": 1}}, "data.saved"),
        ({"position_s": -1}, "position_s"),
        ({"position_s": 86_401}, "position_s"),
        ({"position_s": float("nan")}, "position_s"),
        ({"position_s": float("inf")}, "position_s"),
        ({"data": {"text": "x" * 2001}}, "2000 characters"),
        ({"data": {"n": float("nan")}}, "not finite"),
        ({"data": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {}}}}}}}}}, "nested deeper"),
        ({"data": {"a": [[[[[[[]]]]]]]}}, "nested deeper"),
        ({"data": {"text": "x" * 2000, "n": 1.5, "b": True, "z": None, "l": [1, {"k": "v"}]}}, ""),
        ({"type": "search", "title_id": None, "playable_id": None, "data": {"query": "amber"}}, ""),
        ({"position_s": 0}, ""),
    ],
)
def test_an_event_is_refused_with_the_reason(fields: dict[str, Any], word: str) -> None:
    """The client's author reads what was seen and what was expected."""
    reason = reason_to_refuse(event(**fields))
    assert word in reason
    assert bool(reason) is bool(word)


@given(st.text(max_size=30))
def test_ids_are_told_as_the_kernel_tells_them(text: str) -> None:
    """The quick check and the kernel's own agree."""
    assert (reason_to_refuse(event(id=text)) == "") is is_id(text)


def test_every_new_id_passes() -> None:
    """What the service gives out it takes back."""
    assert all(reason_to_refuse(event(id=new_id())) == "" for _ in range(200))


@pytest.mark.parametrize(
    ("at_ms", "expected_ms"),
    [
        (NOW_MS, NOW_MS),
        (NOW_MS - 1, NOW_MS - 1),
        (NOW_MS - PAST_MS, NOW_MS - PAST_MS),
        (NOW_MS - PAST_MS - 1, NOW_MS),
        (NOW_MS + 1, NOW_MS),
        (NOW_MS + FUTURE_MS + 1, NOW_MS),
        (1 << 80, NOW_MS),
        (-(1 << 80), NOW_MS),
        (0, NOW_MS),
    ],
)
def test_a_wrong_clock_is_corrected(at_ms: int, expected_ms: int) -> None:
    """Never in the future, at most thirty days back; what was queued on a train keeps its time."""
    assert corrected_ms(at_ms, NOW_MS) == expected_ms


@pytest.mark.parametrize(
    ("sent_ms", "skew_ms"),
    [
        (None, 0),
        (NOW_MS, 0),
        (NOW_MS - ON_THE_WAY_MS, 0),
        (NOW_MS - 3_600_000, 3_600_000),
        (NOW_MS + 3_600_000, -3_600_000),
        (0, NOW_MS),
        (4_070_908_800_000, NOW_MS - 4_070_908_800_000),
    ],
)
def test_a_clock_is_wrong_by_what_it_said_when_it_sent(sent_ms: int | None, skew_ms: int) -> None:
    """1970 and 2099 included; what the way here explains is no skew."""
    assert clock_skew_ms(sent_ms=sent_ms, received_ms=NOW_MS) == skew_ms
    if sent_ms is not None:
        assert corrected_ms(sent_ms - 5000, NOW_MS, skew_ms) == (sent_ms - 5000 if skew_ms == 0 else NOW_MS - 5000)


def test_what_is_read_at_once_is_bounded() -> None:
    """A sender is turned away before its body is read, and room comes back."""
    intake = Intake(100)
    with intake.take(60):
        with pytest.raises(Backlogged), intake.take(41):
            pass
        with intake.take(40):
            assert intake.taken_bytes == 100
    assert intake.taken_bytes == 0
    with pytest.raises(RuntimeError), intake.take(100):
        raise RuntimeError
    assert intake.taken_bytes == 0
