"""A scorecard: every metric of every arm against control, as intervals that hold at every look, and what they say.

Relative effects with the anytime-valid interval of `analysis.effects`; CUPED where viewers have a past; alpha is
divided among the arms (Bonferroni), and for guardrails among them too, so that a test is stopped by mistake at most
once in twenty.

Where looks are planned, lines are read at them alone, by intervals that hold at all of them together; guardrails and
segments stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from reelwright.experiments.contract import Experiment, Guardrail
from reelwright.experiments.core.analysis import checks, effects
from reelwright.experiments.core.analysis.guardrails import breached
from reelwright.experiments.core.analysis.moments import Clustered, Floats, Moments
from reelwright.experiments.core.analysis.quantiles import quantile_arm
from reelwright.experiments.core.daily import SEGMENTS, Statistics, bins_by_day, moments_by_day
from reelwright.experiments.core.histograms import ZERO_BELOW
from reelwright.experiments.core.metrics import DAY_MS, METRICS, PREFERENCE, Metric
from reelwright.experiments.core.planned import Look, Plan, plan_of, read

ALPHA = 0.05
FIRST_LOOK = 50
"""Viewers in each of two arms before anything is decided: the intervals hold for large numbers."""
MISMATCH = 0.001
"""A sample ratio less likely than this is an error of the platform, not chance."""
UNEVEN = "Viewers did not come by the weights: find out why before you believe any figure."
Table = Moments | Clustered
"""Up to each day, by cell: moments of a mean or a ratio, histograms of a quantile."""
State = Literal["better", "worse", "unsure", "early", "nothing"]
Decided = Literal["better", "worse", "unsure", "early", "nothing", "mismatch", "stopped"]
GuardState = Literal["holds", "breached", "early", "nothing"]


class Point(msgspec.Struct, frozen=True):
    """The relative effect up to a day, and its interval."""

    day: int
    estimate: float
    low: float
    high: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one arm against control."""

    metric: str
    cell: str
    control: float | None
    value: float | None
    now: Point | None
    p: float | None
    adjusted: bool
    """Whether the time before the exposure was used (CUPED)."""
    state: State
    points: tuple[Point, ...]
    q: float | None = None
    """`p` among all lines of the scorecard: of those below 5 %, one in twenty is false (Benjamini, Hochberg)."""
    chance: float | None = None
    """The chance that the arm is better, without a prior (Bayesian); of one look, unlike the interval."""
    detectable: float | None = None
    """The smallest relative change that the planned units would find with 80 % power, as units vary so far."""


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """A guardrail and the arm that it watches."""

    metric: str
    cell: str
    worse: Literal["up", "down"]
    margin: float
    state: GuardState


class Arm(msgspec.Struct, frozen=True):
    """A cell with its viewers."""

    cell: str
    weight: float
    viewers: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The metric that decides, of one segment of the viewers."""

    segment: str
    viewers: tuple[int, ...]
    """By cell."""
    sample_ratio_p: float | None
    now: Point | None
    state: State


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """The metric that decides, of one arm, by segment."""

    cell: str
    parts: tuple[Part, ...]
    differ_p: float | None
    """The chance of segments that differ as much where the effect is the same in all (Cochran's Q)."""
    weighted: Point | None
    """The effect with segments weighted by their share of all viewers; of a mean or a ratio, not of a quantile."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """All that an experiment says so far."""

    experiment: str
    at_ms: int
    synthetic: bool
    arms: tuple[Arm, ...]
    sample_ratio_p: float | None
    lines: tuple[Line, ...]
    guards: tuple[Guard, ...]
    verdict: str
    decided: Decided
    divisions: tuple[Division, ...] = ()
    looks: tuple[Look, ...] = ()
    """Those that were planned; of none, lines are read at any time."""

    @property
    def breached(self) -> tuple[Guard, ...]:
        """The guardrails that are broken."""
        return tuple(one for one in self.guards if one.state == "breached")


def measured(experiment: Experiment) -> tuple[Metric, ...]:
    """The metrics of an experiment, the one that decides first, and those that its guardrails need."""
    if experiment.kind == "interleaving":
        return (PREFERENCE,)
    wanted = [*(experiment.metrics or METRICS), *(one.metric for one in experiment.guardrails)]
    return tuple(METRICS[key] for key in dict.fromkeys(wanted) if key in METRICS)


def score(experiment: Experiment, statistics: Statistics) -> Scorecard:
    """The scorecard; the same statistics give the same figures, bit by bit."""
    if experiment.kind == "interleaving":
        return _score_interleaved(experiment, statistics)
    cells = [cell.key for cell in experiment.cells]
    days = [one.day for one in statistics.days]
    tables = {one.key: table_of(statistics, one, cells=len(cells)) for one in measured(experiment)}
    viewers = next(iter(tables.values())).n[-1] if statistics.days and tables else np.zeros(len(cells))
    plan = None
    if experiment.looks:
        units = next(iter(tables.values())).n.sum(axis=1)
        plan = plan_of(experiment, days, units, today=statistics.at_ms // DAY_MS)
    lines = _corrected(
        [
            _line(experiment, METRICS[key], table, arm, days, plan)
            for key, table in tables.items()
            for arm in range(1, len(cells))
            if key in (experiment.metrics or METRICS)
        ]
    )
    guards = tuple(
        _guard(experiment, one, tables[one.metric], arm)
        for one in experiment.guardrails
        if one.metric in tables
        for arm in range(1, len(cells))
    )
    arms = tuple(
        Arm(cell.key, cell.weight, int(count)) for cell, count in zip(experiment.cells, viewers, strict=True)
    )
    ratio = float(checks.sample_ratio(viewers, [one.weight for one in arms])) if viewers.sum() else None
    decided, verdict = _verdict(experiment, arms, ratio, lines, guards, plan)
    return Scorecard(
        experiment=experiment.key,
        at_ms=statistics.at_ms,
        synthetic=statistics.synthetic,
        arms=arms,
        sample_ratio_p=ratio,
        lines=lines,
        guards=guards,
        verdict=verdict,
        decided=decided,
        divisions=tuple(_division(experiment, statistics, arm) for arm in range(1, len(cells)) if days and tables),
        looks=plan.looks if plan else (),
    )


def _division(experiment: Experiment, statistics: Statistics, arm: int) -> Division:
    metric, cells = measured(experiment)[0], len(experiment.cells)
    alpha = ALPHA / ((cells - 1) * len(SEGMENTS))
    rho = effects.best_rho(experiment.planned_units / len(SEGMENTS), alpha=alpha)
    day = statistics.days[-1].day
    parts, effects_, strata = [], [], []
    for segment in SEGMENTS:
        table = table_of(statistics, metric, cells=cells, segment=segment)
        viewers = table.n[-1]
        found, _ = relative_effect(metric, table, arm)
        bounds = effects.anytime(found, rho=rho, alpha=alpha)
        point = Point(day, *(float(one[-1]) for one in (found.estimate, bounds.low, bounds.high)))
        now = point if all(map(math.isfinite, (point.estimate, point.low, point.high))) else None
        ratio = checks.sample_ratio(viewers, [cell.weight for cell in experiment.cells]) if viewers.sum() else None
        if now is not None and _enough(table, arm):
            effects_.append(_last(found))
            if isinstance(table, Moments):
                strata.append((_at_last(table, 0), _at_last(table, arm)))
        parts.append(
            Part(
                segment=segment,
                viewers=tuple(int(one) for one in viewers),
                sample_ratio_p=None if ratio is None else float(ratio),
                now=now,
                state=_state(metric, table, arm, now),
            )
        )
    weighted = None
    if len(strata) == len(SEGMENTS):
        whole = effects.post_stratified(strata, ratio=bool(metric.bottom), relative=True, cautious=True)
        limits = effects.anytime(whole, rho=effects.best_rho(experiment.planned_units), alpha=ALPHA / (cells - 1))
        weighted = Point(day, float(whole.estimate), float(limits.low), float(limits.high))
    return Division(
        cell=experiment.cells[arm].key,
        parts=tuple(parts),
        differ_p=float(effects.heterogeneous(effects_)) if len(effects_) == len(SEGMENTS) else None,
        weighted=weighted,
    )


def _last(found: effects.Effect) -> effects.Effect:
    return _at(found, -1)


def _at(found: effects.Effect, row: int) -> effects.Effect:
    return effects.Effect(found.estimate[row], found.error[row], found.df[row], found.n[row])


def _at_last(table: Moments, arm: int) -> Moments:
    return Moments(table.n[-1, arm], table.total[-1, arm], table.cross[-1, arm])


def _score_interleaved(experiment: Experiment, statistics: Statistics) -> Scorecard:
    """Whose picks are played: of the titles that were credited, those of the second less those of the first."""
    table = moments_by_day(statistics, PREFERENCE.key, cells=2)
    both = Moments(table.n.sum(axis=1), table.total.sum(axis=1), table.cross.sum(axis=1))
    days = [one.day for one in statistics.days]
    viewers = table.n[-1] if days else np.zeros(2)
    arms = tuple(Arm(cell.key, cell.weight, int(n)) for cell, n in zip(experiment.cells, viewers, strict=True))
    ratio = float(checks.sample_ratio(viewers, [one.weight for one in arms])) if viewers.sum() else None
    points: tuple[Point, ...] = ()
    p = share = None
    if days and both.total[-1, 1] > 0:
        found = effects.lead(effects.ratio_arm(both))
        bounds = effects.anytime(found, rho=effects.best_rho(experiment.planned_units, alpha=ALPHA), alpha=ALPHA)
        points, p = _points(days, found, bounds), float(bounds.p[-1])
        share = float(both.total[-1, 0] / both.total[-1, 1])
    now = points[-1] if points and points[-1].day == days[-1] else None
    state: State = "nothing" if share is None else "early"
    if now is not None and both.n[-1] >= 2 * FIRST_LOOK and both.total[-1, 1] >= 2 * FIRST_LOOK:
        state = "unsure" if now.low <= 0 <= now.high else "better" if now.low > 0 else "worse"
    line = Line(
        metric=PREFERENCE.key,
        cell=experiment.cells[1].key,
        control=None if share is None else (1 - share) * PREFERENCE.scale,
        value=None if share is None else share * PREFERENCE.scale,
        now=now,
        p=p if now else None,
        adjusted=False,
        state=state,
        points=points,
    )
    decided, verdict = _preferred(experiment, arms, ratio, line)
    return Scorecard(
        experiment=experiment.key,
        at_ms=statistics.at_ms,
        synthetic=statistics.synthetic,
        arms=arms,
        sample_ratio_p=ratio,
        lines=(line,),
        guards=(),
        verdict=verdict,
        decided=decided,
    )


def _preferred(experiment: Experiment, arms: tuple[Arm, ...], ratio: float | None, line: Line) -> tuple[Decided, str]:
    first, second = (cell.key for cell in experiment.cells)
    if not sum(one.viewers for one in arms):
        return "nothing", "Nobody has been exposed yet."
    if ratio is not None and ratio < MISMATCH:
        return "mismatch", UNEVEN
    if line.state == "nothing":
        return "nothing", "Pages were shown, and nothing has been played from them yet."
    if line.state == "early" or line.now is None:
        return (
            "early",
            f"Too early: a first look needs {2 * FIRST_LOOK} viewers, and as many plays from what differs.",
        )
    low, share, high = ((1 + one) / 2 for one in (line.now.low, line.now.estimate, line.now.high))
    if line.state == "unsure":
        return "unsure", f"No preference is sure yet: {_plays(second, low, share, high)}."
    if line.state == "better":
        return "better", f"{second} is preferred to {first}: {_plays(second, low, share, high)}."
    return "worse", f"{first} is preferred to {second}: {_plays(first, 1 - high, 1 - share, 1 - low)}."


def _plays(cell: str, low: float, share: float, high: float) -> str:
    told = [f"{one * 100:.0f} %" for one in (share, low, high)]
    return f"{told[0]} of plays were of what {cell} picked ({told[1]} to {told[2]})"


def _points(days: Sequence[int], found: effects.Effect, bounds: effects.Interval) -> tuple[Point, ...]:
    columns = zip(days, found.estimate.tolist(), bounds.low.tolist(), bounds.high.tolist(), strict=True)
    return tuple(Point(day, *values) for day, *values in columns if all(math.isfinite(one) for one in values))


def table_of(statistics: Statistics, metric: Metric, *, cells: int, segment: str | None = None) -> Table:
    """What a metric is scored from, of one segment, or of all."""
    if metric.quantile is None:
        return moments_by_day(statistics, metric.key, cells=cells, segment=segment)
    return bins_by_day(statistics, metric.key, cells=cells, segment=segment)


def _line(
    experiment: Experiment, metric: Metric, table: Table, arm: int, days: Sequence[int], plan: Plan | None
) -> Line:
    alpha = ALPHA / (len(experiment.cells) - 1)
    found, adjusted = relative_effect(metric, table, arm)
    if plan is not None:
        return _planned_line(experiment, metric, table, arm, days, plan, found, adjusted)
    bounds = effects.anytime(found, rho=effects.best_rho(experiment.planned_units, alpha=alpha), alpha=alpha)
    points = _points(days, found, bounds)
    now = points[-1] if points and points[-1].day == days[-1] else None
    return Line(
        metric=metric.key,
        cell=experiment.cells[arm].key,
        control=level_of(metric, table, 0),
        value=level_of(metric, table, arm),
        now=now,
        p=float(bounds.p[-1]) if now and math.isfinite(bounds.p[-1]) else None,
        adjusted=adjusted,
        state=_state(metric, table, arm, now),
        points=points,
        chance=_chance(metric, _last(found)) if now else None,
        detectable=_detectable(experiment, _last(found)) if now else None,
    )


def _planned_line(
    experiment: Experiment,
    metric: Metric,
    table: Table,
    arm: int,
    days: Sequence[int],
    plan: Plan,
    found: effects.Effect,
    adjusted: bool,
) -> Line:
    """All figures as of the look that counts."""
    reading = read(plan, found, alpha=ALPHA / (len(experiment.cells) - 1))
    ends = zip(plan.rows, reading.low, reading.high, strict=True)
    points = [Point(days[row], float(found.estimate[row]), low, high) for row, low, high in ends]
    now = None if reading.at is None else points[reading.at]
    row = None if reading.at is None else plan.rows[reading.at]
    then = None if row is None else _at(found, row)
    return Line(
        metric=metric.key,
        cell=experiment.cells[arm].key,
        control=None if row is None else level_of(metric, table, 0, row),
        value=None if row is None else level_of(metric, table, arm, row),
        now=now,
        p=reading.p,
        adjusted=adjusted,
        state="early" if not plan.rows else _state(metric, table, arm, now),
        points=tuple(one for one in points if math.isfinite(one.low)),
        chance=_chance(metric, then) if then else None,
        detectable=_detectable(experiment, then) if then else None,
    )


def _chance(metric: Metric, now: effects.Effect) -> float | None:
    _, win, _ = effects.bayesian(now)
    if not math.isfinite(float(win)):
        return None
    return float(win) if metric.better == "up" else 1 - float(win)


def _detectable(experiment: Experiment, now: effects.Effect) -> float:
    planned = float(now.error) * math.sqrt(float(now.n) / experiment.planned_units)
    return float(checks.detectable(planned))


def _corrected(lines: list[Line]) -> tuple[Line, ...]:
    told = [line.p for line in lines if line.p is not None]
    q = iter(checks.adjusted(told, "bh").tolist() if told else ())
    return tuple(line if line.p is None else replace(line, q=next(q)) for line in lines)


def _guard(experiment: Experiment, guardrail: Guardrail, table: Table, arm: int) -> Guard:
    alpha = ALPHA / (len(experiment.guardrails) * (len(experiment.cells) - 1))
    rho = effects.best_rho(experiment.planned_units, alpha=2 * alpha)  # one side of an interval is asked
    state: GuardState = "nothing"
    if len(table.n):
        found, _ = relative_effect(METRICS[guardrail.metric], table, arm)
        if not _enough(table, arm):
            state = "early"
        elif math.isfinite(float(found.estimate[-1])):
            state = "breached" if bool(breached(found, guardrail, rho=rho, alpha=alpha)[-1]) else "holds"
    cell = experiment.cells[arm].key
    return Guard(metric=guardrail.metric, cell=cell, worse=guardrail.worse, margin=guardrail.margin, state=state)


def relative_effect(metric: Metric, table: Table, arm: int) -> tuple[effects.Effect, bool]:
    """The relative effect up to each day, and whether the past was used for it."""
    if not len(table.n):
        return effects.Effect(*(np.zeros(0),) * 4), False
    if isinstance(table, Clustered):
        return effects.effect(
            _quantile(metric, table, 0), _quantile(metric, table, arm), relative=True, cautious=True
        ), False
    control, treatment = _of(table, 0), _of(table, arm)
    adjusted = _has_past(metric, control) and _has_past(metric, treatment)
    if metric.bottom:
        arms = (
            effects.cuped_arms(control, treatment, ratio=True)
            if adjusted
            else (effects.ratio_arm(control), effects.ratio_arm(treatment))
        )
    elif adjusted:
        arms = effects.cuped_arms(_part(control, (0, 2)), _part(treatment, (0, 2)))
    else:
        arms = effects.mean_arm(control), effects.mean_arm(treatment)
    return effects.effect(*arms, relative=True, cautious=True), adjusted


def _quantile(metric: Metric, table: Clustered, arm: int) -> effects.Arm:
    """Without a variance where it is nothing, of which no share can be told."""
    quantile = metric.quantile
    assert quantile is not None  # its table says so
    columns = (one[:, arm] for one in (table.n, table.counts, table.joint, table.squares))
    found = quantile_arm(Clustered(table.low, table.high, *columns), quantile)
    some = found.mean >= ZERO_BELOW
    return effects.plain_arm(found.mean, np.where(some, found.variance, np.nan), found.n)


def _has_past(metric: Metric, moments: Moments) -> bool:
    total, count = moments.total[-1], moments.n[-1]
    return bool(count > 1 and total[2] > 0 and (total[3] > 0 or not metric.bottom))


def _of(table: Moments, arm: int) -> Moments:
    return Moments(table.n[:, arm], table.total[:, arm], table.cross[:, arm])


def _part(moments: Moments, at: tuple[int, ...]) -> Moments:
    return Moments(moments.n, moments.total[..., at], moments.cross[..., at, :][..., at])


def level_of(metric: Metric, table: Table, arm: int, row: int = -1) -> float | None:
    """A metric of an arm up to a day, in its unit; nothing where there is none."""
    if not len(table.n):
        return None
    if isinstance(table, Clustered):
        level = float(_quantile(metric, table, arm).mean[row])
        return None if math.isnan(level) else level * metric.scale if level >= ZERO_BELOW else 0.0
    top, bottom = table.total[row, arm, :2]
    return float(top / bottom * metric.scale) if bottom > 0 else None


def _enough(table: Table, arm: int) -> bool:
    counts: Floats = table.n[-1]
    return bool(min(counts[0], counts[arm]) >= FIRST_LOOK)


def _state(metric: Metric, table: Table, arm: int, now: Point | None) -> State:
    if now is None:
        return "nothing"
    if not _enough(table, arm):
        return "early"
    if now.low <= 0 <= now.high:
        return "unsure"
    return "better" if (now.low > 0) == (metric.better == "up") else "worse"


def _verdict(
    experiment: Experiment,
    arms: tuple[Arm, ...],
    ratio: float | None,
    lines: tuple[Line, ...],
    guards: tuple[Guard, ...],
    plan: Plan | None,
) -> tuple[Decided, str]:
    """What to make of it, in plain words."""
    broken = [one for one in guards if one.state == "breached"]
    if broken:
        one = broken[0]
        return "stopped", f"{one.cell} harms: {METRICS[one.metric].says} is surely {_past_margin(one)}."
    if not sum(one.viewers for one in arms):
        return "nothing", "Nobody has been exposed yet."
    if ratio is not None and ratio < MISMATCH:
        return "mismatch", UNEVEN
    if plan is not None and not plan.rows:
        here, needed = sum(one.viewers for one in arms), plan.looks[0].units
        return (
            "early",
            f"Too early: the first look is planned for {needed} viewers and the end of a day; {here} came.",
        )
    first = [line for line in lines if line.metric == measured(experiment)[0].key]
    if not first or all(line.state == "nothing" for line in first):
        return "nothing", "Viewers were exposed, and nothing that decides has been measured of them yet."
    if any(line.state == "early" for line in first):
        fewest = min(one.viewers for one in arms)
        return (
            "early",
            f"Too early: the smallest arm has {fewest} of the {FIRST_LOOK} viewers that a first look needs.",
        )
    best = max(first, key=lambda line: (line.state == "better", line.state == "worse"))
    assert best.now is not None  # its state says so
    said = f"{METRICS[best.metric].says}: {_percent(best.now.low)} to {_percent(best.now.high)}"
    if best.state == "better":
        return "better", f"{best.cell} is better ({said})."
    if best.state == "worse":
        return "worse", f"{best.cell} is worse ({said})."
    if plan is not None and plan.ended:
        return "unsure", f"No difference was found, and no look is left ({said})."
    return "unsure", f"No difference is sure yet ({said})."


def _past_margin(guard: Guard) -> str:
    change = "up" if guard.worse == "up" else "down"
    return f"{change} by more than {guard.margin:.1%}" if guard.margin else change


def _percent(share: float) -> str:
    return f"{share * 100:+.1f} %".replace("-", "−")
