"""A play over a link: bits take the time that the link says, and whoever has a full buffer waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.simulate.core.peers import AlwaysLowest, Bola, ByBuffer, ByThroughput, ByTwoAverages
from reelwright.simulate.core.playing import BySegment, Known, OurRule, Recorded, even_sizes, play

LADDER = (1e6, 2e6, 4e6)
spans = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=6).filter(
    lambda found: any(bps for _, bps in found)
)


@given(spans, st.integers(1, 200), st.integers(0, 60))
def test_a_recorded_link_carries_what_its_spans_say(told: list[tuple[int, int]], bits: int, at_s: int) -> None:
    """Beside a walk in small steps, also over its end."""
    took_s = Recorded([(float(seconds), float(bps)) for seconds, bps in told], rtt_s=0.0).took_s(bits, at_s)
    speeds = [bps for seconds, bps in told for _ in range(seconds)]
    left, now = float(bits), at_s
    while left > speeds[now % len(speeds)]:
        left -= speeds[now % len(speeds)]
        now += 1
    assert took_s == pytest.approx(now + left / speeds[now % len(speeds)] - at_s, abs=1e-6)


def test_a_round_trip_comes_first_and_a_dead_link_is_none() -> None:
    """Bytes begin to come after it."""
    assert Recorded([(10.0, 1e6)], rtt_s=0.5).took_s(1e6, 0.0) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="nothing"):
        Recorded([(10.0, 0.0)], rtt_s=0.5)


def test_who_has_a_full_buffer_waits_and_meets_the_link_as_it_is_then() -> None:
    """Ten segments at a megabit are there at once; then one comes every four seconds, and the outage is met."""
    link = Recorded([(20.0, 100e6), (60.0, 0.0), (1000.0, 100e6)], rtt_s=0.0)
    found = play(link, LADDER, AlwaysLowest(), sizes_bits=even_sizes(LADDER, 20), buffer_most_s=20)
    assert sum(found.stalls_s) == pytest.approx(40, abs=0.5)
    assert max(found.buffers_s) == 20


@pytest.mark.parametrize("rule", [OurRule, ByThroughput, ByTwoAverages, ByBuffer, Bola])
def test_every_rule_gets_to_the_top_over_a_fast_link_and_stays_low_over_a_slow_one(rule: type) -> None:
    """Whatever it goes by."""
    fast = play(BySegment([1e8] * 40, 0.01), LADDER, rule(), sizes_bits=even_sizes(LADDER, 40))
    assert fast.rungs[-1] == 2 and sum(fast.stalls_s) == 0
    slow = play(BySegment([5e5] * 40, 0.01), LADDER, rule(), sizes_bits=even_sizes(LADDER, 40))
    assert slow.rungs[-1] == 0


def test_shaka_player_believes_the_lower_of_its_averages() -> None:
    """After a sudden rise and after a sudden fall."""

    def chosen(*speeds: float) -> int:
        return ByTwoAverages().choose(Known(rungs_bps=LADDER, buffer_s=20, rung=1, speeds_bps=speeds))

    assert chosen(*[5e6] * 10) == 2
    assert chosen(*[5e6] * 10, *[5e5] * 3) == 0
    assert chosen(*[5e5] * 10, *[5e6] * 3) < 2
