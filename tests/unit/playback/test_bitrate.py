"""The rule of the rungs: careful with an empty buffer, bold with a full one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelwright.playback.core.bitrate import next_rung

LADDER = (235e3, 560e3, 1.05e6, 1.75e6, 3.0e6, 5.8e6)
bps = st.floats(1e4, 1e8)


def test_before_anything_was_measured_it_is_the_lowest() -> None:
    """Whatever the buffer says."""
    assert next_rung(LADDER, [], 30.0, 4) == 0


def test_with_little_in_the_buffer_a_third_is_asked_for_and_with_much_more_than_all() -> None:
    """The same link at 3 Mb/s."""
    assert next_rung(LADDER, [3e6], 0.0, 5) == 1
    assert next_rung(LADDER, [2.5e6], 30.0, 3) == 4


def test_up_goes_one_rung_at_a_time_and_only_with_some_buffer() -> None:
    """Down goes at once, but for a full buffer, which rides out a sag."""
    assert next_rung(LADDER, [1e8], 9.0, 1) == 2
    assert next_rung(LADDER, [1e8], 8.0, 1) == 1
    assert next_rung(LADDER, [2e5], 12.0, 5) == 0
    assert next_rung(LADDER, [2e5], 19.0, 5) == 5


def test_one_slow_segment_counts_more_than_one_fast_one() -> None:
    """What takes long is what stalls."""
    assert next_rung(LADDER, [4e6] * 7 + [4e5], 17.0, 5) < next_rung(LADDER, [4e6] * 7 + [4e7], 17.0, 5)


def test_what_was_long_ago_does_not_count() -> None:
    """Eight segments are looked at."""
    assert next_rung(LADDER, [1e5] * 12 + [9e6] * 8, 15.0, 3) == 4


@given(st.lists(bps, min_size=1, max_size=9), st.lists(bps, max_size=20), st.floats(0, 120), st.integers(-1, 8))
def test_it_is_always_a_rung_of_the_ladder(
    rungs: list[float], speeds: list[float], buffer_s: float, rung: int
) -> None:
    """One higher than before at most."""
    found = next_rung(sorted(rungs), speeds, buffer_s, min(rung, len(rungs) - 1))
    assert 0 <= found <= max(0, min(rung, len(rungs) - 1) + 1) and found < len(rungs)
