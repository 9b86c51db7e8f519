"""Loops are planned so that six of them need no question twice, and every round fills its time."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Role, Track
from reelwright.practice.core.loop import FILLED, STAGE_MINUTES, plan_stage
from reelwright.practice.core.rounds import SITTINGS

QUESTIONS = load_questions()
MINUTES = {one.id: one.minutes for one in QUESTIONS}
LOOPS = 6


@pytest.mark.parametrize(("role", "track"), [*product(get_args(Role), get_args(Track))])
@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_six_loops_repeat_no_question_and_fill_every_round(role: Role, track: Track, seed: str) -> None:
    """Whatever the role and the track; a round has at least four fifths of its minutes."""
    seen: set[str] = set()
    for number in range(LOOPS):
        for stage in (stage for _, stages in SITTINGS.values() for stage in stages):
            plan = plan_stage(
                QUESTIONS, stage=stage, role=role, track=track, seen=seen, seed=f"{seed}{number}{stage}"
            )
            assert seen.isdisjoint(plan), f"{stage} of loop {number + 1} repeats"
            filled = sum(MINUTES[one] for one in plan) / STAGE_MINUTES[stage]
            assert FILLED <= filled <= 1, f"{stage} of loop {number + 1} is {filled:.0%} full"
            seen.update(plan)


def test_a_stage_is_planned_the_same_way_again() -> None:
    """The seed decides."""
    plans = {plan_stage(QUESTIONS, stage="design", role="staff", track="data", seen=(), seed="x") for _ in range(3)}
    assert len(plans) == 1


def test_where_everything_was_seen_the_stage_is_filled_all_the_same() -> None:
    """Somebody in their tenth loop meets old questions rather than none."""
    everything = {one.id for one in QUESTIONS}
    plan = plan_stage(QUESTIONS, stage="phone", role="senior", track="streaming", seen=everything, seed="x")
    assert sum(MINUTES[one] for one in plan) >= FILLED * STAGE_MINUTES["phone"]
