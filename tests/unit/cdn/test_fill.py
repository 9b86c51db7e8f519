"""What is filled ahead: expectations that do not trust chance, plans that fit, a pace that is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.cdn.core.fill import Want, by_rank, choose, expected_plays, smoothed
from reelwright.cdn.core.fill_replay import FillRule, by_day, run_days
from reelwright.cdn.core.health import Evidence, is_distrusted, judge
from reelwright.cdn.core.pace import Pace, is_open, window_of
from reelwright.cdn.core.traces import VodScenario
from reelwright.kernel.errors import Invalid


def test_recent_days_count_for_more() -> None:
    """Two titles with as many plays in all."""
    found = smoothed([{"old": 10.0}, {"new": 10.0}])
    assert found["new"] > found["old"] > 0
    assert smoothed([]) == {}


def test_a_release_takes_its_place_before_anybody_has_played_it() -> None:
    """And the others move down by one."""
    days = [{f"t{rank}": 100.0 / (rank + 1) for rank in range(20)}]
    without, found = expected_plays(days), expected_plays(days, {"new": 1})
    assert "new" not in without
    assert found["t0"] > found["new"] > found["t1"]
    assert expected_plays([], {"only": 0}) == {"only": 1.0}


def test_a_next_episode_is_wanted_by_those_who_are_in_the_series() -> None:
    """On top of what history says."""
    days = [{"a": 5.0, "b": 5.0}]
    assert expected_plays(days, added={"b": 3.0})["b"] == pytest.approx(expected_plays(days)["b"] + 3)


def test_chance_is_smoothed_out_of_the_tail() -> None:
    """A power law's ranks are found again from counts that were drawn from it."""
    truth = [100 / (rank + 1) ** 0.9 for rank in range(200)]
    rng = np.random.default_rng(5)
    drawn = {rank: float(rng.poisson(rate)) for rank, rate in enumerate(truth)}
    curve = by_rank(drawn)
    assert curve[0] == pytest.approx(truth[0], rel=0.3)
    assert curve == sorted(curve, reverse=True)
    assert sum(curve) == pytest.approx(sum(drawn.values()))


@given(
    st.lists(st.tuples(st.integers(1, 100), st.floats(0, 10)), max_size=30),
    st.integers(0, 500),
    st.floats(0, 5),
)
def test_a_plan_fits_and_leaves_nothing_better_out(
    rows: list[tuple[int, float]], capacity: int, least: float
) -> None:
    """Within its capacity; nothing below the least; what is left out would not fit or is wanted less."""
    wants = [Want(number, size, rate) for number, (size, rate) in enumerate(rows)]
    chosen = choose(wants, capacity, least=least)
    room = capacity - sum(one.size for one in chosen)
    assert room >= 0 and all(one.rate >= least for one in chosen)
    worst = min((one.rate for one in chosen), default=0.0)
    for one in wants:
        if one not in chosen and one.rate >= least and one.size <= room:
            assert one.rate <= worst


def test_what_is_held_is_not_exchanged_for_something_hardly_better() -> None:
    """A transfer for a tenth of a play would be lost."""
    wants = [Want("held", 10, 1.0), Want("better", 10, 1.1), Want("best", 10, 2.0)]
    assert [one.key for one in choose(wants, 20, held=["held"])] == ["best", "held"]


def test_the_window_and_its_way_over_midnight() -> None:
    """Minutes of the day."""
    assert window_of("02:00-14:00") == (120, 840)
    assert [is_open((120, 840), minute) for minute in (119.9, 120, 839.9, 840)] == [False, True, True, False]
    assert [is_open((1380, 60), minute) for minute in (1379, 1380, 0, 59, 60)] == [False, True, True, True, False]
    assert is_open((0, 0), 700)
    with pytest.raises(Invalid):
        window_of("soon")


@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=50), st.floats(1e5, 1e9))
def test_a_pace_is_never_exceeded(blocks: list[int], rate_bps: float) -> None:
    """Whoever waits as told has sent no more than rate x time and the last block."""
    pace, now_s, sent = Pace(rate_bps), 0.0, 0
    for size in blocks:
        assert sent <= now_s * rate_bps / 8 * 1.000001 + 1e-6
        now_s += pace.take(size, now_s)
        sent += size


def test_an_edge_filled_ahead_asks_for_less_in_the_evening_than_lru() -> None:
    """On days that the plan has not seen, with releases that the calendar knows; in all hardly more than LRU."""
    scenario = VodScenario(titles=60, sessions_a_day=150, days=4, segment_s=120.0, jumps_a_day=3)
    days = by_day(scenario, np.random.default_rng(3))
    capacity = int(0.2 * sum({visit.key: visit.size for day in days for visit in day}.values()))
    lru = run_days(days, capacity, counts_from=2, scenario=scenario, rule=None)
    filled = run_days(days, capacity, counts_from=2, scenario=scenario, rule=FillRule())
    assert lru.filled == 0 < filled.filled
    assert filled.peak < 0.95 * lru.peak
    assert filled.total < 1.05 * lru.total


@pytest.mark.parametrize(
    ("viewers", "failed", "distrusted"),
    [(1, 1, False), (2, 2, True), (10, 2, False), (10, 5, True), (1000, 200, False)],
)
def test_a_few_bad_lines_do_not_condemn_an_edge(viewers: int, failed: int, distrusted: bool) -> None:
    """Wilson's lower bound of the share must lie above a fifth."""
    assert is_distrusted(viewers, failed) is distrusted


def test_the_word_of_an_edge_that_fails_is_believed() -> None:
    """And silence counts for more than words."""
    told = {"a": Evidence(silent_s=0, says="failing"), "b": Evidence(silent_s=0), "c": Evidence(silent_s=100)}
    assert {name: state for name, (state, _) in judge(told, 2.0).items()} == {"a": "down", "b": "ok", "c": "down"}
