"""Daily statistics add up to the whole, and a scorecard says no more than they do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reelwright.events.contract import Event, Fact
from reelwright.experiments.contract import BadConfiguration, Cell, Configuration, Experiment, Guardrail, WrongState
from reelwright.experiments.core import lifecycle
from reelwright.experiments.core.analysis import looks
from reelwright.experiments.core.analysis.quantiles import quantile_arm
from reelwright.experiments.core.check import check
from reelwright.experiments.core.daily import (
    DailySums,
    Exposed,
    Statistics,
    bins_by_day,
    daily_sums,
    merged,
    moments_by_day,
    spreads_of,
)
from reelwright.experiments.core.daily import (
    exposed_of as columns_of,
)
from reelwright.experiments.core.histograms import merged_spreads
from reelwright.experiments.core.metrics import COLUMNS, DAY_MS, METRICS, days_of, hour_starts_of, row_of, starts_of
from reelwright.experiments.core.product import DRAFTS, completed
from reelwright.experiments.core.scorecard import FIRST_LOOK, Scorecard, measured, score
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId

ROW = st.tuples(st.integers(0, 9), st.integers(0, 20), st.floats(0, 1e5), st.floats(0, 50))
TEST = Experiment(
    key="test", layer="home-page", cells=(Cell(key="control", weight=0.5), Cell(key="new", weight=0.5)),
    metrics=("watch_hours", "stalls_per_hour"), guardrails=(Guardrail(metric="errors_per_play", worse="up"),),
    planned_units=2000,
)  # fmt: skip


def exposed_of(since: list[int], rows: list[tuple[int, int, float, float]]) -> Exposed:
    """Viewers in two cells by turns; rows are (viewer, day, seconds watched, stalls)."""
    rows = [row for row in rows if row[0] < len(since)]
    values = np.zeros((len(rows), len(COLUMNS)))
    values[:, COLUMNS.index("watch_s")] = [row[2] for row in rows]
    values[:, COLUMNS.index("stalls")] = [row[3] for row in rows]
    return Exposed(
        cell=np.arange(len(since)) % 2,
        since=np.array(since, dtype=np.int64),
        viewer=np.array([row[0] for row in rows], dtype=np.int64),
        day=np.array([row[1] for row in rows], dtype=np.int64),
        values=values,
    )


def statistics_of(days: tuple[DailySums, ...]) -> Statistics:
    """Of the experiment under test."""
    return Statistics(experiment="test", at_ms=0, synthetic=False, days=days)


@given(st.lists(st.integers(3, 12), min_size=1, max_size=10), st.lists(ROW, max_size=60))
def test_daily_additions_are_the_moments_of_the_whole(
    since: list[int], rows: list[tuple[int, int, float, float]]
) -> None:
    """Count, means and products of viewers' sums, computed at once from all rows, are what the days add up to."""
    exposed = exposed_of(since, rows)
    metric = METRICS["stalls_per_hour"]
    found = moments_by_day(statistics_of(daily_sums(exposed, [metric], cells=2)), metric.key, cells=2)
    for cell in (0, 1):
        units = [at for at in range(len(since)) if at % 2 == cell]
        table = np.zeros((len(units), 4))
        for place, unit in enumerate(units):
            for viewer, day, seconds, stalls in rows:
                if viewer == unit:
                    table[place, (0, 1) if day >= since[unit] else (2, 3)] += stalls, seconds
        assert found.n[-1, cell] == len(units)
        np.testing.assert_allclose(found.total[-1, cell], table.sum(axis=0), rtol=1e-9, atol=1e-3)
        np.testing.assert_allclose(found.cross[-1, cell], table.T @ table, rtol=1e-9, atol=1e-1)


def people(seed: int, *, lift: float = 1.0, count: int = 2000, errors: float = 0.0) -> Exposed:
    """Viewers with a heavy-tailed habit that shows before and after; the new arm watches `lift` times as much."""
    draw = np.random.default_rng(seed)
    habit = draw.lognormal(7, 1, count)
    cell = np.arange(count) % 2
    days = np.tile(np.arange(10), count)
    viewer = np.repeat(np.arange(count), 10)
    grown = np.where((days >= 5) & (cell[viewer] == 1), lift, 1.0)
    values = np.zeros((count * 10, len(COLUMNS)))
    values[:, COLUMNS.index("watch_s")] = habit[viewer] * draw.lognormal(0, 0.3, count * 10) * grown
    values[:, COLUMNS.index("stalls")] = draw.poisson(1.0, count * 10)
    values[:, COLUMNS.index("plays")] = 2
    values[:, COLUMNS.index("errors")] = draw.poisson(0.2 + errors * (cell[viewer] == 1) * (days >= 5))
    return Exposed(cell=cell, since=np.full(count, 5), viewer=viewer, day=days, values=values)


def scored(exposed: Exposed, experiment: Experiment = TEST) -> Scorecard:
    """Through daily statistics, as the service does."""
    return score(experiment, statistics_of(daily_sums(exposed, measured(experiment), cells=2)))


RARE = replace(TEST, metrics=("thumbs_up",), guardrails=())


def rare(thumbs: list[tuple[int, int]], viewers: int) -> Exposed:
    """Viewers in two cells by turns, of whom a few give a thumb up: (viewer, day)."""
    values = np.zeros((len(thumbs), len(COLUMNS)))
    values[:, COLUMNS.index("thumbs_up")] = 1
    viewer, day = np.array(thumbs, dtype=np.int64).reshape(-1, 2).T
    since = np.zeros(viewers, dtype=np.int64)
    return Exposed(cell=np.arange(viewers) % 2, since=since, viewer=viewer, day=day, values=values)


@pytest.mark.parametrize("control", [1, 2, 3])
def test_nothing_at_all_in_one_arm_is_not_sure_to_be_less(control: int) -> None:
    """One to three thumbs of sixty viewers against none: the delta method's error of -100 % would be 0."""
    line = scored(rare([(2 * one, 1) for one in range(control)], 120), RARE).lines[0]
    assert line.now is not None and line.now.estimate == -1.0
    assert line.state == "unsure" and line.p is not None and line.p > 0.05


def test_of_rare_events_one_may_look_every_day() -> None:
    """Forty A/A tests in which 2 % of the viewers ever give a thumb: at most one in twenty is ever called sure."""
    draw, sure = np.random.default_rng(4), 0
    for _ in range(40):
        thumbs = [(int(one), int(draw.integers(0, 20))) for one in np.flatnonzero(draw.random(1200) < 0.02)]
        card = scored(rare(thumbs, 1200), RARE)
        sure += any(point.low > 0 or point.high < 0 for point in card.lines[0].points)
    assert sure <= 2


@given(st.lists(st.integers(3, 12), min_size=2, max_size=10), st.lists(ROW, max_size=60), st.integers(1, 9))
def test_parts_of_the_viewers_add_up_to_all(
    since: list[int], rows: list[tuple[int, int, float, float]], at: int
) -> None:
    """Whoever sums over whichever viewers: the statistics merge."""
    metrics = measured(TEST)
    whole = daily_sums(exposed_of(since, rows), metrics, cells=2)
    parts = [
        daily_sums(
            Exposed(
                cell=np.arange(len(since))[chosen] % 2,
                since=np.array(since)[chosen],
                viewer=np.array([chosen.tolist().index(row[0]) for row in rows if row[0] in chosen], dtype=np.int64),
                day=np.array([row[1] for row in rows if row[0] in chosen], dtype=np.int64),
                values=exposed_of(since, rows).values[[row[0] in chosen for row in rows if row[0] < len(since)]],
            ),
            metrics,
            cells=2,
        )
        for chosen in (np.arange(len(since))[:at], np.arange(len(since))[at:])
    ]
    together = merged(parts)
    assert [daily.day for daily in together] == [daily.day for daily in whole]
    for daily, other in zip(whole, together, strict=True):
        found = {(one.cell, one.metric, one.segment): one for one in other.sums}
        for one in daily.sums:
            there = found[one.cell, one.metric, one.segment]
            assert there.n == one.n
            assert there.total == pytest.approx(one.total, rel=1e-9, abs=1e-6)
            assert there.products == pytest.approx(one.products, rel=1e-9, abs=1e-3)


def test_a_lift_is_found_and_said() -> None:
    """The interval holds the true 10 %, shrinks from day to day by the past that CUPED uses, and is put in words."""
    found = scored(people(1, lift=1.1))
    line = found.lines[0]
    assert line.adjusted and line.now is not None and line.now.low < 0.1 < line.now.high
    assert found.decided == "better" and "new is better (hours watched a viewer: +" in found.verdict
    assert [one.day for one in line.points] == [5, 6, 7, 8, 9]
    widths = [point.high - point.low for point in line.points]
    assert all(later < earlier for earlier, later in pairwise(widths))
    assert found.guards[0].state == "holds"


def test_harm_breaks_the_guardrail_and_comes_before_any_gain() -> None:
    """More errors stop the test although the metric that decides is better."""
    found = scored(people(2, lift=1.1, errors=0.2))
    assert found.decided == "stopped" and "errors a play is surely up" in found.verdict
    assert [(one.metric, one.cell) for one in found.breached] == [("errors_per_play", "new")]


def test_nothing_is_decided_too_early_or_of_nobody() -> None:
    """Nobody, few, and an arm that is empty."""
    nobody = scored(exposed_of([], []))
    assert nobody.decided == "nothing" and nobody.sample_ratio_p is None and not nobody.breached
    few = scored(people(3, lift=3, errors=5, count=FIRST_LOOK * 2 - 2))
    assert few.decided == "early" and not few.breached and f"{FIRST_LOOK - 1} of the {FIRST_LOOK}" in few.verdict
    half = people(4, count=400)
    one_arm = scored(replace(half, cell=np.zeros(400, dtype=np.int64)))
    assert one_arm.decided == "mismatch" and one_arm.lines[0].now is None


def test_a_sample_that_did_not_come_by_the_weights_is_said_first() -> None:
    """60 to 40 where 50 to 50 was asked for."""
    crowd = people(5, lift=1.1)
    skewed = replace(crowd, cell=(np.arange(2000) % 5 < 2).astype(np.int64))
    assert scored(skewed).decided == "mismatch"


def test_equal_arms_are_called_different_at_most_once_in_twenty() -> None:
    """A/A: 60 experiments looked at on every day; more than 8 false ones would have a chance below 1 %."""
    false = 0
    for seed in range(60):
        found = scored(people(100 + seed, count=400))
        false += any(not point.low <= 0 <= point.high for point in found.lines[0].points)
    assert false <= 8


def fact(kind: str, day: int, seconds: float = 0.0, viewed: bool = False, **data: object) -> Fact:
    """Something of one profile."""
    ids = {"title_id": TitleId("t"), "playable_id": PlayableId("p")}
    event = Event(id=EventId("e"), type=kind, at_ms=day * DAY_MS + 5, data=data, **ids)  # type: ignore[arg-type]
    return Fact(profile_id=ProfileId("a"), synthetic=False, event=event, watched_s=seconds, viewed=viewed)


def test_events_become_days_and_nonsense_counts_nothing() -> None:
    """Sums by day; a start time or a stall that cannot be is not taken."""
    found = days_of(
        [
            fact("play", 1, start_ms=200),
            fact("play", 1, start_ms=-5),
            fact("play", 1, start_ms="fast"),
            *(fact("play", 1, start_ms=one) for one in (float("nan"), float("inf"), -float("inf"), True)),
            fact("stall", 2, ms=float("nan")),
            fact("heartbeat", 1, 20.0),
            fact("stop", 1, 12.5, viewed=True),
            fact("stall", 1, ms=300),
            fact("stall", 1, ms=1e12),
            fact("error", 2),
            fact("thumb", 2, value=-1),
            fact("page_view", 3),
        ]
    )
    assert found == {
        ("a", 1): {
            "plays": 7.0, "starts": 1.0, "start_ms": 200.0, "watch_s": 32.5, "views": 1.0, "stalls": 2.0,
            "stall_ms": 300.0,
        },
        ("a", 2): {"errors": 1.0, "stalls": 1.0, "stall_ms": 0.0},
    }  # fmt: skip


@pytest.mark.parametrize("draft", DRAFTS, ids=lambda one: one.key)
def test_the_products_own_experiments_can_be_measured(draft: Experiment) -> None:
    """Every metric and guardrail is known, and what is stored wins over what is brought."""
    assert {*draft.metrics, *(one.metric for one in draft.guardrails)} <= set(METRICS)
    configuration = completed(Configuration())
    assert completed(configuration) == configuration
    mine = replace(draft, owner="ada")
    stored = replace(configuration, experiments=(mine,))
    assert next(one for one in completed(stored).experiments if one.key == draft.key) == mine


def newcomers(lift: float, *, missing: int = 0) -> Exposed:
    """As many who watched nothing before as others; only those others watch `lift` times as much in the new arm.

    Of the newcomers in the new arm some are missing."""
    found = people(5, lift=lift, count=4000)
    is_new = np.arange(4000) % 4 >= 2
    values, kept = found.values.copy(), np.ones(4000, dtype=np.bool_)
    rows_new = is_new[found.viewer]
    values[rows_new & (found.day < 5)] = 0
    values[rows_new & (found.cell[found.viewer] == 1) & (found.day >= 5), COLUMNS.index("watch_s")] /= lift
    kept[np.flatnonzero(is_new & (found.cell == 1))[:missing]] = False
    number, rows = np.cumsum(kept) - 1, kept[found.viewer]
    return Exposed(
        cell=found.cell[kept],
        since=found.since[kept],
        viewer=number[found.viewer[rows]],
        day=found.day[rows],
        values=values[rows],
    )


def test_segments_that_differ_are_told_apart() -> None:
    """The lift is found where it is; what is weighted by segment is what all of them say."""
    (division,) = scored(newcomers(1.5)).divisions
    new, returning = division.parts
    assert (new.segment, returning.segment) == ("new", "returning")
    assert (new.viewers, returning.viewers) == ((1000, 1000), (1000, 1000))
    assert new.now is not None and new.now.low < 0 < new.now.high and new.state == "unsure"
    assert returning.now is not None and returning.now.low < 0.5 < returning.now.high and returning.state == "better"
    assert division.differ_p is not None and division.differ_p < 0.001
    assert division.weighted is not None and division.weighted.low < 0.25 < division.weighted.high
    ratio = scored(newcomers(1.5), replace(TEST, metrics=("stalls_per_hour",))).divisions[0].weighted
    assert ratio is not None and -0.4 < ratio.low < ratio.high < 0, "as many stalls in more hours"
    (alike,) = scored(newcomers(1.0)).divisions
    assert alike.differ_p is not None and alike.differ_p > 0.01


def test_a_sample_ratio_that_is_off_in_one_segment_is_seen_there() -> None:
    """Although all viewers together could pass."""
    card = scored(newcomers(1.0, missing=150))
    new, returning = card.divisions[0].parts
    assert new.sample_ratio_p is not None and new.sample_ratio_p < 0.001
    assert returning.sample_ratio_p == 1.0


def test_a_line_tells_chance_correction_and_what_it_could_find() -> None:
    """A sure gain has a chance near one, a sure harm near none; q is p among all; more planned viewers find less."""
    card = scored(people(1, lift=1.3))
    hours, stalls = card.lines
    assert hours.chance is not None and hours.chance > 0.999 and stalls.chance is not None
    assert hours.q is not None and hours.p is not None and hours.p <= hours.q <= 2 * hours.p
    assert stalls.q == stalls.p
    fewer_stalls = scored(people(1, lift=3.0), replace(TEST, metrics=("stalls_per_hour",))).lines[0]
    assert fewer_stalls.chance is not None and fewer_stalls.chance > 0.999
    assert hours.detectable is not None and hours.now is not None and hours.now.estimate > hours.detectable
    planned = scored(people(1, lift=1.3), replace(TEST, planned_units=8000)).lines[0].detectable
    assert planned == pytest.approx(hours.detectable / 2)


DUEL = next(one for one in DRAFTS if one.kind == "interleaving")


def played(viewers: int, share: float, seed: int = 3) -> Scorecard:
    """Viewers who each play four titles of an interleaved page on two days, so much of them picked by the second."""
    draw = np.random.default_rng(seed)
    values = np.zeros((viewers * 2, len(COLUMNS)))
    values[:, COLUMNS.index("credited")] = 4
    values[:, COLUMNS.index("won")] = draw.binomial(4, share, len(values))
    exposed = Exposed(
        cell=np.arange(viewers) % 2,
        since=np.zeros(viewers, dtype=np.int64),
        viewer=np.repeat(np.arange(viewers), 2),
        day=np.tile(np.array([0, 1]), viewers),
        values=values,
    )
    sums = daily_sums(exposed, measured(DUEL), cells=2)
    return score(DUEL, Statistics(experiment=DUEL.key, at_ms=0, synthetic=False, days=sums))


def test_whose_picks_are_played_is_preferred() -> None:
    """Either way, with an interval that holds the truth; even ones are not called; few and none are said to be."""
    better, worse, even = played(400, 0.6), played(400, 0.4), played(400, 0.5)
    assert (better.decided, worse.decided, even.decided) == ("better", "worse", "unsure")
    assert "taste is preferred to popular" in better.verdict and "popular is preferred to taste" in worse.verdict
    now = better.lines[0].now
    assert now is not None and now.low < 0.2 < now.high and len(better.lines[0].points) == 2
    assert better.lines[0].value == pytest.approx(60, abs=3)
    assert played(90, 0.9).decided == "early" and played(0, 0.5).decided == "nothing"


def test_even_pages_are_called_at_most_once_in_twenty() -> None:
    """300 experiments with equal rankers, each looked at on both days; more than 25 would have a chance below 1 %."""
    assert sum(played(200, 0.5, seed).decided in ("better", "worse") for seed in range(300)) <= 25


def test_only_lists_are_interleaved_and_two_of_them() -> None:
    """Another layer, a third cell, a guardrail: each is refused by name, and all at once."""
    guard = Guardrail(metric="views", worse="down")
    wrong = replace(
        DUEL, key="x", layer="player", guardrails=(guard,), cells=tuple(Cell(key=one, weight=1 / 3) for one in "abc")
    )
    with pytest.raises(BadConfiguration) as raised:
        check(completed(Configuration(experiments=(wrong,))))
    said = str(raised.value)
    assert all(one in said for one in ("'x': only home-page", "two cells are interleaved, got 3", "whose picks"))


QUANTILES = tuple(one for one in METRICS.values() if one.quantile is not None)
SLOW = replace(TEST, metrics=("start_p95_ms", "watch_p50_hours"), guardrails=())
Rows = list[tuple[int, int, float, int]]


def starting(since: list[int], rows: Rows) -> Exposed:
    """Rows are (viewer, day, seconds watched, milliseconds of a start)."""
    days: dict[tuple[str, int], float] = {}
    starts: dict[tuple[str, int, int], int] = {}
    for viewer, day, seconds, start_ms in rows:
        if viewer < len(since):
            place = str(viewer), day
            days[place] = days.get(place, 0.0) + seconds
            starts[*place, start_ms] = starts.get((*place, start_ms), 0) + 1
    return columns_of(
        [(str(at), at % 2, day) for at, day in enumerate(since)],
        [(*place, row_of({"watch_s": seconds})) for place, seconds in sorted(days.items())],
        [(*place, plays) for place, plays in sorted(starts.items())],
    )


START = st.tuples(st.integers(0, 9), st.integers(0, 20), st.integers(0, 1000), st.integers(0, 5000))


@given(st.lists(st.integers(3, 12), min_size=1, max_size=10), st.lists(START, max_size=60))
def test_daily_histograms_are_those_of_the_whole(since: list[int], rows: Rows) -> None:
    """Up to the last day: as many values in each bin, and what bins add to the sums of c·m and c², by cell."""
    statistics = statistics_of(daily_sums(starting(since, rows), QUANTILES, cells=2))
    for metric in QUANTILES:
        found = bins_by_day(statistics, metric.key, cells=2)
        for cell in (0, 1):
            table = np.zeros((3, len(found.low)))
            for unit in range(cell, len(since), 2):
                mine = [row for row in rows if row[0] == unit and row[1] >= since[unit]]
                values = [row[3] for row in mine] if metric.of_starts else [sum(row[2] for row in mine)]
                held = np.array(
                    [
                        sum(low <= one < high for one in values)
                        for low, high in zip(found.low, found.high, strict=True)
                    ]
                )
                assert held.sum() == len(values)
                table += held, held * len(values), np.diff(held.cumsum() ** 2, prepend=0)
            assert found.n[-1, cell] == len(range(cell, len(since), 2))
            assert np.array_equal(np.stack([found.counts, found.joint, found.squares])[:, -1, cell], table)


@given(st.lists(st.integers(3, 12), min_size=2, max_size=10), st.lists(START, max_size=60), st.integers(1, 9))
def test_histograms_of_parts_are_to_the_bit_those_of_all(since: list[int], rows: Rows, at: int) -> None:
    """Whoever fills them, once all know what the edges are chosen from."""
    whole = starting(since, rows)
    parts = [
        starting(since[:at], [row for row in rows if row[0] < at]),
        starting(since[at:], [(row[0] - at, *row[1:]) for row in rows if row[0] >= at]),
    ]
    parts[1] = replace(parts[1], cell=whole.cell[at:])
    told = [spreads_of(part, QUANTILES) for part in parts]
    spreads = {one.key: merged_spreads(part[one.key] for part in told) for one in QUANTILES}
    assert spreads == spreads_of(whole, QUANTILES)
    together = merged([daily_sums(part, QUANTILES, cells=2, spreads=spreads) for part in parts])

    def by_place(days: tuple[DailySums, ...]) -> dict[tuple[int, int, str, str], object]:
        return {(day.day, one.cell, one.metric, one.segment): one for day in days for one in day.sums}

    assert by_place(together) == by_place(daily_sums(whole, QUANTILES, cells=2))


def starters(seed: int, *, slower: float = 1.0, count: int = 2000) -> Exposed:
    """Viewers with slow or fast networks who start three films a day; the new arm starts `slower`."""
    chance = np.random.default_rng(seed)
    habit, seconds = chance.lognormal(6, 0.5, count), chance.lognormal(7, 1, (count, 6))
    days, starts = [], []
    for at in range(count):
        factor = slower if at % 2 else 1.0
        for day in range(6):
            days.append((str(at), day, row_of({"watch_s": seconds[at, day]})))
            took = habit[at] * chance.lognormal(0, 0.3, 3) * (factor if day >= 2 else 1.0)
            starts += [(str(at), day, round(one), 1) for one in took]
    return columns_of([(str(at), at % 2, 2) for at in range(count)], days, starts)


def test_a_slower_tail_is_found_on_the_scorecard() -> None:
    """The 95th percentile's interval holds the true change and narrows; the level is the viewers' own; every figure
    that stands beside a mean stands here; segments are told apart."""
    exposed = starters(4, slower=1.2)
    card = scored(exposed, SLOW)
    line, hours = card.lines
    assert (line.metric, line.state, card.decided) == ("start_p95_ms", "worse", "worse")
    assert line.now is not None and line.now.low < 0.2 < line.now.high and line.now.high - line.now.low < 0.3
    widths = [point.high - point.low for point in line.points]
    assert len(widths) == 4 and widths[-1] < widths[0]
    late = (exposed.start_day >= 2) & (exposed.cell[exposed.start_viewer] == 0)
    exact = np.quantile(np.repeat(exposed.start_ms[late], exposed.start_plays[late]), 0.95)
    assert line.control == pytest.approx(exact, rel=0.005)
    assert line.p is not None and line.q is not None and line.chance is not None and line.detectable is not None
    assert hours.state == "unsure" and hours.now is not None and hours.now.low < 0 < hours.now.high
    assert card.divisions[0].parts[1].now is not None and card.divisions[0].weighted is None


def test_equal_tails_are_called_at_most_once_in_twenty() -> None:
    """60 experiments of equal arms, looked at on four days; more than 7 would have a chance below 1 %."""
    called = 0
    for seed in range(60):
        line = scored(starters(seed, count=240), SLOW).lines[0]
        called += any(not point.low <= 0 <= point.high for point in line.points)
    assert called <= 7


def test_a_growing_sum_is_read_as_well_on_its_first_day_as_on_its_last() -> None:
    """Ten days of habits that hardly differ, so that all last sums are above all first ones."""
    chance = np.random.default_rng(1)
    rows: Rows = [(at, 5 + day, float(chance.lognormal(7, 0.3)), 300) for at in range(600) for day in range(10)]
    statistics = statistics_of(daily_sums(starting([5] * 600, rows), QUANTILES, cells=2))
    table = bins_by_day(statistics, "watch_p50_hours", cells=2)
    found = quantile_arm(table, 0.5)
    for day in range(10):
        for cell in (0, 1):
            sums = [sum(row[2] for row in rows[at * 10 : at * 10 + day + 1]) for at in range(cell, 600, 2)]
            half = 1.96 * np.sqrt(float(found.variance[day, cell]) / 300)
            assert abs(float(found.mean[day, cell]) - float(np.median(sums))) < half / 8
            low, high = np.quantile(sums, [0.5 - 0.98 / 300**0.5, 0.5 + 0.98 / 300**0.5])
            assert 2 * half == pytest.approx(high - low, rel=0.15)


def test_values_in_clumps_are_not_spread_between_them() -> None:
    """Whole milliseconds, each arm in a clump of its own: levels and change are those of the values."""
    rows: Rows = [(at, 5, 60.0, 300 + at % 7 + 200 * (at % 2)) for at in range(400)]
    line = scored(starting([5] * 400, rows), SLOW).lines[0]
    assert line.control == pytest.approx(306, abs=0.5) and line.value == pytest.approx(506, abs=0.5)
    assert line.now is not None and line.now.low <= 506 / 306 - 1 <= line.now.high


def test_a_median_of_nothing_has_no_change() -> None:
    """More than half of the viewers watched nothing: the level is zero, and no share of it is told."""
    rows: Rows = [(at, 5, 600.0, 300) for at in range(0, 200, 5)]
    line = scored(starting([5] * 200, rows), SLOW).lines[1]
    assert (line.control, line.value, line.now, line.state) == (0.0, 0.0, None, "nothing")


def test_start_times_are_counted_by_viewer_and_day_and_by_hour() -> None:
    """Whole milliseconds; what is no start time is none, and an hour's first minutes are left out."""

    def played_at(at_ms: int, **data: object) -> Fact:
        event = Event(id=EventId("e"), type="play", at_ms=at_ms, data=data)
        return Fact(profile_id=ProfileId("p"), synthetic=False, event=event)

    facts = [
        played_at(DAY_MS + 1, start_ms=400.4),
        played_at(DAY_MS + 400_000, start_ms=400),
        played_at(DAY_MS + 500_000, start_ms=-1),
        played_at(DAY_MS + 500_000),
    ]
    assert starts_of(facts) == {("p", 1): {400: 2}}
    assert hour_starts_of(facts) == {(24, False): {400: 1}}


LOOKING = replace(TEST, metrics=("watch_hours", "views"), guardrails=(), looks=(0.25, 0.5, 1.0), planned_units=2000)


def arriving(seed: int, *, lift: float = 1.0, days: int = 8, count: int = 2000) -> Exposed:
    """As many new viewers each day, who watch on that day alone."""
    chance = np.random.default_rng(seed)
    hours = chance.lognormal(7, 1, count) * np.where(np.arange(count) % 2, lift, 1.0)
    since = [10 + at * days // count for at in range(count)]
    return columns_of(
        [(str(at), at % 2, day) for at, day in enumerate(since)],
        [(str(at), day, row_of({"watch_s": hours[at]})) for at, day in enumerate(since)],
    )


def looked(exposed: Exposed, today: int, experiment: Experiment = LOOKING) -> Scorecard:
    """On the morning of a day."""
    sums = daily_sums(exposed, measured(experiment), cells=2)
    kept = tuple(one for one in sums if one.day <= today)
    return score(experiment, Statistics(experiment="test", at_ms=today * DAY_MS + 1, synthetic=False, days=kept))


def test_planned_looks_are_read_at_the_end_of_the_day_that_reached_them() -> None:
    """Nothing before the first; between two, what the earlier one said, whatever came since; the interval at the
    horizon is narrower than one that holds at any time, and a little wider than a fixed one."""
    exposed = arriving(1, lift=1.02)
    early = looked(exposed, 11)
    assert early.decided == "early" and "planned for 500 viewers" in early.verdict and early.lines[0].now is None
    assert [(one.units, one.day) for one in early.looks] == [(500, None), (1000, None), (2000, None)]
    first, later = looked(exposed, 12), looked(exposed, 13)
    assert first.lines[0].now is not None and first.lines[0].now.day == 11 and first.lines[0].p is None
    assert later.lines == first.lines and later.arms != first.arms
    whole = looked(exposed, 18)
    (line, views) = whole.lines
    assert [one.day for one in whole.looks] == [11, 13, 17] == [one.day for one in line.points]
    assert line.state == "unsure" and "no look is left" in whole.verdict and line.p is not None
    assert views.now is None and views.state == "nothing"
    any_time = looked(exposed, 18, replace(LOOKING, looks=())).lines[0].now
    fixed = looked(exposed, 18, replace(LOOKING, looks=(1.0,))).lines[0].now
    assert any_time is not None and line.now is not None and fixed is not None
    ratio = (line.now.high - line.now.low) / (fixed.high - fixed.low)
    assert 1.0 < ratio < 1.05 and line.now.high - line.now.low < 0.75 * (any_time.high - any_time.low)


def test_the_look_at_which_it_was_sure_counts() -> None:
    """A strong effect is called at the second look and not taken back; its p is below 5 %, and q follows."""
    exposed = arriving(2, lift=1.8)
    late = looked(exposed, 18).lines[0]
    sooner = looked(exposed, 14).lines[0]
    assert (late.state, sooner.state) == ("better", "better") and late.now == sooner.now
    assert late.now is not None and late.now.day < 17 and late.p is not None and late.p < 0.05 and late.q == late.p
    assert late.value == sooner.value and late.chance == sooner.chance


def test_equal_arms_are_called_at_planned_looks_at_most_once_in_twenty() -> None:
    """300 experiments, each read at every look; more than 25 would have a chance below 1 %."""
    called = sum(looked(arriving(seed, count=800), 18, SMALL).decided in ("better", "worse") for seed in range(300))
    assert called <= 25


SMALL = replace(LOOKING, metrics=("watch_hours",), planned_units=800)


def test_stagewise_p_is_alpha_where_the_bound_is() -> None:
    """At each look, exactly what has been spent by then; earlier endings are further out than any later one."""
    times = (0.3, 0.6, 1.0)
    critical, spending = looks.bounds(times), looks.spent(np.array(times), alpha=0.025)
    for at in range(3):
        found = looks.stagewise_p(times[: at + 1], float(critical[at]))
        assert found == pytest.approx(2 * spending[at], rel=1e-6)
    assert looks.stagewise_p((1.0,), 1.959964) == pytest.approx(0.05, rel=1e-5)
    assert looks.stagewise_p(times, 99.0) > looks.stagewise_p(times[:2], float(critical[1]) + 0.1)


@pytest.mark.parametrize(
    ("given_looks", "kind", "says"),
    [
        ((0.5,), "split", "up to 20 looks are shares of the planned units up to 1"),
        ((0.5, 0.25, 1.0), "split", "looks rise"),
        ((float("nan"), 1.0), "split", "up to 20 looks"),
        (tuple((at + 1) / 21 for at in range(21)), "split", "up to 20 looks"),
        ((1.0,), "interleaving", "looks are planned for splits"),
    ],
)
def test_looks_that_cannot_be_are_refused(given_looks: tuple[float, ...], kind: str, says: str) -> None:
    """By name, before anybody is assigned."""
    wrong = replace(LOOKING if kind == "split" else DUEL, looks=given_looks)
    with pytest.raises(BadConfiguration, match=says):
        check(completed(Configuration(experiments=(wrong,))))


@pytest.mark.parametrize("change", [{"looks": ()}, {"planned_units": 500}])
def test_looks_stay_as_they_were_planned(change: dict[str, object]) -> None:
    """Once viewers are assigned, neither they nor the horizon may be chosen by what was seen."""
    running = completed(Configuration(experiments=(replace(LOOKING, state="running"),)))
    changed = replace(LOOKING, state="running", **change)
    with pytest.raises(WrongState, match="looks"):
        lifecycle.put(running, changed)
