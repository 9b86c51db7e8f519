"""Ladders: the table's, and those fitted to what trial encodes came to."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.media.test_plan import source

from reelwright.media.core.ladder import LOWEST_BPS, FittedLadder, Hull, TableLadder, Trial
from reelwright.media.core.plan import LadderPlanner

SIDES = (1080, 720, 360)


def trials(bits: float = 1.0) -> list[Trial]:
    """A title whose sizes take so many times the usual bits."""
    return [
        Trial(side, bits * 4e6 * (side / 1080) ** 1.5 * share, best - lost)
        for side, best in zip(SIDES, (96.0, 92.0, 75.0), strict=True)
        for share, lost in ((1.0, 0.0), (0.4, 6.0), (0.15, 20.0))
    ]


ANY = st.lists(st.builds(Trial, st.sampled_from(SIDES), st.floats(1e3, 1e8), st.floats(0, 100)), max_size=12)


@given(ANY, st.integers(16, 4320))
def test_a_fitted_ladder_is_in_order_and_never_scales_up(tried: list[Trial], short: int) -> None:
    """Whatever the trials say, each rung takes less than the one above it and is no larger."""
    steps = FittedLadder().steps(short, tried)
    assert steps and steps[0].side <= short
    for above, below in pairwise(steps):
        assert below.side <= above.side and below.cap_bps < above.cap_bps


@given(ANY)
def test_rungs_of_one_size_are_told_apart(tried: list[Trial]) -> None:
    """Ids name tracks."""
    rungs = LadderPlanner(ladder=FittedLadder(), codecs=("h264", "av1")).plan(source(), tried).rungs
    assert len({rung.id for rung in rungs}) == len(rungs)


def test_an_easy_title_takes_fewer_bits_and_rungs() -> None:
    """Its rungs end where nothing more is seen, and all reach down to narrow lines."""
    easy, hard = (FittedLadder().steps(1080, trials(bits)) for bits in (0.2, 1.0))
    assert sum(one.cap_bps for one in easy) < 0.3 * sum(one.cap_bps for one in hard) and len(easy) < len(hard)
    assert easy[-1].cap_bps == hard[-1].cap_bps == LOWEST_BPS


def test_at_low_bitrates_a_smaller_size_looks_better() -> None:
    """The rung is the best of all sizes at its bitrate."""
    steps = FittedLadder().steps(1080, trials())
    assert steps[0].side == 1080 and steps[-1].side == 720
    hull = Hull(trials())
    assert all(hull.best(one.cap_bps)[1] == one.side for one in steps)


@pytest.mark.parametrize(("bps", "quality"), [(4e6, 96.0), (1e9, 96.0), (1.6e6, 90.0), (4e6 * math.sqrt(0.4), 93.0)])
def test_the_hull_runs_through_the_trials(bps: float, quality: float) -> None:
    """In lines over the logarithm of the bitrate; above the highest trial nothing more is paid for."""
    assert Hull([one for one in trials() if one.side == 1080]).best(bps)[0] == pytest.approx(quality)


def test_without_trials_it_is_the_table() -> None:
    """An ffmpeg that cannot measure encodes as before."""
    assert FittedLadder().steps(1080, ()) == TableLadder().steps(1080, ())
