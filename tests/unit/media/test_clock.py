"""Clocks of streams, found in any bytes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from reelwright.media.core.clock import begins_anew, clocks


@given(st.sampled_from(("mpegts", "mpeg")), st.binary(max_size=2000))
@example("mpeg", b"\0\0\x01\xba")
@example("mpegts", b"\x47" * 2000)
def test_any_bytes_have_clocks_or_none(demuxer: str, block: bytes) -> None:
    """Sources are hostile."""
    assert all(0 <= ticks < 1 << 33 for ticks in clocks(demuxer, block).values())


def test_each_clock_goes_on_by_itself() -> None:
    """Programs of one stream have their own; where a block has none, the next one tells."""
    assert not begins_anew([{1: 900, 2: 5}, {}, {2: 7}, {1: 1000}, {1: 1000}])
    assert not begins_anew([{1: (1 << 33) - 10}, {1: 5}])
    assert begins_anew([{1: 900, 2: 5}, {}, {2: 7, 1: 899}])
