"""What two offers are worth: paths of their pay, what is certain in them, and where they break even.

Cash is what it is. Stock follows a geometric Brownian motion in steps of a quarter; a grant is worth nothing before
its cliff and vests in equal quarters after it. Certainty equivalents are those of constant relative risk aversion
(Pratt, Econometrica 32, 1964). Amounts are in the offers' currency; shares (bonus, tax, growth) are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from reelwright.practice.contract import Pay, Role

Money = Annotated[float, Meta(ge=0, le=1e9)]
QUARTERS = 4
WORKING_DAYS = 260
PATHS = 4_000
"""Half of them mirror images of the other half, so that the mean has little noise."""
LOW_GROWTH, HIGH_GROWTH = -0.99, 20.0
"""Between these a break-even is looked for, a year."""
SHARES = frozenset({"bonus", "bonus_paid", "growth", "volatility", "tax", "discount"})
"""Typed as percent."""


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an employer promises."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    base: Money = 0.0
    """A year."""
    bonus: Annotated[float, Meta(ge=0, le=5)] = 0.0
    """Of the base, a year, where it is paid in full."""
    bonus_paid: Annotated[float, Meta(ge=0, le=3)] = 1.0
    """The part of it that is usually paid."""
    sign_on: Money = 0.0
    """Once, in the first quarter."""
    grant: Money = 0.0
    """Stock at its worth on the first day, vesting over `vest_years`."""
    vest_years: Annotated[int, Meta(ge=1, le=10)] = 4
    cliff_months: Annotated[int, Meta(ge=0, le=60)] = 12
    """Whoever leaves before has nothing of the grant."""
    refresher: Money = 0.0
    """A grant at each year's end, at its worth then, vesting over `vest_years` without a cliff."""
    vacation_days: Annotated[int, Meta(ge=0, le=120)] = 25
    """A year; where it is untracked, what one would take."""


class Assumptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What nobody promises."""

    years: Annotated[float, Meta(ge=0.25, le=10)] = 4.0
    """How long one stays; in quarters, rounded down."""
    growth: Annotated[float, Meta(ge=LOW_GROWTH, le=HIGH_GROWTH)] = 0.07
    """Of the stock's expected price, a year."""
    volatility: Annotated[float, Meta(ge=0, le=3)] = 0.4
    tax: Annotated[float, Meta(ge=0, le=0.9)] = 0.35
    """On the last dollar, taken of all pay alike."""
    discount: Annotated[float, Meta(ge=0, le=1)] = 0.04
    """A year."""
    risk_aversion: Annotated[float, Meta(ge=0, le=20)] = 2.0
    """0: only the mean counts; 2 to 4 are usual."""

    @property
    def quarters(self) -> int:
        """Whole quarters of the stay."""
        return int(self.years * QUARTERS + 1e-9)


class Year(msgspec.Struct, frozen=True, kw_only=True):
    """One year's pay after tax: the certain part, and a band of the whole."""

    year: int
    cash: float
    p10: float
    p50: float
    p90: float


class Valued(msgspec.Struct, frozen=True, kw_only=True):
    """An offer over the stay: present values after tax."""

    offer: Offer
    years: tuple[Year, ...]
    cash: float
    mean: float
    p10: float
    p50: float
    p90: float
    certain: float
    """The certainty equivalent: the sure amount that is as good to somebody so averse to risk."""
    certain_a_year: float
    """The same as a yearly salary before tax."""
    per_working_day: float
    """The certainty equivalent before tax by day worked, vacation left out."""
    lost_at_cliff: float
    """Expected worth of what one loses by leaving the day before the cliff, after tax."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two offers beside each other, and what speaks for each."""

    first: Valued
    second: Valued
    assumptions: Assumptions
    p_second_more: float
    """The probability that the second brings more over the stay."""
    break_even: float | None
    """Yearly growth of the stock at which the second's mean equals the first's; None where no growth does."""
    break_even_certain: float | None
    """The same for the certainty equivalents: what somebody so averse to risk would need."""
    for_first: tuple[str, ...]
    for_second: tuple[str, ...]


Amounts = NDArray[np.float64]
"""Shape (n_paths, n_quarters), or (n_quarters,)."""


def cash_of(offer: Offer, assumptions: Assumptions) -> Amounts:
    """Cash after tax by quarter, shape (n_quarters,); the sign-on comes in the first."""
    quarter = offer.base * (1 + offer.bonus * offer.bonus_paid) / QUARTERS
    paid = np.full(assumptions.quarters, quarter)
    if assumptions.quarters:
        paid[0] += offer.sign_on
    return paid * (1 - assumptions.tax)


def vesting(offer: Offer, quarters: int) -> NDArray[np.float64]:
    """Worth at grant of what vests, by quarter of grant and of vesting, shape (n_quarters + 1, n_quarters)."""
    vests = np.zeros((quarters + 1, quarters))
    slices = offer.vest_years * QUARTERS
    cliff = math.ceil(offer.cliff_months / 3)
    for quarter in range(max(1, cliff), quarters + 1):
        due = min(max(1, cliff), slices) if quarter == max(1, cliff) else float(quarter <= slices)
        vests[0, quarter - 1] = offer.grant * due / slices
    for granted in range(QUARTERS, quarters, QUARTERS):
        last = min(quarters, granted + slices)
        vests[granted, granted:last] += offer.refresher / slices
    return vests


def prices(assumptions: Assumptions, seed: int) -> Amounts:
    """The stock's price at each quarter's end as a multiple of the first day's, shape (n_paths, n_quarters + 1)."""
    steps, dt = assumptions.quarters, 1 / QUARTERS
    drift = math.log1p(assumptions.growth) - assumptions.volatility**2 / 2
    half = np.random.default_rng(seed).standard_normal((PATHS // 2, steps))
    moves = drift * dt + assumptions.volatility * math.sqrt(dt) * np.concatenate([half, -half])
    logs = np.concatenate([np.zeros((PATHS, 1)), np.cumsum(moves, axis=1)], axis=1)
    return np.asarray(np.exp(logs), dtype=np.float64)


def stock_of(offer: Offer, assumptions: Assumptions, price: Amounts) -> Amounts:
    """Stock after tax at the prices it vests at, shape (n_paths, n_quarters)."""
    units = (1 / price) @ vesting(offer, assumptions.quarters)
    return np.asarray(units * price[:, 1:] * (1 - assumptions.tax), dtype=np.float64)


def expected(offer: Offer, assumptions: Assumptions) -> float:
    """Mean present value in closed form: what vests after t years has grown (1 + growth)^t since it was granted."""
    quarters = assumptions.quarters
    vests = vesting(offer, quarters)
    held = (np.arange(1, quarters + 1)[None, :] - np.arange(quarters + 1)[:, None]) / QUARTERS
    grown = np.where(vests > 0, vests * (1 + assumptions.growth) ** np.maximum(held, 0), 0.0).sum(axis=0)
    paid = cash_of(offer, assumptions) + grown * (1 - assumptions.tax)
    return float(paid @ _discounts(assumptions))


def certainty_equivalent(worths: NDArray[np.float64], risk_aversion: float) -> float:
    """The sure amount with the mean utility of these; 0 where some path brings nothing and aversion is 1 or more."""
    top = float(worths.max(initial=0.0))
    if top <= 0 or (risk_aversion >= 1 and float(worths.min()) <= 0):
        return 0.0
    if float(worths.min()) == top:
        return top
    shares = worths / top  # so that powers of large amounts stay in range
    if risk_aversion == 1:
        return top * math.exp(float(np.log(shares).mean()))
    lowest = float(shares.min()) or 1.0
    powers = (shares / lowest) ** (1 - risk_aversion)
    return float(top * lowest * float(powers.mean()) ** (1 / (1 - risk_aversion)))


def value(offer: Offer, assumptions: Assumptions, *, seed: int) -> Valued:
    """What an offer is worth over the stay. Cost: some milliseconds."""
    cash, discounts = cash_of(offer, assumptions), _discounts(assumptions)
    paid = cash + stock_of(offer, assumptions, prices(assumptions, seed))
    worths = paid @ discounts
    certain = certainty_equivalent(worths, assumptions.risk_aversion)
    yearly = certain / float(discounts.sum()) * QUARTERS / (1 - assumptions.tax)
    p10, p50, p90 = (float(one) for one in np.percentile(worths, (10, 50, 90)))
    return Valued(
        offer=offer, years=_years(cash, paid), cash=float(cash @ discounts), mean=expected(offer, assumptions),
        p10=p10, p50=p50, p90=p90, certain=certain, certain_a_year=yearly,
        per_working_day=yearly / max(1, WORKING_DAYS - offer.vacation_days),
        lost_at_cliff=_lost_at_cliff(offer, assumptions),
    )  # fmt: skip


def compare(first: Offer, second: Offer, assumptions: Assumptions, *, seed: int) -> Comparison:
    """Both offers, and both sides of the choice."""
    one, other = value(first, assumptions, seed=seed), value(second, assumptions, seed=seed)
    price, discounts = prices(assumptions, seed), _discounts(assumptions)
    worths = [
        (cash_of(each, assumptions) + stock_of(each, assumptions, price)) @ discounts for each in (first, second)
    ]
    found = Comparison(
        first=one, second=other, assumptions=assumptions, p_second_more=float((worths[1] > worths[0]).mean()),
        break_even=_break_even(first, second, assumptions, lambda offer, given: expected(offer, given)),
        break_even_certain=_break_even(
            first, second, assumptions, lambda offer, given: value(offer, given, seed=seed).certain
        ),
        for_first=(), for_second=(),
    )  # fmt: skip
    return msgspec.structs.replace(
        found, for_first=_says(one, other, found, 1 - found.p_second_more),
        for_second=_says(other, one, found, found.p_second_more),
    )  # fmt: skip


def cash_offer(pay: Pay, role: Role, *, name: str = "All cash") -> Offer:
    """A level of the table as an offer: the middle of its range, all of it salary."""
    low, high = pay.levels[role]
    return Offer(name=name, base=(low + high) / 2)


def check_levels(pay: Pay) -> str:
    """What is wrong with a level table; empty where nothing is."""
    for role, (low, high) in pay.levels.items():
        if not 0 <= low <= high <= 10_000_000:
            return f"{role}: from {low} to {high} is no range; give from and to, the smaller first"
    return "" if len(pay.dated) == 7 and pay.dated[4] == "-" else f"dated {pay.dated[:20]!r} is no month like 2026-11"


def _discounts(assumptions: Assumptions) -> NDArray[np.float64]:
    ends = np.arange(1, assumptions.quarters + 1) / QUARTERS
    return np.asarray((1 + assumptions.discount) ** -ends, dtype=np.float64)


def _years(cash: Amounts, paid: Amounts) -> tuple[Year, ...]:
    found = []
    for at in range(0, len(cash), QUARTERS):
        year = paid[:, at : at + QUARTERS].sum(axis=1)
        p10, p50, p90 = (float(one) for one in np.percentile(year, (10, 50, 90)))
        found.append(
            Year(year=at // QUARTERS + 1, cash=float(cash[at : at + QUARTERS].sum()), p10=p10, p50=p50, p90=p90)
        )
    return tuple(found)


def _lost_at_cliff(offer: Offer, assumptions: Assumptions) -> float:
    years = offer.cliff_months / 12
    share = min(1.0, years / offer.vest_years)
    return offer.grant * share * (1 + assumptions.growth) ** years * (1 - assumptions.tax) if years else 0.0


def _break_even(
    first: Offer, second: Offer, assumptions: Assumptions, worth: Callable[[Offer, Assumptions], float]
) -> float | None:
    """Bisection in the growth; None where more growth does not change which of them is ahead."""

    def ahead(growth: float) -> bool:
        given = msgspec.structs.replace(assumptions, growth=growth)
        return worth(second, given) > worth(first, given)

    low, high = LOW_GROWTH, HIGH_GROWTH
    at_low = ahead(low)
    if at_low == ahead(high):
        return None
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if ahead(middle) == at_low else (low, middle)
    return (low + high) / 2


def _says(one: Valued, other: Valued, found: Comparison, p_more: float) -> tuple[str, ...]:
    """What speaks for an offer and against it, by its figures."""
    said: list[str] = []
    spread = one.p90 - one.p10
    if spread <= 1e-9 * max(1.0, one.p90):
        said.append(f"Guaranteed: {one.cash:,.0f} after tax is paid whatever a stock does, as long as one stays.")
        said.append("But no upside: where the company's stock grows, none of it is yours.")
    else:
        said.append(f"Upside: one time in ten it brings {one.p90:,.0f} or more after tax.")
        said.append(f"But not guaranteed: one time in ten it is {one.p10:,.0f} or less.")
    if one.lost_at_cliff:
        said.append(
            f"Leaving, or being let go, before month {one.offer.cliff_months} forfeits stock worth about "
            f"{one.lost_at_cliff:,.0f} after tax."
        )
    ahead = "more" if one.certain >= other.certain else "less"
    said.append(
        f"To somebody with risk aversion {found.assumptions.risk_aversion:g} it is worth "
        f"{abs(one.certain - other.certain):,.0f} {ahead}; it brings more in {p_more * 100:.0f} % of the paths."
    )
    return tuple(said)


def say_growth(growth: float | None) -> str:
    """A break-even as people say it."""
    return "no growth changes which one is ahead" if growth is None else f"{growth * 100:+.1f} % a year"


def path_points(years: Sequence[Year]) -> tuple[tuple[float, float, float, float], ...]:
    """Running sums over the years, for the picture: cash, p10, p50, p90 (the bands of years are added up)."""
    sums = np.cumsum([(one.cash, one.p10, one.p50, one.p90) for one in years], axis=0)
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in sums)
