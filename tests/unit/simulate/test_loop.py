"""The closed loop gives the same figures for the same seed, and what happens in it reaches the scorecards."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from reelwright.app.cli import command_tree
from reelwright.experiments.core.snapshot import Snapshot
from reelwright.kernel.errors import NotFound
from reelwright.simulate.core.designs import canaries, cuped_differences, interleave
from reelwright.simulate.core.loop import FAILED_MS, FILL_MS, SINCE_MS, World, _begun, run, sparse
from reelwright.simulate.core.scenarios import QUIET, RANKERS, Fault, Harm, Scenario

SMALL = msgspec.structs.replace(QUIET, viewers=40, days=2, titles=20)


def test_the_same_seed_gives_the_same_figures() -> None:
    """To the byte; another seed gives others."""
    first, second = run(SMALL), run(SMALL)
    assert msgspec.json.encode(first.cards) == msgspec.json.encode(second.cards) and first.plays > 20
    other = run(msgspec.structs.replace(SMALL, seed=SMALL.seed + 1))
    assert msgspec.json.encode(other.cards) != msgspec.json.encode(first.cards)


def test_whoever_watches_is_exposed_in_the_cell_that_they_are_assigned() -> None:
    """Once; and the scorecards count exactly them."""
    world = World(SMALL)
    snapshot = Snapshot(_begun(SMALL), now_ms=SINCE_MS)
    world.assign(snapshot)
    told = list(world.run(SINCE_MS, 1))
    watched = {one.profile_id for one in told if one.event.type == "play"}
    for key in ("player-start", "edge-order", "ladder-rungs"):
        assert set(world.exposed[key]) == watched
        cells = [one.key for one in next(one for one in snapshot.experiments if one.key == key).cells]
        assert all(cells[place] == world._cells[who][key] for who, (place, _) in world.exposed[key].items())
    card = next(one for one in run(msgspec.structs.replace(SMALL, days=1)).cards if one.experiment == "ladder-rungs")
    assert sum(arm.viewers for arm in card.arms) == len(watched)


def test_a_fault_costs_those_who_come_before_steering_knows() -> None:
    """Within the time to live the player gives the edge up; later nobody is sent there."""
    fault = Fault(edge="n1", day=0, hour=1.0, hours=2.0)
    world = World(msgspec.structs.replace(SMALL, faults=(fault,)))
    northern = next(one for one in world._watchers.values() if one.region == "north")
    title = world._titles[0].title
    begin = SINCE_MS + 3_600_000

    def waited(at_ms: int) -> float:
        for cache in world._caches.values():
            cache.clear()
        return world._reach(northern, title, at_ms, "listed")[0]

    assert waited(begin - 1) == waited(begin + 31_000) == waited(begin + 7_200_000 + 31_000) == FILL_MS
    assert waited(begin + 1_000) == FAILED_MS + FILL_MS
    assert world._reach(northern, title, begin - 1, "listed") == (FILL_MS, True)
    assert world._reach(northern, title, begin - 1, "listed") == (0.0, False)


def test_a_bug_that_adds_stalls_is_stopped_by_the_guardrail() -> None:
    """In the cell that has it, and nothing else is stopped."""
    harm = Harm(experiment="ladder-rungs", cell="sparse", stalls=60.0)
    slow = tuple(msgspec.structs.replace(one, median_bps=4e6, jitter=0.7, spread=0.2) for one in QUIET.networks)
    scenario = msgspec.structs.replace(QUIET, viewers=240, days=4, titles=20, harms=(harm,), networks=slow, faults=())
    outcome = run(scenario)
    assert set(outcome.stopped) == {"ladder-rungs"}
    card = next(one for one in outcome.cards if one.experiment == "ladder-rungs")
    assert card.decided == "stopped" and "sparse harms: stalls an hour watched" in card.verdict


def test_what_is_offered_of_a_sparse_ladder() -> None:
    """Its ends and every second rung."""
    assert sparse((1, 2, 3, 4, 5)) == (1, 3, 5) and sparse((1, 2, 3, 4)) == (1, 3, 4)


def test_interleaving_finds_the_ranker_that_the_pages_are_better_of() -> None:
    """With fewer viewers; a small world."""
    found = interleave(msgspec.structs.replace(RANKERS, viewers=60, days=6))
    assert found.agree and found.interleaved < found.split and found.share > 0.5


def population(level: float) -> dict[tuple[str, int], dict[str, float]]:
    """Viewers with stalls by Poisson and hours that last from week to week."""
    draw = np.random.default_rng(3)
    hours = draw.gamma(2.0, 1.0, 400)
    days = {}
    for number in range(400):
        for day in (SINCE_MS // 86_400_000, SINCE_MS // 86_400_000 + 8):
            watched = float(hours[number] * draw.uniform(0.8, 1.2))
            stalls = float(draw.poisson(level * watched))
            days[f"{number:03}", day] = {
                "watch_s": watched * 3600,
                "stalls": stalls,
                "plays": 1.0 + draw.poisson(hours[number]),
            }
    return days


def test_canaries_and_cuped_on_a_population_that_is_known() -> None:
    """Harmless ones are stopped at most once in twenty, harmful ones mostly; the saving is rho squared."""
    days = population(6.0)
    found = canaries(days, seed=1)  # type: ignore[arg-type]
    assert found.false_stops <= 0.05 and found.stops > 0.9
    assert found.stop_sessions < 2 * found.power_sessions
    assert max(cuped_differences(days, seed=1).values()) < 0.03  # type: ignore[arg-type]


def test_the_command_prints_each_experiment_and_refuses_an_unknown_scenario() -> None:
    """As a table and as JSON."""
    tree = command_tree()
    told = CliRunner().invoke(tree, ["experiments", "simulate", "quiet", "--viewers", "12", "--days", "1"])
    assert told.exit_code == 0 and "ladder-rungs:" in told.output
    assert "it predicts no real audience" in " ".join(told.output.split())
    as_json = CliRunner().invoke(tree, ["experiments", "simulate", "--viewers", "12", "--days", "1", "--json"])
    assert len(json.loads(as_json.output)["cards"]) == 4
    wrong = CliRunner().invoke(tree, ["experiments", "simulate", "moon"])
    assert isinstance(wrong.exception, NotFound) and "quiet, harm" in str(wrong.exception)


@pytest.mark.parametrize("changes", [{"viewers": 1}, {"titles": 1}, {"experiments": ()}])
def test_a_world_with_almost_nothing_in_it(changes: dict[str, object]) -> None:
    """One viewer, one film, no experiment: it runs through."""
    scenario: Scenario = msgspec.structs.replace(SMALL, **{"viewers": 4, **changes})
    assert len(run(scenario).cards) == len(scenario.experiments)
