"""Analysis: against SciPy and statsmodels, on worked numbers of others, and on what must hold by construction."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from reelwright.experiments.contract import Guardrail
from reelwright.experiments.core.analysis import checks, designs, effects, looks, quantiles
from reelwright.experiments.core.analysis.guardrails import breached
from reelwright.experiments.core.analysis.moments import Clustered, Moments, merged, moments_of
from reelwright.experiments.core.interleaving import team_draft
from reelwright.experiments.replay import worked_cases
from reelwright.kernel.errors import Invalid

NUMBERS = Path(__file__).resolve().parents[4] / "shared" / "cases" / "experiments" / "worked_numbers"
samples = st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=60).map(np.array)


def draw(seed: int = 7) -> np.random.Generator:
    """Seeded randomness."""
    return np.random.default_rng(seed)


def close(one: Any, other: Any, tolerance: float = 1e-10) -> bool:
    """Equal within a relative tolerance."""
    return bool(np.allclose(one, other, rtol=tolerance, atol=1e-12))


@pytest.mark.skipif(not NUMBERS.is_dir(), reason=f"no worked numbers at {NUMBERS}")
def test_worked_numbers_of_others() -> None:
    """gbstats, GrowthBook, Spotify's confidence, confseq: every quantity that is ours too."""
    found = list(worked_cases(NUMBERS))
    assert len(found) >= 50 and sum("post_strat_ratio_effect" in name for name, *_ in found) == 2
    assert [f"{name}: {says}" for name, passed, says in found if not passed] == []


@given(samples, samples, st.sampled_from(["two-sided", "less", "greater"]))
@settings(max_examples=60, deadline=None)
def test_means_are_welchs_test(a: Any, b: Any, alternative: Literal["two-sided", "less", "greater"]) -> None:
    """p and interval as SciPy's, also one-sided."""
    if min(a.std(), b.std()) < 1e-3:
        return
    theirs = stats.ttest_ind(b, a, equal_var=False, alternative=alternative)
    side: Any = {"two-sided": "both"}.get(alternative, alternative)
    ours = effects.interval(effects.effect(*(effects.mean_arm(moments_of(one)) for one in (a, b))), side=side)
    span = theirs.confidence_interval()
    scale = max(abs(a).max(), abs(b).max())
    assert close(ours.p, theirs.pvalue, 1e-7)
    for one, other in ((ours.low, span.low), (ours.high, span.high)):
        assert one == other or abs(float(one) - float(other)) < 1e-8 * scale


@given(st.lists(samples, min_size=2, max_size=5))
def test_days_merge_to_the_whole(days: list[Any]) -> None:
    """Moments of parts add up to the moments of all."""
    whole, parts = moments_of(np.concatenate(days)), merged([moments_of(one) for one in days])
    assert close(whole.n, parts.n) and close(whole.total, parts.total, 1e-9)
    assert np.allclose(whole.cross, parts.cross, rtol=1e-9)


def test_many_tests_at_once_are_each_alone() -> None:
    """The vectorised answer is the scalar one, test by test."""
    values = draw().lognormal(size=(2, 20, 50))
    parts = [[moments_of(row) for row in side] for side in values]
    packed = [
        Moments(*(np.stack([getattr(one, name) for one in side]) for name in ("n", "total", "cross")))
        for side in parts
    ]
    together = effects.interval(effects.effect(*(effects.mean_arm(one) for one in packed), relative=True))
    for at in range(20):
        alone = effects.interval(effects.effect(*(effects.mean_arm(side[at]) for side in parts), relative=True))
        assert close(together.p[at], alone.p) and close(together.low[at], alone.low)


def test_a_ratio_is_the_delta_method_on_linearised_units() -> None:
    """Its variance is that of (y − r d) / mean d."""
    d = draw().lognormal(size=400)
    y = d * draw(8).lognormal(size=400)
    arm = effects.ratio_arm(moments_of(np.stack([y, d], axis=1)))
    ratio = y.mean() / d.mean()
    assert close(arm.mean, ratio) and close(arm.variance, ((y - ratio * d) / d.mean()).var(ddof=1), 1e-9)


def test_cuped_is_the_regression_within_arms_and_shrinks_by_theory() -> None:
    """The adjusted error is that of y − θ x with the pooled θ; close to 1 − ρ² of the plain variance."""
    x = draw().normal(size=(2, 20_000))
    y = 0.8 * x + 0.6 * draw(9).normal(size=x.shape)
    parts = [moments_of(np.stack(pair, axis=1)) for pair in zip(y, x, strict=True)]
    found, plain = effects.effect(*effects.cuped_arms(*parts)), effects.effect(*map(effects.mean_arm, parts))
    covariances = [np.cov(one, other) for one, other in zip(y, x, strict=True)]
    theta = sum(one[0, 1] for one in covariances) / sum(one[1, 1] for one in covariances)
    residuals = y - theta * x
    assert close(found.error**2, sum(one.var(ddof=1) / len(one) for one in residuals), 1e-9)
    assert abs(float(found.error / plain.error) ** 2 - 0.36) < 0.01


def test_an_anytime_valid_interval_holds_at_every_look() -> None:
    """In 2,000 A/A runs of 60 looks at most 5 % are ever called, and three deviations."""
    sums = np.cumsum(draw().normal(size=(2000, 60)), axis=1)
    n = np.arange(1, 61, dtype=np.float64)
    found = effects.Effect(sums / n, np.broadcast_to(n**-0.5, sums.shape), n, n)
    span = effects.anytime(found, rho=effects.best_rho(60))
    ever = ((span.low > 0) | (span.high < 0)).any(axis=1)
    assert ever.mean() < 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
    assert (((span.low > 0) | (span.high < 0)) == (span.p < 0.05)).all()


def test_unplanned_looks_err_less_than_alpha() -> None:
    """The bound against Brownian motion's own law: exact for one look's z, and below 5 % at 400 simulated looks."""
    assert close(looks.always([1.0]), [stats.norm.ppf(1 - 0.05 / 4)], 1e-12)
    paths = np.cumsum(np.random.default_rng(5).normal(size=(20_000, 400)), axis=1) / np.sqrt(np.arange(1, 401))
    crossed = (np.abs(paths) > looks.always(np.arange(1, 401) / 400)).any(axis=1).mean()
    assert 0.04 < crossed < 0.05
    for wrong in ([], [0.0], [1.2]):
        with pytest.raises(Invalid, match="information times"):
            looks.always(wrong)


def test_group_sequential_bounds_spend_alpha() -> None:
    """One look is the fixed test; five match the published O'Brien–Fleming-like values; simulation agrees."""
    assert close(looks.bounds([1.0]), [stats.norm.ppf(0.975)], 1e-9)
    five = looks.bounds([0.2, 0.4, 0.6, 0.8, 1.0])
    assert np.allclose(five, [4.877, 3.357, 2.680, 2.290, 2.031], atol=2e-3)
    paths = np.cumsum(draw().normal(size=(40_000, 5)), axis=1) / np.sqrt(np.arange(1, 6))
    assert abs((np.abs(paths) > five).any(axis=1).mean() - 0.05) < 4 * (0.05 * 0.95 / 40_000) ** 0.5


@pytest.mark.parametrize("times", [[], [0.5, 0.5], [0.0, 1.0], [0.5, 1.2], [0.6, 0.3]])
def test_impossible_looks_are_refused(times: list[float]) -> None:
    """Information rises within (0, 1]."""
    with pytest.raises(Invalid, match="information times"):
        looks.bounds(times)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("bonferroni", "bonferroni"), ("holm", "holm"), ("hochberg", "simes-hochberg"), ("bh", "fdr_bh")],
)
def test_corrections_are_statsmodels(ours: Any, theirs: str) -> None:
    """Family-wise and false discovery."""
    p = draw().uniform(size=40) ** 2
    assert close(checks.adjusted(p, ours), multipletests(p, method=theirs)[1])


def test_power_and_sample_size_are_statsmodels() -> None:
    """Both ways, with unequal arms."""
    solver = NormalIndPower()
    for ratio in (1.0, 2.5):
        n = float(checks.sample_size(0.1, 1.0, ratio=ratio))
        assert abs(n / solver.solve_power(0.1, power=0.8, alpha=0.05, ratio=ratio) - 1) < 1e-4
        error = (1 / n + 1 / (n * ratio)) ** 0.5
        assert close(checks.power_of(0.1, error), solver.power(0.1, n, 0.05, ratio=ratio))
        assert abs(float(checks.detectable(error)) - 0.1) < 1e-9


def test_sample_ratios_by_segment() -> None:
    """Every row is SciPy's chi-square; weights that do not fit are refused."""
    users, weights = np.array([[500, 520, 980], [10, 0, 30]]), [0.25, 0.25, 0.5]
    found = checks.sample_ratio(users, weights)
    for row, p in zip(users, found, strict=True):
        assert close(p, stats.chisquare(row, np.array(weights) * row.sum()).pvalue)
    with pytest.raises(Invalid, match="as many weights"):
        checks.sample_ratio([1, 2, 3], [0.5, 0.5])
    with pytest.raises(Invalid, match="none below 0"):
        checks.sample_ratio([1, 2], [1.5, -0.5])


def clustered(values: list[list[float]], edges: np.ndarray) -> Clustered:
    """Units with any number of values each, counted one by one."""
    tables = np.zeros((3, len(edges) - 1))
    for mine in values:
        held, _ = np.histogram(mine, edges)
        up_to = held.cumsum()
        tables += held, held * len(mine), np.diff(up_to**2, prepend=0)
    return Clustered(edges[:-1], edges[1:], np.array(float(len(values))), *tables)


def test_of_single_values_a_clustered_quantile_is_the_order_statistics_one() -> None:
    """One value a unit: estimate and error are those of the histogram's interval."""
    values = draw(3).lognormal(size=5000)
    edges = quantiles.edges_for(values, [0.95], units=len(values))
    _, low, high = quantiles.quantile_interval(quantiles.histogram(values, edges), [0.95])
    found = quantiles.quantile_arm(clustered([[one] for one in values], edges), 0.95)
    assert found.mean == pytest.approx(np.quantile(values, 0.95), rel=0.01)
    assert np.sqrt(found.variance / found.n) == pytest.approx((high - low)[0] / (2 * 1.959964), rel=0.01)


def test_quantiles_of_units_with_many_values_vary_as_units_do() -> None:
    """400 runs with a habit a unit: the interval covers as it says; one that took values for units would not."""
    covered = naive = 0
    truth = np.exp(np.sqrt(0.5**2 + 0.3**2) * 1.6448536)
    for seed in range(400):
        chance = draw(seed)
        habit = chance.normal(0, 0.5, 300)
        values = [np.exp(one + chance.normal(0, 0.3, chance.integers(4, 12))).tolist() for one in habit]
        flat = np.concatenate(values)
        edges = quantiles.edges_for(flat, [0.95], units=len(flat))
        found = quantiles.quantile_arm(clustered(values, edges), 0.95)
        covered += abs(found.mean - truth) < 1.959964 * np.sqrt(found.variance / found.n)
        _, low, high = quantiles.quantile_interval(quantiles.histogram(flat, edges), [0.95])
        naive += low[0] < truth < high[0]
    assert 0.92 < covered / 400 < 0.98 and naive / 400 < 0.85


def test_a_quantile_whose_interval_leaves_the_values_has_no_error() -> None:
    """A 95th percentile of thirty values has no upper end; without values there is no estimate either."""
    edges = np.linspace(0, 100, 101)
    few = quantiles.quantile_arm(clustered([[float(at)] for at in range(30)], edges), 0.95)
    assert few.mean == pytest.approx(28.5) and np.isnan(few.variance)
    none = quantiles.quantile_arm(clustered([[], []], edges), 0.95)
    assert np.isnan(none.mean) and np.isnan(none.variance)


def test_quantiles_of_histograms_are_those_of_values() -> None:
    """Intervals within 5 % at far more than 80 times fewer numbers; parts merge; both cover."""
    values = draw().lognormal(size=200_000)
    wanted = [0.1, 0.5, 0.9, 0.99]
    edges = quantiles.edges_for(values[:10_000], wanted, units=len(values))
    packed = quantiles.histogram(values[:90_000], edges) + quantiles.histogram(values[90_000:], edges)
    assert len(values) / len(packed.counts) > 80
    exact, ours = quantiles.quantile_interval(values, wanted), quantiles.quantile_interval(packed, wanted)
    assert (np.abs((ours[2] - ours[1]) / (exact[2] - exact[1]) - 1) < 0.05).all()
    truth = stats.lognorm.ppf(wanted, 1)
    covered = np.zeros(4)
    for seed in range(300):
        _, low, high = quantiles.quantile_interval(draw(seed).lognormal(size=800), wanted)
        covered += (low <= truth) & (truth <= high)
    assert (covered / 300 > 0.95 - 4 * (0.05 * 0.95 / 300) ** 0.5).all()


def test_bad_metrics_are_refused_and_empty_arms_say_nothing() -> None:
    """NaN and infinity by count; an arm without users gives NaN, a breach of nothing, and no error."""
    with pytest.raises(Invalid, match="2 of 3 units"):
        moments_of([1.0, float("nan"), float("inf")])
    with pytest.raises(Invalid, match="1 values are NaN"):
        quantiles.histogram([float("nan"), 1.0], np.array([0.0, 1.0]))
    with pytest.raises(Invalid, match="at least one"):
        checks.adjusted([], "bh")
    empty = Moments(np.array(0.0), np.zeros(1), np.zeros((1, 1)))
    found = effects.effect(effects.mean_arm(moments_of([1.0, 2.0, 3.0])), effects.mean_arm(empty), relative=True)
    assert np.isnan(found.estimate) and np.isnan(effects.interval(found).p)
    assert not breached(found, Guardrail(metric="stalls", worse="up"), rho=0.1)


def test_winsorising_clips_the_metric_alone() -> None:
    """What was declared beforehand, and not the past."""
    found = moments_of([[100.0, 100.0], [1.0, 1.0]], winsor=(0.0, 10.0))
    assert found.total.tolist() == [11.0, 101.0]


def test_a_guardrail_looks_at_its_worse_side() -> None:
    """Up for stalls, down for hours watched, beyond the margin."""
    better = effects.Effect(*(np.array(one) for one in (-0.2, 0.01, 1e4, 1e4)))
    worse = effects.Effect(*(np.array(one) for one in (0.2, 0.01, 1e4, 1e4)))
    stalls = Guardrail(metric="stalls", worse="up")
    assert breached(worse, stalls, rho=0.02) and not breached(better, stalls, rho=0.02)
    assert breached(better, Guardrail(metric="hours", worse="down"), rho=0.02)
    assert not breached(worse, Guardrail(metric="stalls", worse="up", margin=0.3), rho=0.02)


def test_bayes_without_a_prior_is_the_normal_interval() -> None:
    """And a strong prior pulls to itself; chance to win and the loss by simulation."""
    found = effects.Effect(*(np.array(one) for one in (0.3, 0.2, 1e6, 1e6)))
    flat, wins, loss = effects.bayesian(found)
    normal = effects.interval(found, z=True)
    assert close(flat.low, normal.low) and close(flat.high, normal.high)
    posterior = draw().normal(0.3, 0.2, 400_000)
    assert abs(float(wins) - (posterior > 0).mean()) < 0.004
    assert abs(float(loss) - np.maximum(-posterior, 0).mean()) < 0.001
    tight, _, _ = effects.bayesian(found, prior_variance=1e-6)
    assert abs(float(tight.high + tight.low) / 2) < 0.001


def test_strata_remove_what_they_explain() -> None:
    """The same data have a smaller error and an unbiased effect; segments that differ are told apart."""
    stratum = draw().integers(0, 2, size=(2, 4000))
    y = 10.0 * stratum + draw(3).normal(size=stratum.shape) + np.array([[0.0], [0.5]])
    strata = [(moments_of(y[0][stratum[0] == one]), moments_of(y[1][stratum[1] == one])) for one in (0, 1)]
    found = effects.post_stratified(strata)
    assert abs(float(found.estimate) - 0.5) < 4 * float(found.error) < 0.2
    parts = [effects.effect(effects.mean_arm(control), effects.mean_arm(treatment)) for control, treatment in strata]
    assert effects.heterogeneous(parts) > 1e-4
    apart = [parts[0], effects.Effect(parts[1].estimate + 1, parts[1].error, parts[1].df, parts[1].n)]
    assert effects.heterogeneous(apart) < 1e-6


def test_strata_of_a_ratio_count_by_what_they_bring() -> None:
    """400 runs of a ratio in two strata that differ in level, size, denominator and effect: the interval covers the
    ratio of the whole and is narrower than without strata; the weighted mean of the strata's ratios is another thing.
    """
    truth = (0.7 * 2 * 3.3 + 0.3 * 40 * 1.5) / (0.7 * 2 + 0.3 * 40) / ((0.7 * 2 * 3 + 0.3 * 40 * 1.5) / 13.4) - 1
    covered, narrower, naive = 0, 0, []
    for seed in range(400):
        chance = draw(seed)
        sides = []
        for lift in (1.0, 1.1):
            heavy = chance.random(1500) < 0.3
            bottom = np.where(heavy, 40.0, 2.0) * chance.lognormal(-0.02, 0.2, 1500)
            top = bottom * np.where(heavy, 1.5, 3.0 * lift) * chance.lognormal(-0.02, 0.2, 1500)
            sides.append((heavy, np.stack([top, bottom], axis=1)))
        strata = [tuple(moments_of(rows[heavy == one]) for heavy, rows in sides) for one in (False, True)]
        found = effects.post_stratified(strata, ratio=True, relative=True)  # type: ignore[arg-type]
        covered += abs(float(found.estimate) - truth) < 1.959964 * float(found.error)
        plain = effects.effect(*(effects.ratio_arm(moments_of(rows)) for _, rows in sides), relative=True)
        narrower += float(found.error) < float(plain.error)
        shares = [sum(float(one.n) for one in pair) / 3000 for pair in strata]
        levels = [[float(one.total[0] / one.total[1]) for one in pair] for pair in strata]
        control, treatment = (sum(w * pair[at] for w, pair in zip(shares, levels, strict=True)) for at in (0, 1))
        naive.append(treatment / control - 1)
    assert 0.92 < covered / 400 < 0.98 and narrower == 400
    assert abs(float(np.mean(naive)) - truth) > 0.02


@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 10), st.integers(0, 2**16))
def test_team_draft_is_fair(first: list[int], second: list[int], length: int, seed: int) -> None:
    """No item twice, teams differ by at most one, and every pick is its team's best that was left."""
    coin = draw(seed)
    merged_, teams = team_draft(first, second, length, lambda: bool(coin.integers(2)))
    assert len(merged_) == len(set(merged_)) == min(length, 8)
    assert abs(2 * sum(teams) - len(teams)) <= 1
    for at, (item, team) in enumerate(zip(merged_, teams, strict=True)):
        assert item == next(one for one in (first, second)[team] if one not in merged_[:at])


def test_other_designs_find_what_was_put_in() -> None:
    """Preference, switchback with washout, difference in differences, synthetic control."""
    assert designs.preference([0, 0, 1], [1, 1, 1]) == (1.0, 0.5)
    assert designs.preference([1, 1], [1, 1]) == (0.5, 1.0)
    treated = np.arange(80) // 4 % 2 == 1
    values = draw().normal(size=80) * 0.1 + treated
    values[np.flatnonzero(np.diff(treated.astype(int))) + 1] = 50
    found = designs.switchback(values, treated, washout=1)
    assert abs(float(found.estimate) - 1) < 4 * float(found.error) < 0.2
    base = draw(2).normal(size=(2, 200))
    change = designs.difference_in_differences((base[0], base[1]), (base[0] + 1, base[1] + 1.5))
    assert close(change.estimate, 0.5)
    donors = draw(4).normal(size=(12, 30)).cumsum(axis=1)
    unit = 0.3 * donors[0] + 0.7 * donors[5]
    unit[20:] += 5
    ours = designs.synthetic_control(unit, donors, 20)
    assert np.allclose(ours.weights[[0, 5]], [0.3, 0.7], atol=1e-3) and np.allclose(ours.gap, 5, atol=0.01)
    assert ours.p == 1 / 13
    with pytest.raises(Invalid, match="two periods of each kind"):
        designs.switchback([1, 2, 3], [True, True, False])
    with pytest.raises(Invalid, match="two donors"):
        designs.synthetic_control(unit, donors[:1], 20)


def test_calibration_tells_a_platform_that_lies() -> None:
    """Uniform A/A p-values pass; those of a test with half the error do not."""
    honest = draw().uniform(size=500)
    assert checks.calibrated(honest) > 0.01
    assert checks.calibrated(2 * stats.norm.sf(np.abs(draw().normal(size=500)) * 2)) < 1e-6
