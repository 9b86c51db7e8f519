"""Pay: closed forms where they exist, and the order of things where they do not."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.practice.adapters.guide import load_styles
from reelwright.practice.core.pay import (
    Assumptions,
    Offer,
    cash_offer,
    certainty_equivalent,
    check_levels,
    compare,
    expected,
    say_growth,
    value,
    vesting,
)

CASH = Offer(name="cash", base=350_000)
STOCK = Offer(name="stock", base=220_000, bonus=0.15, sign_on=50_000, grant=400_000, refresher=60_000)
MONEY = st.floats(0, 1e6)
OFFERS = st.builds(
    Offer, name=st.just("offer"), base=MONEY, bonus=st.floats(0, 1), sign_on=MONEY, grant=MONEY, refresher=MONEY,
    vest_years=st.integers(1, 6), cliff_months=st.integers(0, 30),
)  # fmt: skip


def test_the_level_table_is_dated_and_all_salary() -> None:
    """300 to 400, 400 to 500, 500 to 650 thousand, no stock, no bonus, vacation untracked."""
    pay = load_styles()["netflix"].pay
    assert pay.levels == {
        "senior": [300_000, 400_000], "staff": [400_000, 500_000], "senior_staff": [500_000, 650_000],
    }  # fmt: skip
    assert (pay.stock, pay.bonus, pay.vacation) == ("none", "none", "untracked") and not check_levels(pay)
    assert cash_offer(pay, "staff").base == 450_000


def test_an_all_cash_offer_is_exact() -> None:
    """Whatever the stock of others does: an annuity, the same in every percentile and for every aversion to risk."""
    assumed = Assumptions(years=4, discount=0.05, tax=0.3, risk_aversion=3)
    annuity = 350_000 / 4 * 0.7 * sum(1.05 ** -(quarter / 4) for quarter in range(1, 17))
    found = value(CASH, assumed, seed=1)
    for one in (found.cash, found.mean, found.p10, found.p90, found.certain):
        assert one == pytest.approx(annuity, rel=1e-12)
    assert found.certain_a_year == pytest.approx(350_000)


@settings(max_examples=60, deadline=None)
@given(offer=OFFERS, growth=st.floats(-0.5, 1), years=st.integers(1, 8), risk=st.floats(0, 8))
def test_without_volatility_paths_are_the_closed_form(offer: Offer, growth: float, years: int, risk: float) -> None:
    """Every percentile, the mean and the certainty equivalent are one number."""
    assumed = Assumptions(years=years, growth=growth, volatility=0, risk_aversion=risk)
    found = value(offer, assumed, seed=3)
    for one in (found.p10, found.p50, found.p90, found.certain):
        assert one == pytest.approx(expected(offer, assumed), rel=1e-6, abs=1e-6)


def test_a_grant_vests_by_hand() -> None:
    """Nothing before the cliff, a quarter of it there, then a sixteenth each quarter; refreshers vest later."""
    vests = vesting(STOCK, 16)
    assert list(vests[0, :5]) == [0, 0, 0, 100_000, 25_000] and vests[0].sum() == 400_000
    assert vests[4, 3] == 0 and vests[4, 4] == 60_000 / 16 and vests[4].sum() == pytest.approx(60_000 * 12 / 16)
    assert vesting(STOCK, 3).sum() == 0
    assert vesting(msgspec.structs.replace(STOCK, cliff_months=0, refresher=0), 16)[0].tolist() == [25_000] * 16


def test_the_mean_of_paths_is_near_the_closed_form() -> None:
    """Mirror images leave little noise: within one per cent at a volatility of 0.4."""
    assumed = Assumptions(risk_aversion=0)
    found = value(STOCK, assumed, seed=1)
    assert found.certain == pytest.approx(found.mean, rel=0.01)
    assert found == value(STOCK, assumed, seed=1)


def test_more_aversion_to_risk_is_worth_less() -> None:
    """And never less than the worst path, nor more than the mean."""
    worths = [value(STOCK, Assumptions(risk_aversion=risk), seed=1).certain for risk in (0, 0.5, 1, 2, 4, 20)]
    assert worths == sorted(worths, reverse=True) and worths[-1] > value(STOCK, Assumptions(), seed=1).cash


def test_certainty_equivalents_by_hand() -> None:
    """Two outcomes: the geometric mean at 1, the harmonic at 2, the mean at 0."""
    two = np.array([100.0, 400.0])
    assert certainty_equivalent(two, 1) == pytest.approx(200)
    assert certainty_equivalent(two, 2) == pytest.approx(160)
    assert certainty_equivalent(two, 0) == pytest.approx(250)
    assert certainty_equivalent(np.array([0.0, 400.0]), 2) == 0
    assert certainty_equivalent(np.array([]), 2) == 0


def test_at_break_even_both_are_worth_the_same() -> None:
    """Put back into the closed form, and into the paths for the aversion to risk, which asks for more growth."""
    found = compare(CASH, STOCK, Assumptions(), seed=1)
    assert found.break_even is not None and found.break_even_certain is not None
    at = Assumptions(growth=found.break_even)
    assert expected(STOCK, at) == pytest.approx(expected(CASH, at), rel=1e-4)
    assert found.break_even_certain > found.break_even
    careful = Assumptions(growth=found.break_even_certain)
    assert value(STOCK, careful, seed=1).certain == pytest.approx(value(CASH, careful, seed=1).certain, rel=1e-4)


def test_where_no_growth_helps_that_is_said() -> None:
    """Two offers without stock have no break-even."""
    found = compare(CASH, msgspec.structs.replace(CASH, name="less", base=1.0), Assumptions(), seed=1)
    assert found.break_even is None and "no growth" in say_growth(found.break_even)


def test_both_sides_are_stated() -> None:
    """Guaranteed but without upside; upside but not guaranteed, and lost at the cliff."""
    found = compare(CASH, STOCK, Assumptions(), seed=1)
    first, second = " ".join(found.for_first), " ".join(found.for_second)
    assert "Guaranteed" in first and "no upside" in first
    assert "Upside" in second and "not guaranteed" in second and "month 12 forfeits" in second


def test_vacation_counts_by_the_day_worked() -> None:
    """Ten days more are worth what ten of 235 days are."""
    assumed = Assumptions()
    less = value(CASH, assumed, seed=1).per_working_day
    more = value(msgspec.structs.replace(CASH, vacation_days=35), assumed, seed=1).per_working_day
    assert more / less == pytest.approx(235 / 225)


@pytest.mark.parametrize(
    ("field", "bad"), [("base", -1), ("base", math.nan), ("base", math.inf), ("bonus", 6), ("vest_years", 0),
                       ("cliff_months", 61), ("name", ""), ("grant", 1e12)],
)  # fmt: skip
def test_impossible_offers_are_refused(field: str, bad: object) -> None:
    """By their bounds, before anything is computed."""
    whole = msgspec.json.encode({**msgspec.structs.asdict(CASH), field: bad})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(whole, type=Offer)


def test_a_table_that_is_no_table_is_refused() -> None:
    """Backwards ranges and dates that are none."""
    pay = load_styles()["netflix"].pay
    assert "senior" in check_levels(msgspec.structs.replace(pay, levels={**pay.levels, "senior": (2, 1)}))
    assert "month" in check_levels(msgspec.structs.replace(pay, dated="soon"))
