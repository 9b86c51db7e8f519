"""What an event must be, and how a client's clock is corrected."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.events.contract import Backlogged
from reelwright.events.core.check import (
    ON_THE_WAY_MS,
    PAST_MS,
    clock_skew_ms,
    corrected_ms,
)
from reelwright.events.core.intake import Intake
from reelwright.events.core.schema import SCHEMA
from reelwright.events.core.sift import read_event
from reelwright.kernel.ids import is_id, new_id

ID, TITLE, PLAYABLE = new_id(), new_id(), new_id()
NOW_MS = 1_700_000_000_000


def refusal(**fields: Any) -> str:
    """Why an event that is good but for what is changed is refused; empty where it is not."""
    base = {"id": ID, "type": "heartbeat", "at_ms": NOW_MS, "title_id": TITLE, "playable_id": PLAYABLE}
    found = read_event(msgspec.json.encode({**base, **fields}), SCHEMA)
    return found if isinstance(found, str) else ""


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"id": "7"}, "length >= 26 - at `$.id`"),
        ({"id": ID.upper()}, "26 characters"),
        ({"id": ID[:-1] + "\x00"}, "26 characters"),
        ({"id": ID + "\n"}, "length <= 26 - at `$.id`"),
        ({"id": 7}, "Expected `str`, got `int` - at `$.id`"),
        ({"at_ms": "now"}, "$.at_ms"),
        ({"at_ms": 1 << 80}, "$.at_ms"),
        ({"title_id": "x" * 26}, ""),
        ({"title_id": "é" * 26}, "title_id: 26 characters"),
        ({"title_id": TITLE + "0"}, "$.title_id"),
        ({"playable_id": ""}, "$.playable_id"),
        ({"session_id": "me"}, "$.session_id"),
        ({"session_id": "u" * 26}, "session_id: 26 characters"),
        ({"playable_id": None}, "$.playable_id"),
        ({"title_id": None}, "$.title_id"),
        ({"mood": "fine"}, "unknown field `mood`"),
        ({"data": {"mood": "fine"}}, "unknown field `mood` - at `$.data`"),
        ({"data": 1}, "$.data"),
        ({"data": {"stalls": 1.5}}, "$.data.stalls"),
        ({"data": {"duration_s": "long"}}, "$.data.duration_s"),
        ({"type": "thumb", "title_id": None, "data": {"value": 1}}, "$.title_id"),
        ({"type": "thumb"}, "missing required field `data`"),
        ({"type": "thumb", "data": {"value": 2}}, "$.data.value"),
        ({"type": "thumb", "data": {"value": "1"}}, "$.data.value"),
        ({"type": "list_change"}, "missing required field `data`"),
        ({"type": "list_change", "data": {"saved": 1}}, "$.data.saved"),
        ({"type": "dance"}, "got 'dance'"),
        ({"type": None}, "$.type"),
        ({"type": 7}, "$.type"),
        ({"version": 2}, "heartbeat is known here in version 1, got 2"),
        ({"version": "1"}, "$.version"),
        ({"type": "error", "version": 3, "data": {}}, "error is known here in version 1, 2, got 3"),
        ({"position_s": -1}, "position_s"),
        ({"position_s": 86_401}, "position_s"),
        ({"position_s": [1]}, "position_s"),
        ({"type": "search", "data": {"text": "x" * 2001}}, "length <= 2000"),
        ({"type": "search", "data": {"text": "x" * 2000, "results": 3}}, ""),
        ({"type": "search", "title_id": None, "playable_id": None, "data": {"text": "amber"}}, ""),
        ({"type": "impression", "data": {"row": "top", "position": 3, "propensity": 1.5}}, "$.data.propensity"),
        ({"type": "impression", "data": {"row": "top", "position": 3, "propensity": 0.5}}, ""),
        ({"type": "error", "data": {"code": "X"}}, ""),
        ({"type": "error", "version": 2, "data": {"code": "X"}}, "missing required field `fatal`"),
        ({"position_s": 0}, ""),
    ],
)
def test_an_event_is_refused_with_the_reason(fields: dict[str, Any], word: str) -> None:
    """The client's author reads what was seen and what was expected."""
    reason = refusal(**fields)
    assert word in reason
    assert bool(reason) is bool(word)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"-1e999", b"01", b"1.", b"0x1"])
def test_what_is_no_number_is_refused(number: bytes) -> None:
    """JSON has no other numbers than finite ones."""
    good = msgspec.json.encode({"id": ID, "type": "play", "at_ms": 1, "title_id": TITLE, "playable_id": PLAYABLE})
    assert not isinstance(read_event(good[:-1] + b',"position_s":7}', SCHEMA), str)
    assert isinstance(read_event(good[:-1] + b',"position_s":' + number + b"}", SCHEMA), str)


@given(st.text(max_size=30))
def test_ids_are_told_as_the_kernel_tells_them(text: str) -> None:
    """The quick check and the kernel's own agree."""
    assert (refusal(id=text) == "") is is_id(text)


def test_every_new_id_passes() -> None:
    """What the service gives out it takes back."""
    assert all(refusal(id=new_id()) == "" for _ in range(200))


@pytest.mark.parametrize(
    ("at_ms", "expected_ms"),
    [
        (NOW_MS, NOW_MS),
        (NOW_MS - 1, NOW_MS - 1),
        (NOW_MS - PAST_MS, NOW_MS - PAST_MS),
        (NOW_MS - PAST_MS - 1, NOW_MS),
        (NOW_MS + 1, NOW_MS),
        (NOW_MS + 300_001, NOW_MS),
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
