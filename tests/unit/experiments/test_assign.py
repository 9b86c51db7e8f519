"""Assignment: exclusion within a layer, independence between layers, and nobody moved by what happens elsewhere."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reelwright.experiments.contract import (
    BUCKETS,
    BadConfiguration,
    Cell,
    Clause,
    Condition,
    Configuration,
    Domain,
    Every,
    Experiment,
    Holdout,
    InSegment,
    Layer,
    Not,
    Prerequisite,
    RampStep,
    Ranges,
    Reason,
    Segment,
    Some,
)
from reelwright.experiments.core.assign import assign, assign_layer
from reelwright.experiments.core.buckets import resize
from reelwright.experiments.core.hashing import unit_hash
from reelwright.experiments.core.lifecycle import sized
from reelwright.experiments.core.snapshot import Snapshot, next_step_ms

HALVES = (Cell(key="control", weight=0.5), Cell(key="test", weight=0.5, parameters={"p": 1}))
UNITS = [f"profile-{number}" for number in range(600)]


def experiment(key: str, buckets: Ranges = ((0, BUCKETS),), layer: str = "home", **more: Any) -> Experiment:
    """A running experiment of two halves that holds all buckets."""
    return Experiment(**{"key": key, "layer": layer, "cells": HALVES, "buckets": buckets, "state": "running", **more})


def snapshot(*experiments: Experiment, now_ms: int = 0, **more: Any) -> Snapshot:
    """Two layers and these experiments, compiled."""
    layers = (Layer(key="home", parameters={"p": 0}), Layer(key="player", parameters={"q": 0}))
    return Snapshot(Configuration(**{"layers": layers, "experiments": experiments, **more}), now_ms=now_ms)


def cells(taken: Snapshot, units: list[str] = UNITS, **more: Any) -> dict[str, dict[str, str | None]]:
    """Each unit's cell in each experiment."""
    return {unit: {one.experiment: one.cell for one in assign(taken, {"profile": unit, **more})} for unit in units}


def problems(*experiments: Experiment, **more: Any) -> str:
    """What is said against this configuration."""
    with pytest.raises(BadConfiguration) as raised:
        snapshot(*experiments, **more)
    return str(raised.value)


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=5))
@settings(max_examples=20, deadline=None)
def test_a_unit_is_in_at_most_one_experiment_of_a_layer(sizes: list[int]) -> None:
    """Whatever the sizes, as long as they fit."""
    held: list[Ranges] = []
    for size in sizes:
        free = BUCKETS - sum(end - start for ranges in held for start, end in ranges)
        held.append(resize((), held, min(size, free)))
    taken = snapshot(*(experiment(f"e{at}", ranges) for at, ranges in enumerate(held)))
    for found in cells(taken, UNITS[:100]).values():
        assert sum(cell is not None for cell in found.values()) <= 1


@given(st.integers(0, 4000), st.integers(0, 4000))
@settings(max_examples=20, deadline=None)
def test_resizing_moves_only_whoever_is_freed_or_taken(before: int, after: int) -> None:
    """Neighbours keep everybody; within the experiment whoever stays keeps the cell."""
    neighbour, own = ((4000, 6000),), resize((), [((4000, 6000),)], before)
    resized = resize(own, [neighbour], after)
    first = cells(snapshot(experiment("a", neighbour), experiment("b", own)), UNITS[:200])
    second = cells(snapshot(experiment("a", neighbour), experiment("b", resized)), UNITS[:200])
    for unit in UNITS[:200]:
        assert first[unit]["a"] == second[unit]["a"]
        was, now = first[unit]["b"], second[unit]["b"]
        assert was == now or (now is None and after < before) or (was is None and after > before)


def test_stopping_and_starting_moves_nobody_elsewhere() -> None:
    """Neither in the same layer nor in another."""
    a, b, c = experiment("a", ((0, 4000),)), experiment("b", ((4000, 9000),)), experiment("c", layer="player", cells=(
        Cell(key="control", weight=0.5), Cell(key="test", weight=0.5)))  # fmt: skip
    first, second = cells(snapshot(a, b, c)), cells(snapshot(replace(a, state="stopped"), b, c))
    assert all(first[unit][key] == second[unit][key] for unit in UNITS for key in ("b", "c"))
    assert any(first[unit]["a"] for unit in UNITS) and "a" not in second[UNITS[0]]


def test_layers_are_independent() -> None:
    """The joint counts of two layers are the product of theirs, within five deviations."""
    taken = snapshot(experiment("a"), experiment("c", layer="player", cells=(
        Cell(key="control", weight=0.5), Cell(key="test", weight=0.5))))  # fmt: skip
    found = cells(taken, [str(number) for number in range(2000)])
    both = sum(one["a"] == "test" and one["c"] == "test" for one in found.values())
    assert abs(both - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5


def test_many_units_at_once_are_decided_as_one() -> None:
    """The pass over users and the pass over experiments are one arithmetic, domains and holdouts included."""
    layers = (
        Layer(key="home", parameters={"p": 0}),
        Layer(key="inner", domain="d"),
        Layer(key="deep", domain="e", unit="household"),
    )
    three = tuple(Cell(key=str(number), weight=weight) for number, weight in enumerate((0.2, 0.3, 0.5)))
    taken = snapshot(
        experiment("a", ((0, 3000),)),
        experiment("b", ((100, 9000),), layer="inner", cells=three),
        experiment("c", layer="deep", cells=three),
        layers=layers,
        domains=(
            Domain(key="d", layer="home", buckets=((5000, 9000),)),
            Domain(key="e", layer="inner", buckets=((9000, 9900),)),
        ),
        holdouts=(Holdout(key="h", share=0.1), Holdout(key="i", share=0.2, layers=("inner",))),
    )  # fmt: skip
    hashes = {
        "profile": np.array([unit_hash(unit) for unit in UNITS], dtype=np.uint64),
        "household": np.array([unit_hash(f"h{unit}") for unit in UNITS], dtype=np.uint64),
    }
    many = [assign_layer(taken, layer, hashes) for layer in range(3)]
    seen: set[Reason] = set()
    for row, unit in enumerate(UNITS):
        one = assign(taken, {"profile": unit, "household": f"h{unit}"})
        seen |= {Reason(int(reason)) for reason in one.reasons}
        for at, (layer, cell) in enumerate(zip(taken.layer_of, one.cells, strict=True)):
            owner, expected = many[int(layer)][0][row], many[int(layer)][1][row]
            assert (expected if owner == at else -1) == cell
    assert seen == {Reason.OUTSIDE, Reason.SPLIT, Reason.DOMAIN, Reason.HOLDOUT}


def test_a_holdout_sees_no_experiment() -> None:
    """A unit of the global holdout is in none; about the wanted share is."""
    taken = snapshot(experiment("a"), holdouts=(Holdout(key="h", share=0.2),))
    held = [unit for unit in UNITS if assign(taken, {"profile": unit})["a"].reason is Reason.HOLDOUT]
    assert all(assign(taken, {"profile": unit})["a"].cell is None for unit in held)
    assert abs(len(held) - 120) < 5 * (600 * 0.2 * 0.8) ** 0.5


def test_a_ramp_only_adds() -> None:
    """Whoever takes part at one step takes part at every later one, in the same cell."""
    steps = (RampStep(at_ms=10, share=0.1), RampStep(at_ms=20, share=0.5), RampStep(at_ms=30, share=1.0))
    one = experiment("a", ((0, 8000),), ramp=steps)
    found = [cells(snapshot(one, now_ms=moment)) for moment in (0, 10, 20, 30)]
    counts = [sum(row["a"] is not None for row in step.values()) for step in found]
    assert counts[0] == 0 < counts[1] < counts[2] < counts[3]
    for earlier, later in itertools.pairwise(found):
        assert all(earlier[unit]["a"] in (None, later[unit]["a"]) for unit in UNITS)
    assert next_step_ms(Configuration(experiments=(one,)), now_ms=10) == 20


def test_sticky_units_keep_their_cell_and_their_layer_stays_exclusive() -> None:
    """After the buckets went to another experiment, the old unit is still in one only."""
    taken = snapshot(experiment("old", ((0, 1),), sticky=True), experiment("new", ((1, BUCKETS),)))
    unit = next(unit for unit in UNITS if assign(taken, {"profile": unit})["new"].cell)
    kept = assign(taken, {"profile": unit}, sticky={"old": "test"})
    assert (kept["old"].cell, kept["old"].reason) == ("test", Reason.STICKY)
    assert kept["new"].cell is None
    assert assign(taken, {"profile": unit}, sticky={"new": "test"})["new"].reason is Reason.SPLIT


def test_a_tester_gets_the_forced_cell_and_does_not_count() -> None:
    """By the experiment's list or by the call, whatever the targeting says."""
    never = Clause("country", "in", ("nowhere",))
    taken = snapshot(experiment("a", targeting=never, forced={"me": "test"}))
    found = assign(taken, {"profile": "me"})["a"]
    assert (found.cell, found.reason, found.counts) == ("test", Reason.FORCED, False)
    assert assign(taken, {"profile": "you"}, forced={"a": "control"})["a"].cell == "control"
    assert assign(taken, {"profile": "you"})["a"].reason is Reason.TARGETING


def test_prerequisites_are_decided_first() -> None:
    """Only units in the wanted cell of the other experiment take part, in whatever order they are written."""
    needs = experiment("a", prerequisites=(Prerequisite(experiment="z", cells=("test",)),))
    other = experiment("z", layer="player", cells=(Cell(key="control", weight=0.5), Cell(key="test", weight=0.5)))
    found = cells(snapshot(needs, other))
    assert all((row["a"] is not None) == (row["z"] == "test") for row in found.values())


def test_experiments_override_launches_which_override_defaults() -> None:
    """Each parameter has the nearest value."""
    layers = (
        Layer(key="home", parameters={"p": "default", "q": "default"}),
        Layer(key="roll-out", launch=True, parameters={"p": "launch", "q": "launch"}),
    )
    launched = experiment("l", layer="roll-out", cells=(Cell(key="on", weight=1, parameters={"p": 7, "q": 7}),))
    tested = experiment("a", cells=(Cell(key="on", weight=1, parameters={"p": 8}),))
    assert assign(snapshot(launched, tested, layers=layers), {"profile": "x"}).parameters() == {"p": 8, "q": 7}
    assert assign(snapshot(layers=layers), {"profile": "x"}).parameters() == {"p": "launch", "q": "launch"}


@pytest.mark.parametrize("unit", [None, "", [], {"a": 1}])
def test_without_a_unit_there_is_no_assignment(unit: object) -> None:
    """Missing, empty and structured ids say so; nobody falls into a shared bucket."""
    assert assign(snapshot(experiment("a")), {"profile": unit})["a"].reason is Reason.NO_UNIT


@given(st.text(min_size=1))
def test_any_text_is_an_id(unit: str) -> None:
    """Unicode, also lone surrogates, and the same answer twice."""
    taken = snapshot(experiment("a"))
    assert assign(taken, {"profile": unit})["a"] == assign(taken, {"profile": unit})["a"]


COUNTRY = Clause("country", "in", ("DE", "US"))


@pytest.mark.parametrize(
    ("condition", "attributes", "holds"),
    [
        (COUNTRY, {"country": "DE"}, True),
        (COUNTRY, {}, False),
        (Not(COUNTRY), {}, True),
        (Clause("n", "in", (1,)), {"n": True}, False),
        (Clause("n", "in", (True,)), {"n": True}, True),
        (Clause("n", "in", (1,)), {"n": 1.0}, True),
        (Clause("tags", "in", ("a",)), {"tags": ["b", "a"]}, True),
        (Clause("age", "gte", (18,)), {"age": 18}, True),
        (Clause("age", "lt", (18,)), {"age": float("nan")}, False),
        (Clause("age", "gt", (1,)), {"age": "20"}, False),
        (Clause("v", "semver_gt", ("1.0.0-rc.2",)), {"v": "1.0.0-rc.10"}, True),
        (Clause("v", "semver_lt", ("1.0.0",)), {"v": "1.0.0-rc.10"}, True),
        (Clause("v", "semver_eq", ("1.0.0",)), {"v": "1.0.0+build"}, True),
        (Clause("v", "semver_gte", ("1.0.0",)), {"v": "one"}, False),
        (Clause("mail", "matches", (r"@example\.(com|org)$",)), {"mail": "a@example.org"}, True),
        (Clause("mail", "ends_with", (".org",)), {"mail": "a@example.com"}, False),
        (Clause("mail", "exists"), {"mail": None}, False),
        (Some(()), {}, False),
        (Every(()), {}, True),
        (Some((COUNTRY, Clause("age", "gt", (3,)))), {"age": 4}, True),
        (Every((COUNTRY, Not(Clause("age", "gt", (3,))))), {"age": 4, "country": "DE"}, False),
        (Not(Some((COUNTRY, Every((Clause("a", "exists"), Clause("b", "exists")))))), {"a": 1}, True),
        (InSegment("germans"), {"country": "DE"}, True),
    ],
)
def test_targeting(condition: Condition, attributes: dict[str, object], holds: bool) -> None:
    """Each operator with what is there, what is missing and what has another type."""
    germans = Segment(key="germans", condition=Clause("country", "in", ("DE",)))
    taken = snapshot(experiment("a", targeting=condition), segments=(germans,))
    assert (assign(taken, {"profile": "x", **attributes})["a"].reason is Reason.SPLIT) == holds


@pytest.mark.parametrize(
    "partly", [{"state": "canary", "canary_share": 0.2}, {"ramp": (RampStep(at_ms=0, share=0.2),)}]
)
def test_nobody_leaves_a_canary_or_ramp_that_is_given_more_of_its_layer(partly: dict[str, Any]) -> None:
    """The buckets that became free lie before its own; those that take part are still the first it was given."""
    small = snapshot(experiment("a", ((6000, 7000),), **partly)).configuration
    large = sized(small, "a", 0.4)
    before, after = (cells(Snapshot(one, now_ms=0)) for one in (small, large))
    joined = [unit for unit in UNITS if before[unit]["a"]]
    assert joined and all(after[unit] == before[unit] for unit in joined)
    assert sum(after[unit]["a"] is not None for unit in UNITS) > 2 * len(joined)
    assert sized(large, "a", 0.1).experiments == small.experiments


def test_a_catastrophic_pattern_is_harmless() -> None:
    """RE2 is linear, where a backtracking engine would need longer than the universe has existed."""
    taken = snapshot(experiment("a", targeting=Clause("t", "matches", ("^(a+)+$",))))
    assert assign(taken, {"profile": "x", "t": "a" * 50_000 + "!"})["a"].cell is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cells": (Cell(key="a", weight=0.5), Cell(key="b", weight=0.4))}, "weights add up to 1, these to 0.9"),
        ({"cells": (Cell(key="a", weight=float("nan")), Cell(key="b", weight=1))}, "finite"),
        ({"cells": (Cell(key="a", weight=0.5), Cell(key="a", weight=0.5))}, "two cells have one name"),
        ({"cells": ()}, "from 1 to 64 cells"),
        ({"cells": (Cell(key="a", weight=1, parameters={"q": 1}),)}, "'q' is not of layer 'home'"),
        ({"layer": "none"}, "no layer 'none'"),
        ({"buckets": ((5, 3),)}, "ranges that do not overlap"),
        ({"buckets": ((5, 9), (0, 6))}, "ranges that do not overlap"),
        ({"targeting": Clause("a", "matches", ("(",))}, "is not RE2"),
        ({"targeting": Clause("a", "matches", (r"(a)\1",))}, "is not RE2"),
        ({"targeting": Clause("a", "semver_gt", ("1.2",))}, "needs a version"),
        ({"targeting": Clause("a", "lt", (float("inf"),))}, "finite number"),
        ({"targeting": InSegment("nobody")}, "no segment 'nobody'"),
        ({"prerequisites": (Prerequisite(experiment="a"),)}, "circle: a → a"),
        ({"prerequisites": (Prerequisite(experiment="b"),)}, "no experiment 'b'"),
        ({"forced": {"me": "c"}}, "no cell 'c'"),
        ({"ramp": (RampStep(at_ms=2, share=1), RampStep(at_ms=1, share=1))}, "one after the other"),
    ],
)
def test_a_wrong_experiment_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    """What is wrong, and of which experiment."""
    said = problems(experiment("a", **change))
    assert (says in said and "'a'" in said) or "a → a" in said


def test_a_wrong_whole_is_refused() -> None:
    """Overcommitted layers, two owners of a parameter, circles; all problems at once."""
    assert "overcommitted: experiment 'a' and experiment 'b' both hold bucket 10" in problems(
        experiment("a", ((0, 20),)), experiment("b", ((10, 30),))
    )
    with pytest.raises(BadConfiguration, match="overcommitted: 2 more buckets wanted, 1 are free"):
        resize((), [((0, BUCKETS - 1),)], 2)
    two = (Layer(key="home", parameters={"p": 0}), Layer(key="player", parameters={"p": 0}))
    assert "parameter 'p' belongs to layer 'home'" in problems(layers=two)
    circle = (experiment("a", prerequisites=(Prerequisite(experiment="b"),)),
              experiment("b", (), prerequisites=(Prerequisite(experiment="a"),)))  # fmt: skip
    assert "a → b → a" in problems(replace(circle[0], buckets=()), circle[1])
    segments = (Segment(key="s", condition=InSegment("t")), Segment(key="t", condition=InSegment("s")))
    assert "s → t → s" in problems(segments=segments).replace("circle: t → s → t", "circle: s → t → s")
    within = (Layer(key="home", domain="d"),)
    assert "within itself" in problems(layers=within, domains=(Domain(key="d", layer="home", buckets=((0, 5),)),))
    many = problems(experiment("x", layer="none"), experiment("y", cells=()))
    assert "'x'" in many and "'y'" in many
