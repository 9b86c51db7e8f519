"""Beliefs about skill: moved by evidence, widened by time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelwright.practice.core.skill import Belief, p_improved, updated, waited

VERDICTS = st.lists(st.tuples(st.integers(1, 5).map(float), st.booleans()), max_size=40)


@given(VERDICTS)
def test_a_verdict_narrows_and_moves_the_right_way(verdicts: list[tuple[float, bool]]) -> None:
    """One more met criterion never lowers the mean, one more unmet never raises it."""
    plain = updated(Belief(), verdicts, 0)
    assert plain.variance <= Belief().variance
    assert updated(Belief(), [*verdicts, (3.0, True)], 0).mean >= plain.mean - 1e-4
    assert updated(Belief(), [*verdicts, (3.0, False)], 0).mean <= plain.mean + 1e-4


def test_time_widens_the_band_and_a_clock_set_back_does_nothing() -> None:
    """What was known fades; going back in time is no evidence."""
    belief = updated(Belief(), [(3.0, True)] * 5, 10)
    assert waited(belief, 40).variance > belief.variance
    assert waited(belief, 5) == belief


def test_improved_needs_evidence() -> None:
    """The same belief twice is a coin; much more met is not."""
    low = updated(Belief(), [(2.0, False)] * 12, 0)
    high = updated(low, [(5.0, True)] * 30, 90)
    assert p_improved(low, low) == 0.5
    assert p_improved(low, high) > 0.9
