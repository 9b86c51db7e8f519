"""Lab: read twenty experiments day by day, of which some were planted to tempt, and say which to ship."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal

import msgspec

from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own

DAYS, LATEST_STOP, A_DAY = 14, 10, 2_000
SPREAD, STALLS, STALL_SPREAD = 30.0, 8.0, 6.0
MOST_WRONG = 1
Says = Literal["ship", "no_ship", "broken", "wait"]
Kind = Literal["nothing", "winner", "loser", "mismatch", "novelty", "ramp", "harm", "interference"]
PLANTED: Mapping[Kind, int] = {
    "nothing": 5, "winner": 4, "loser": 1, "mismatch": 3, "novelty": 2, "ramp": 2, "harm": 2, "interference": 1,
}  # fmt: skip
TRUTH: Mapping[Kind, Says] = {
    "nothing": "no_ship", "winner": "ship", "loser": "no_ship", "mismatch": "broken", "novelty": "no_ship",
    "ramp": "no_ship", "harm": "no_ship", "interference": "broken",
}  # fmt: skip
PLANT: Mapping[Kind, str] = {
    "nothing": "no effect, though a look in between seems to say so",
    "winner": "a true and lasting gain",
    "loser": "a loss from the first day",
    "mismatch": "viewers did not come by the weights",
    "novelty": "a gain of the first days only",
    "ramp": "no effect, but the share of the treatment grew on the days on which everybody watches more",
    "harm": "the metric is well and stalls rose",
    "interference": "the treatment takes from control: control fell below its level before as the share grew",
}
BRIEF = """\
Write `class Readout` with `decide(self, experiment)`. It is called after each day with what is known so far, until it
answers something other than `"wait"`: `"ship"`, `"no_ship"`, or `"broken"` where no figure can be believed. On the
last planned day `"wait"` is no answer.

`experiment` has `planned_days`, `before` (all viewers of the week before: `n`, `sum`, `squares` of minutes watched
a viewer and day) and `days`, each with `weight` (the share that was to get the treatment that day), `n`, `sum`,
`squares` (minutes watched) and `stalls`, `stall_squares` (seconds stalled, a guardrail that must not rise), each as
[control, treatment]. Some were planted: nothing at all with a tempting look in between, a sample that does not
match, an effect that is only new, a ramp on the days on which everybody watches more, a treatment that takes from
control.

It passes when of 20 experiments at most one is read wrongly, none is shipped that should not be, and what harms is
stopped by day 10.
"""


class Planted(msgspec.Struct, frozen=True):
    """An experiment and what it truly is."""

    kind: Kind
    data: dict[str, Any]


def judge(decider: Decider, seed: int) -> Judged:
    """Each experiment day by day against what was planted."""
    readout = Remote(decider, "readout", "Readout")
    wrong: list[tuple[int, Planted, str]] = []
    shipped = late = 0
    for number, one in enumerate(planted(seed), start=1):
        said, day = _read(readout, one)
        is_late = one.kind in ("loser", "harm") and said == "no_ship" and day > LATEST_STOP
        late += is_late
        if said != TRUTH[one.kind] or is_late:
            wrong.append((number, one, f"expected {TRUTH[one.kind]}, got {said} on day {day}"))
            shipped += said == "ship"
    passed = len(wrong) <= MOST_WRONG and not shipped and not late
    reason = picture = ""
    if not passed:
        number, one, told = max(wrong, key=lambda found: "got ship" in found[2])
        reason = f"{len(wrong)} of 20 read wrongly; experiment {number} ({PLANT[one.kind]}): {told}"
        picture = _draw(one)
    measures = {"wrong_readouts": float(len(wrong)), "false_ships": float(shipped), "late_stops": float(late)}
    return Judged(passed=passed, reason=reason, picture=picture, measures=measures)


def _read(readout: Remote, one: Planted) -> tuple[str, int]:
    """What was said, and on which day; later days are not told once it has spoken."""
    for day in range(1, DAYS + 1):
        said = readout.call("decide", {**one.data, "days": one.data["days"][:day]})
        if said not in ("ship", "no_ship", "broken", "wait"):
            raise Broken(f'decide says "ship", "no_ship", "broken" or "wait", got {str(said)[:80]}')
        if said != "wait":
            return str(said), day
    return "wait", DAYS


def planted(seed: int) -> list[Planted]:
    """Twenty experiments in random order, each drawn until its days show what was planted."""
    chance = Random(f"experiment-readout|{seed}")  # noqa: S311 (repeatable, not secret)
    kinds = [kind for kind, count in PLANTED.items() for _ in range(count)]
    chance.shuffle(kinds)
    return [_plant(chance, kind) for kind in kinds]


def _plant(chance: Random, kind: Kind) -> Planted:
    while True:
        data = _draw_days(chance, kind)
        if _shows(kind, data["days"]):
            return Planted(kind, data)


def _draw_days(chance: Random, kind: Kind) -> dict[str, Any]:
    level, week = chance.uniform(50, 70), [chance.uniform(-4, 4) for _ in range(5)] + [14.0, 16.0]
    days = []
    for day in range(DAYS):
        lasting = {"winner": 1.4, "loser": -1.6, "harm": 0.3}.get(kind, 0.0)
        gain = 9.0 * math.exp(-day / 1.5) if kind == "novelty" else lasting
        weight = (0.8 if day % 7 > 4 else 0.2) if kind == "ramp" else min(0.5, 0.1 + 0.04 * day)
        weight = weight if kind in ("ramp", "interference") else 0.5
        taken = 12.0 * weight if kind == "interference" else 0.0
        lost = 0.95 if kind == "mismatch" else 1.0
        counts = _counts(chance, 2 * A_DAY, weight, lost)
        base = level + week[day % 7]
        means = (base - taken, base - taken + gain + (3.0 if kind == "interference" else 0.0))
        stalls = (STALLS, STALLS + (0.45 if kind == "harm" else 0.0))
        days.append(
            {
                "weight": weight, "n": counts,
                **_sums(chance, counts, means, SPREAD, "sum", "squares"),
                **_sums(chance, counts, stalls, STALL_SPREAD, "stalls", "stall_squares"),
            }
        )  # fmt: skip
    before = [_sums(chance, [2 * A_DAY], (level + one,), SPREAD, "sum", "squares") for one in week]
    told = {key: sum(one[key][0] for one in before) for key in ("sum", "squares")}
    return {"planned_days": DAYS, "before": {"n": 14 * A_DAY, **told}, "days": days}


def _counts(chance: Random, total: int, weight: float, lost: float) -> list[int]:
    treated = round(chance.gauss(total * weight, math.sqrt(total * weight * (1 - weight))))
    return [total - treated, round(treated * lost)]


def _sums(
    chance: Random, counts: Sequence[int], means: Sequence[float], spread: float, total: str, squares: str
) -> dict[str, list[float]]:
    sums = [chance.gauss(n * mean, spread * math.sqrt(n)) for n, mean in zip(counts, means, strict=True)]
    seconds = [one**2 / n + (n - 1) * spread**2 for n, one in zip(counts, sums, strict=True)]
    return {total: sums, squares: seconds}


def z_of(days: Sequence[Mapping[str, Any]], total: str = "sum", squares: str = "squares") -> float:
    """The difference within days, those weighted by their precision, over its standard error."""
    top = precision = 0.0
    for day in days:
        n, sums, seconds = day["n"], day[total], day[squares]
        means = [one / count for one, count in zip(sums, n, strict=True)]
        variance = sum((seconds[arm] / n[arm] - means[arm] ** 2) / n[arm] for arm in (0, 1))
        top += (means[1] - means[0]) / variance
        precision += 1 / variance
    return top / math.sqrt(precision)


def _pooled_z(days: Sequence[Mapping[str, Any]]) -> float:
    """What one gets who forgets the days."""
    return z_of([{key: [sum(day[key][arm] for day in days) for arm in (0, 1)] for key in ("n", "sum", "squares")}])


def always(day: int) -> float:
    """The bound that holds at every look (`experiments.core.analysis.looks.always` at alpha 5 %)."""
    return 2.2414 / math.sqrt(day / DAYS)


def _shows(kind: Kind, days: list[dict[str, Any]]) -> bool:
    """Whether chance has left visible what was planted; what it is does not depend on that."""
    paths = [z_of(days[: day + 1]) for day in range(DAYS)]
    inside = all(abs(z) < 0.9 * always(day) for day, z in enumerate(paths, start=1))
    stalls = [abs(z_of(days[: day + 1], "stalls", "stall_squares")) for day in range(DAYS)]
    quiet = kind == "harm" or all(z < 0.9 * always(day) for day, z in enumerate(stalls, start=1))
    unmatched = max(abs(_mismatch(days[: day + 1])) for day in range(DAYS))
    if not quiet or (kind != "mismatch" and unmatched > 3):
        return False
    if kind == "mismatch":
        return inside and abs(_mismatch(days)) > 5
    if kind == "interference":
        return min(paths) > -1.5
    if kind == "nothing":
        return inside and max(paths) > 2.1 and abs(paths[-1]) < 1.5
    if kind == "winner":
        return paths[-1] > 4 and z_of(days[7:]) > 3 and min(paths) > -1.5
    if kind == "loser":
        return paths[7] < -3.9
    if kind == "novelty":
        return max(paths) > 4 and abs(z_of(days[7:])) < 1
    if kind == "ramp":
        return inside and _pooled_z(days) > 4 and abs(paths[-1]) < 1.5
    return stalls[7] > 4.5


def _mismatch(days: Sequence[Mapping[str, Any]]) -> float:
    """How far the treatment's viewers are from what the weights meant, in standard errors."""
    meant = sum(sum(day["n"]) * day["weight"] for day in days)
    spread = math.sqrt(sum(sum(day["n"]) * day["weight"] * (1 - day["weight"]) for day in days))
    return float((sum(day["n"][1] for day in days) - meant) / spread)


def _draw(one: Planted) -> str:
    """The standardised difference after each day, and the bounds that hold at every look."""
    days = one.data["days"]
    path = [z_of(days[: day + 1]) for day in range(DAYS)]

    def place(day: int, z: float) -> str:
        return f"{20 + 40 * day} {100 - 9 * max(-10.0, min(10.0, z)):.1f}"

    def line(css: str, values: Sequence[float]) -> str:
        return f'<path class="{css}" d="M' + "L".join(place(day, z) for day, z in enumerate(values)) + '"/>'

    bound = [always(day) for day in range(1, DAYS + 1)]
    return picture(
        f"{PLANT[one.kind]}: the difference in standard errors after each day, and the bounds that hold at every "
        "look",
        f"{line('axis', bound)}{line('axis', [-one for one in bound])}{line('line', path)}"
        '<path class="axis" d="M20 100H580"/>',
        height=200,
        across=f"{DAYS} days",
        up="standard errors, 10 above and below none",
        key={"line": "difference", "axis": "bounds at every look, and none"},
    )


class Ours:
    """The scorecard's own parts: sample ratio, effects by day, bounds for every look."""

    def decide(self, experiment: Mapping[str, Any]) -> Says:
        """Believe first, then harm, then gain, and a gain only where it lasts."""
        import numpy as np

        from reelwright.experiments.core.analysis.checks import sample_ratio
        from reelwright.experiments.core.analysis.looks import always as bound

        days = experiment["days"]
        came = np.sum([day["n"] for day in days], axis=0)
        meant = np.sum([sum(day["n"]) * np.array([1 - day["weight"], day["weight"]]) for day in days], axis=0)
        if float(sample_ratio(came, meant)) < 1e-4:
            return "broken"
        at, last = len(days), len(days) == experiment["planned_days"]
        critical = float(bound([at / experiment["planned_days"]])[0])
        if z_of(days) < -critical or z_of(days, "stalls", "stall_squares") > critical:
            return "no_ship"
        if not last:
            return "wait"
        if self._control_fell(experiment):
            return "broken"
        return "ship" if z_of(days) > critical and z_of(days[len(days) // 2 :]) > 1.96 else "no_ship"

    def _control_fell(self, experiment: Mapping[str, Any]) -> bool:
        """Whether control is far below everybody's level of the week before, over whole weeks."""
        before = experiment["before"]
        week = experiment["days"][-7:]
        control = sum(day["sum"][0] / day["n"][0] for day in week) / len(week)
        return bool(control < 0.97 * before["sum"] / before["n"])


class Peeker(Ours):
    """The textbook's z-test, looked at every day."""

    def decide(self, experiment: Mapping[str, Any]) -> Says:
        """Ship as soon as p < 0.05."""
        z = _pooled_z(experiment["days"])
        if abs(z) > 1.96:
            return "ship" if z > 0 else "no_ship"
        return "wait" if len(experiment["days"]) < experiment["planned_days"] else "no_ship"


class FixedHorizon(Peeker):
    """The textbook's z-test at the planned end, on all days together."""

    def decide(self, experiment: Mapping[str, Any]) -> Says:
        """Wait, then ship at p < 0.05."""
        if len(experiment["days"]) < experiment["planned_days"]:
            return "wait"
        return "ship" if _pooled_z(experiment["days"]) > 1.96 else "no_ship"


def _policy(kind: Callable[[], Any]) -> Callable[[], Decider]:
    return lambda: own(Readout=kind)


LAB = Lab(
    id="experiment-readout",
    title="Twenty experiments, of which some lie",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(Ours),
        "textbook, a look every day": _policy(Peeker),
        "textbook, one look at the end": _policy(FixedHorizon),
    },
    predicts=Prediction(
        asks="How many of 20 does somebody read wrongly who looks every day and ships at p < 0.05?",
        measure="wrong_readouts",
        policy="textbook, a look every day",
    ),
    shows=(("correctness", 5), ("domain", 5), ("judgment", 4)),
)
