"""Every type of event has one struct a version, and what was written before stays readable."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.events.contract import MAX_BATCH, MAX_EVENT_BYTES, Event, EventType, StoredBatch
from reelwright.events.core.described import typescript
from reelwright.events.core.schema import SCHEMA, Data, Error, Schema, Typed
from reelwright.events.core.sift import Recent, Sifted, read_event, sift_array, sift_each
from reelwright.events.core.stored import read_stored, stored_batch
from reelwright.kernel.errors import Invalid
from reelwright.kernel.ids import ProfileId, new_id

NOW_MS = 1_700_000_000_000
OLDER = Schema(tuple(kind for kind in SCHEMA.kinds.values() if kind is not Error), {})
"""The schema of a release that did not know version 2 of `error`."""


def event(kind: str = "heartbeat", **fields: Any) -> dict[str, Any]:
    """An event as a client sends it."""
    base = {"id": new_id(), "type": kind, "at_ms": NOW_MS - 5}
    return {**base, "title_id": new_id(), "playable_id": new_id(), **fields}


def array(*events: Any) -> msgspec.Raw:
    """Events as they come in a batch."""
    return msgspec.Raw(msgspec.json.encode(events))


def log_and_read(sifted: Sifted, skew_ms: int = 0) -> list[Event]:
    """What readers of the log see of a batch."""
    record = stored_batch(
        sifted.array,
        profile_id=ProfileId(new_id()),
        received_ms=NOW_MS,
        source="web",
        skew_ms=skew_ms,
        synthetic=False,
    )
    return read_stored(record).events


def test_every_type_has_its_struct() -> None:
    """The contract and the schema name the same types."""
    assert set(SCHEMA.current) == set(get_args(EventType))


def test_an_earlier_version_is_taken_and_read_as_the_one_that_is_written_now() -> None:
    """A device that was not updated reports an error as it always did."""
    old = event("error", data={"code": "NetworkError", "message": "gone"})
    sifted = sift_array(array(event(), old), Recent(10), SCHEMA)
    assert [verdict.status for verdict in sifted.verdicts] == ["stored", "stored"]
    found = log_and_read(sifted)[1]
    assert (found.version, found.data) == (2, {"code": "NetworkError", "message": "gone", "fatal": True})


def test_a_log_from_before_is_read() -> None:
    """Its times were corrected before they were written, and are not corrected again."""
    before = StoredBatch(
        events=[msgspec.convert(event("error", at_ms=7, data={"code": "X"}), Event)],
        profile_id=None,
        received_ms=NOW_MS,
        source="web",
    )
    found = read_stored(msgspec.json.encode(before)).events[0]
    assert (found.at_ms, found.version, found.data["fatal"]) == (7, 2, True)


def test_a_version_that_is_not_known_yet_is_refused_with_the_reason_and_taken_after_the_upgrade() -> None:
    """What was kept then is, byte for byte, what the next release takes."""
    new = event("error", version=2, data={"code": "X", "fatal": False})
    refused = sift_array(array(event(), new), Recent(10), OLDER)
    assert [verdict.status for verdict in refused.verdicts] == ["stored", "failed"]
    assert refused.verdicts[1].reason == "version: error is known here in version 1, got 2"
    assert refused.verdicts[1].id == new["id"]
    again = sift_each([msgspec.Raw(refused.failed[0].raw)], Recent(10), SCHEMA)
    assert [verdict.status for verdict in again.verdicts] == ["stored"]
    assert log_and_read(again)[0].data == {"code": "X", "fatal": False}


def test_steps_lead_through_every_version() -> None:
    """No version between the first and the one that is written now is missing."""
    for kind, version in SCHEMA.kinds:
        reached, _ = SCHEMA.upcast(kind, version, {})
        assert reached == SCHEMA.current[kind]
        assert {(kind, one) for one in range(1, reached + 1)} <= set(SCHEMA.kinds)


def test_the_fast_way_and_the_slow_way_say_the_same() -> None:
    """A batch of which all is stored is not taken apart; the outcome is as if it had been."""
    batch = array(*(event(position_s=float(n)) for n in range(50)))
    whole = sift_array(batch, Recent(10), SCHEMA)
    each = sift_each(msgspec.json.decode(batch, type=list[msgspec.Raw]), Recent(10), SCHEMA)
    assert whole.verdicts == each.verdicts and list(whole.ids) == list(each.ids)
    assert log_and_read(whole) == log_and_read(each)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(["id", "type", "at_ms", "version", "session_id", "title_id", "position_s", "data", "x"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, JSON, max_size=4), st.booleans())
def test_whatever_a_client_sends_the_others_of_its_batch_are_stored(strange: dict[str, Any], first: bool) -> None:
    """Wrong types, strange numbers, nonsense of any shape: one verdict each, and what is stored can be read."""
    good, bad = event(), {**event(), **strange}
    batch = array(bad, good) if first else array(good, bad)
    sifted = sift_array(batch, Recent(10), SCHEMA)
    assert len(sifted.verdicts) == 2 and sifted.verdicts[first].status == "stored"
    assert [row.id for row in log_and_read(sifted)] == list(sifted.ids)
    assert len(sifted.ids) + len(sifted.failed) == 2


@pytest.mark.parametrize(
    ("said_ms", "sent_ms"), [(-1000, 0), (4_070_908_800_000, 4_070_908_801_000)], ids=["1970", "2099"]
)
def test_a_clock_of_another_time_is_corrected_where_it_is_read(said_ms: int, sent_ms: int) -> None:
    """The log keeps what the client said, and how far its clock was off."""
    sifted = sift_array(array(event(at_ms=said_ms)), Recent(10), SCHEMA)
    assert b"%d" % said_ms in sifted.array
    assert log_and_read(sifted, NOW_MS - sent_ms)[0].at_ms == NOW_MS - 1000
    assert log_and_read(sifted)[0].at_ms == NOW_MS  # who does not say what the clock is gets the time of arrival


def test_an_id_that_is_used_again_with_other_content_is_the_first_event() -> None:
    """In one batch and in a later one; what came first stays as it is."""
    first = event(position_s=1.0)
    other = {**event("thumb", data={"value": 1}), "id": first["id"]}
    recent = Recent(10)
    sifted = sift_array(array(first, other), recent, SCHEMA)
    assert [verdict.status for verdict in sifted.verdicts] == ["stored", "duplicate"]
    recent.add(sifted.ids)
    assert [row.type for row in log_and_read(sifted)] == ["heartbeat"]
    later = sift_array(array(other), recent, SCHEMA)
    assert [verdict.status for verdict in later.verdicts] == ["duplicate"] and not later.ids


def test_an_event_that_is_padded_beyond_measure_is_refused_alone() -> None:
    """White space counts, in a batch as well as alone."""
    padded = b" " * MAX_EVENT_BYTES + msgspec.json.encode(event())
    many = [msgspec.json.encode(event()) for _ in range(40)]
    padded = padded.replace(b"{", b"{" + b" " * MAX_EVENT_BYTES, 1)
    sifted = sift_array(msgspec.Raw(b"[" + b",".join([*many, padded]) + b"]"), Recent(10), SCHEMA)
    assert [verdict.status for verdict in sifted.verdicts] == [*["stored"] * 40, "failed"]
    assert "at most 16384" in sifted.verdicts[-1].reason


@pytest.mark.parametrize("what", [b"1", b"{}", b'"text"', b"null"])
def test_what_is_no_array_is_no_batch(what: bytes) -> None:
    """And so is one that has too many events, good or bad."""
    with pytest.raises(Invalid, match="a batch looks like"):
        sift_array(msgspec.Raw(what), Recent(10), SCHEMA)
    for one in (event(), 1):
        with pytest.raises(Invalid, match="at most 500"):
            sift_array(array(*[one] * (MAX_BATCH + 1)), Recent(10), SCHEMA)


def test_recent_ids_are_forgotten_a_generation_at_a_time() -> None:
    """At least the newest are known, and never more than two generations."""
    recent = Recent(3)
    for number in range(10):
        recent.add([str(number)])
    assert "9" in recent and "7" in recent and "2" not in recent
    assert recent.has_any({"x", "9"}) and not recent.has_any({"x", "2"})


def test_typescript_names_what_is_required_and_what_may_be_left_out() -> None:
    """The front end's compiler refuses what the collector would."""
    text = typescript()
    assert "export interface ThumbData {\n  /** 1 up, -1 down, 0 neither */\n  value: -1 | 0 | 1;" in text
    assert "type: 'error';\n  version: 2;" in text and "type: 'play';\n  version?: 1;" in text
    assert "mode: 'event' | 'header' | 'query';" in text and "alternatives?: Alternative[];" in text
    assert all(f"{kind.__name__}Event" in text for key, kind in SCHEMA.kinds.items() if key != ("error", 1))


def test_every_field_says_what_it_means() -> None:
    """Nobody adds one without its line of documentation."""
    page = typescript()
    assert "/**  */" not in page
    assert all(issubclass(kind, Typed) and kind.__doc__ for kind in SCHEMA.kinds.values())
    assert Data.__doc__


def test_refused_events_say_which_types_are_known() -> None:
    """So that a client's author finds the misspelling."""
    reason = read_event(msgspec.json.encode(event("heart_beat")), SCHEMA)
    assert isinstance(reason, str) and "heartbeat" in reason and "'heart_beat'" in reason
