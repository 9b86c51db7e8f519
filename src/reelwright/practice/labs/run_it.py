"""Run it: a candidate's numbers through the simulation that production's own decisions are measured in.

Each simulation asks for a few numbers of the design and for estimates; what is measured meets the estimates, and the
largest gap is asked about. It answers at once: spans and crowds are scaled down where the figure is a rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from reelwright.events.core.frame import frame
from reelwright.kernel.errors import Invalid
from reelwright.kernel.simulation import Simulation
from reelwright.limits.contract import Limit
from reelwright.limits.replay import MS, Faults, S, fullest_window, leases

SEED = 7
FSYNC_MS = 4.0
"""How long a disk takes to make a commit durable, in the simulation of the pipeline."""
MOST_EVENTS, TRIALS = 40_000, 400


class Field(msgspec.Struct, frozen=True):
    """A number that is asked for, and within which bounds it makes sense."""

    key: str
    asks: str
    least: float
    most: float
    floor: float = 0.0
    """Differences below it are none: shares are compared from a hundredth on."""

    @property
    def bounds(self) -> str:
        """In words, as a form says them."""
        return f"{say(self.least)} to {say(self.most)}"


class Simulated(msgspec.Struct, frozen=True):
    """A design that can be run."""

    id: str
    says: str
    design: tuple[Field, ...]
    estimates: tuple[Field, ...]
    run: Callable[[Mapping[str, float]], dict[str, float]]
    """Measured figures by the keys of the estimates."""
    left_out: Mapping[str, str]
    """Where an estimate is off, what it may have left out."""


class Gap(msgspec.Struct, frozen=True):
    """An estimate and what was measured."""

    key: str
    asks: str
    estimated: float
    measured: float
    floor: float = 0.0

    @property
    def times(self) -> float:
        """By which factor they differ, at least 1; infinite where one of them is none."""
        low, high = sorted(abs(one) + self.floor for one in (self.estimated, self.measured))
        return 1.0 if high == 0 else math.inf if low == 0 else high / low

    @property
    def apart(self) -> str:
        """In words."""
        if math.isinf(self.times):
            return "one is 0"
        return f"{self.times:.1f} times" if self.times < 10 else f"{say(self.times)} times"


class WrongNumbers(Invalid):
    """Numbers that are none or out of bounds; `by_key` says of each field what fits."""

    def __init__(self, asks: Mapping[str, str], by_key: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{asks[key]}: {said}" for key, said in by_key.items()))
        self.by_key = by_key


def say(value: float) -> str:
    """A figure in four digits, without an exponent; what lies this close to 0 is rounding."""
    if abs(value) >= 1e9:
        return f"{say(value / 1e9)} billion"
    return format(Decimal(f"{value:.4g}"), ",f") if abs(value) > 1e-9 else "0"


def read_numbers(simulated: Simulated, form: Mapping[str, str]) -> dict[str, float]:
    """Every number of a form. Raises WrongNumbers with all that is wrong."""
    numbers, wrong = {}, {}
    fields = (*simulated.design, *simulated.estimates)
    for field in fields:
        text = form.get(field.key, "").strip()
        try:
            value = float(text.replace(",", "").replace(" ", ""))
        except ValueError:
            value = math.nan
        if not field.least <= value <= field.most:  # NaN is within no bounds
            wrong[field.key] = f"a number from {field.bounds}; got {text[:20] or 'nothing'}"
        numbers[field.key] = value
    if wrong:
        raise WrongNumbers({one.key: one.asks for one in fields}, wrong)
    return numbers


def run_it(simulated: Simulated, numbers: Mapping[str, float]) -> tuple[Gap, ...]:
    """Each estimate beside what was measured, the largest gap first. Deterministic."""
    measured = simulated.run(numbers)
    gaps = [Gap(one.key, one.asks, numbers[one.key], measured[one.key], one.floor) for one in simulated.estimates]
    return tuple(sorted(gaps, key=lambda gap: -gap.times))


def follow_up(simulated: Simulated, gaps: tuple[Gap, ...]) -> str:
    """The interviewer's question on the largest gap."""
    worst = gaps[0]
    if worst.times < 1.2:
        return "Every estimate is within a fifth of what was measured. Which number would you doubt first, and why?"
    return (
        f"{worst.asks}: you estimated {say(worst.estimated)}, and it was {say(worst.measured)} ({worst.apart}). "
        f"What did the estimate leave out? {simulated.left_out[worst.key]}"
    )


# --- the limiter: limits.replay --------------------------------------------------------------------------------


def _run_limiter(numbers: Mapping[str, float]) -> dict[str, float]:
    """Leases of a few of the nodes on a share of the limit; rates are the same, the crowd is smaller."""
    nodes = min(5, int(numbers["nodes"]))
    scale = nodes / numbers["nodes"] * min(1.0, 2000 / max(1.0, numbers["asked_a_s"] * nodes / numbers["nodes"]))
    limit_a_s, asked_a_s = numbers["limit_a_s"] * scale, numbers["asked_a_s"] * scale
    limit = Limit(
        name="run it", count=max(1, round(limit_a_s)), period_ns=S, burst=max(1, round(numbers["burst"] * scale))
    )
    hold_ns, span_ns = round(numbers["lease_ms"] * MS), 8 * S
    run = leases(
        limit, seed=SEED, nodes=nodes, hold_ns=hold_ns, span_ns=span_ns, offered_a_s=max(0.5, asked_a_s / nodes),
        faults=Faults(lost=0.01, doubled=0.01, slowest_ns=20 * MS, partition=nodes > 1),
    )  # fmt: skip
    asked = max(1.0, max(0.5, asked_a_s / nodes) * nodes * span_ns / S)
    possible = min(asked, limit.count * span_ns / S + limit.most)
    return {
        "calls_share": sum(run.calls) / asked,
        "over_share": max(0.0, fullest_window(run.spent, S) / (limit.count + limit.most) - 1),
        "unused_share": max(0.0, 1 - len(run.spent) / possible),
    }


LIMITER = Simulated(
    id="limiter",
    says="Nodes that spend one limit by leases, with one message in a hundred lost and one node cut off for a while.",
    design=(
        Field("nodes", "Nodes in front of the API", 1, 10_000),
        Field("asked_a_s", "Requests a second for one key at peak", 1, 1e8),
        Field("limit_a_s", "Limit of that key, a second", 1, 1e8),
        Field("burst", "Burst of that key", 1, 1e8),
        Field("lease_ms", "How long a slice holds, ms", 10, 4_000),
    ),
    estimates=(
        Field("calls_share", "Calls to the store for each request", 0, 10, 0.01),
        Field("over_share", "Share by which the fullest second passes limit and burst", 0, 100, 0.01),
        Field("unused_share", "Share of the limit that goes unused", 0, 1, 0.01),
    ),
    run=_run_limiter,
    left_out={
        "calls_share": "A node that holds nothing asks again at most twice in the time of a slice, whoever waits.",
        "over_share": "Tokens taken ahead in one second may be spent in the next.",
        "unused_share": "Slices end, answers are lost, and a node cut off spends nothing.",
    },
)


# --- the pipeline: framing of events.core and a group commit ---------------------------------------------------


def _run_pipeline(numbers: Mapping[str, float]) -> dict[str, float]:
    """Arrivals into a group commit: one that is on its way takes with it the next time whatever has come."""
    scale = min(1.0, 2_000 / numbers["events_a_s"])
    world, chance = Simulation(SEED), Random(SEED)  # noqa: S311 (repeatable, not secret)
    waiting: list[int] = []
    waits: list[int] = []
    commits = count = 0
    busy = False

    def arrive() -> None:
        nonlocal count
        count += 1
        waiting.append(world.now_ns)
        if count < MOST_EVENTS and world.now_ns < 10 * S:
            world.at(round(chance.expovariate(numbers["events_a_s"] * scale) * S), arrive)
        if not busy:
            begin()

    def begin() -> None:
        nonlocal busy
        busy = True
        world.at(round(numbers["linger_ms"] * MS), commit)

    def commit() -> None:
        nonlocal commits
        commits += 1
        taken, waiting[:] = waiting[:], []
        world.at(round(FSYNC_MS * chance.uniform(0.6, 2.5) * MS), lambda: done(taken))

    def done(taken: list[int]) -> None:
        nonlocal busy
        waits.extend(world.now_ns - at for at in taken)
        busy = False
        if waiting:
            begin()

    world.at(0, arrive)
    world.run(11 * S)
    framed = len(frame(b"x" * int(numbers["event_bytes"]))) * numbers["copies"]
    return {
        "ack_p99_ms": sorted(waits)[int(0.99 * (len(waits) - 1))] / MS,
        "gb_a_day": numbers["events_a_s"] * 86_400 * framed / 1e9,
        "commits_a_s": commits / min(10.0, world.now_ns / S),
    }


PIPELINE = Simulated(
    id="pipeline",
    says="Events framed as the service frames them, acknowledged once a group commit is durable (4 ms or so).",
    design=(
        Field("events_a_s", "Events a second at one collector", 1, 1e7),
        Field("event_bytes", "Bytes an event", 1, 100_000),
        Field("linger_ms", "How long a commit waits for company, ms", 0, 1_000),
        Field("copies", "Copies kept", 1, 10),
    ),
    estimates=(
        Field("ack_p99_ms", "Acknowledgement, 99th percentile, ms", 0, 1e6),
        Field("gb_a_day", "GB a day on disk, all copies", 0, 1e9),
        Field("commits_a_s", "Disk syncs a second", 0, 1e7),
    ),
    run=_run_pipeline,
    left_out={
        "ack_p99_ms": "Whoever comes just after a commit has begun waits for that one and for their own.",
        "gb_a_day": "A day has 86,400 seconds, every copy counts, and each event has a head of its own.",
        "commits_a_s": "While a sync is under way all who come wait for the next one: there are never more than fit.",
    },
)


# --- experiments: the analysis that scorecards use --------------------------------------------------------------


def _run_experiment(numbers: Mapping[str, float]) -> dict[str, float]:
    """Many experiments with the effect, and many without, read as planned."""
    import numpy as np

    from reelwright.experiments.core.analysis.checks import sample_size
    from reelwright.experiments.core.analysis.looks import always

    rate, effect = numbers["base_share"], numbers["base_share"] * numbers["effect_share"]
    days, looks = max(1, int(numbers["days"])), max(1, min(int(numbers["looks"]), int(numbers["days"])))
    arm = max(2, int(numbers["users_a_day"] * days / 2))
    needed = float(sample_size(effect, rate * (1 - rate)))
    rng = np.random.default_rng(SEED)
    times = np.arange(1, looks + 1) / looks
    bound = always(times) if looks > 1 else np.array([1.96])
    error = math.sqrt(2 * rate * (1 - rate) / arm)
    steps = rng.normal(0.0, 1.0, (TRIALS, looks)) * math.sqrt(1 / looks)
    walk = np.cumsum(steps, axis=1)

    def found(drift: float, critical: Any) -> float:
        z = (walk + drift * times) / np.sqrt(times)
        return float((np.abs(z) > critical).any(axis=1).mean())

    return {
        "users_needed": 2 * needed,
        "power": found(effect / error, bound),
        "naive_false_share": found(0.0, np.full(looks, 1.96)),
    }


EXPERIMENT = Simulated(
    id="experiment",
    says="400 experiments with your effect and 400 without, read with the bounds that scorecards use.",
    design=(
        Field("users_a_day", "New users a day in the test, both arms", 1, 1e9),
        Field("base_share", "Share of users who do it today", 0.0001, 0.9),
        Field("effect_share", "Relative change to be found", 0.0001, 1),
        Field("days", "Days", 1, 365),
        Field("looks", "Looks in that time", 1, 365),
    ),
    estimates=(
        Field("users_needed", "Users needed in both arms for 80 % power", 0, 1e13),
        Field("power", "Chance to find the change", 0, 1, 0.01),
        Field(
            "naive_false_share", "Share of tests without effect that some look calls significant at 1.96", 0, 1, 0.01
        ),
    ),
    run=_run_experiment,
    left_out={
        "users_needed": "It goes with the variance, and with one over the effect squared: absolute, not relative.",
        "power": "Looks cost some of it, and users a day times days is what you have.",
        "naive_false_share": "Each look is another chance to be wrong; they are not independent, and they add up.",
    },
)
