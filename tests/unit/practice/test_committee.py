"""The committee decides by rule: both sides must clear, and too little evidence is said to be too little."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from reelwright.practice.adapters.guide import load_styles
from reelwright.practice.contract import Dimension, FeedbackLine, Interview, Loop, Packet, Turn
from reelwright.practice.core.committee import bar_of, decide
from reelwright.practice.core.rounds import SITTINGS, plan_rounds

STYLE = load_styles()["netflix"]
EVERY = get_args(Dimension)


def loop(role: Any = "senior", state: Any = "finished") -> Loop:
    """A loop whose rounds are all in one state."""
    rounds = [
        msgspec.structs.replace(one, state=state, interview_id="i") for one in plan_rounds(pace="weeks", begins_ms=0)
    ]
    return Loop(
        id="l", role=role, track="streaming", style="netflix", pace="weeks", created_ms=0, sample=False,
        rounds=tuple(rounds),
    )  # fmt: skip


def interview(*lines: FeedbackLine) -> Interview:
    """One answer with these findings."""
    turn = Turn(number=0, question_id="q", asks="?", answer="!", feedback=lines)
    return Interview(
        id="i", stage="phone", role="senior", track="streaming", state="finished", minutes=60, elapsed_s=1,
        created_ms=0, turns=(turn,),
    )  # fmt: skip


def lines(dimension: Dimension, met: bool | None, count: int = 12, level: int = 4) -> list[FeedbackLine]:
    """So many criteria of one dimension."""
    state: Any = {True: "met", False: "unmet", None: "not_assessable"}[met]
    one = FeedbackLine(dimension=dimension, state=state, quote="words" if met else "", says="says", level=level)
    return [one] * count


def judged(found: Loop, **changed: list[FeedbackLine]) -> Packet:
    """Everything shown, except what is changed."""
    given = {dimension: lines(dimension, True) for dimension in EVERY}
    return decide(found, STYLE, [interview(*(line for each in {**given, **changed}.values() for line in each))])


def test_everything_shown_is_a_clear_yes_with_quotes() -> None:
    """The reason is one sentence, and words of the candidate stand beside it."""
    packet = judged(loop())
    assert (packet.decision, packet.technical, packet.culture) == ("clear_yes", "clears", "clears")
    assert packet.reason.count(". ") == 0 and packet.reason.endswith(".")
    assert packet.quotes and all(one.met and one.quote for one in packet.quotes)


@pytest.mark.parametrize("dimension", ["correctness", "design", "judgment", "communication", "leadership"])
def test_one_must_have_below_the_bar_is_a_no(dimension: Dimension) -> None:
    """Eight dimensions at the top do not make up for it; the reason names it and what was not shown."""
    packet = judged(loop(), **{dimension: lines(dimension, False)})
    assert packet.decision == "no"
    assert {packet.technical, packet.culture} == {"clears", "below"}
    assert [one.dimension for one in packet.quotes] == [dimension] * len(packet.quotes) and not packet.quotes[0].met


def test_no_chance_is_told_as_none_or_as_certain() -> None:
    """A hundred missed criteria leave a chance below one per cent, and a hundred met ones no certainty."""
    missed = judged(loop(), judgment=lines("judgment", False, 100, level=1)).reason
    met = judged(loop(), **{name: lines(name, True, 100, level=5) for name in EVERY}).reason
    assert "under 1 %" in missed and "over 99 %" in met


def test_merely_qualified_is_a_no() -> None:
    """Half of what is asked at the bar: qualified perhaps, but nobody would fight."""
    half = {one: [*lines(one, True, 6, 3), *lines(one, False, 6, 3)] for one in EVERY}
    assert judged(loop(), **half).decision == "no"


def test_what_could_not_be_judged_is_not_held_against_anyone() -> None:
    """A must-have that nobody could judge, or judged too seldom, is missing evidence and not a no."""
    for few in (lines("communication", None), lines("communication", True, 3), []):
        packet = judged(loop(), communication=few)
        assert (packet.decision, packet.culture) == ("not_enough", "not_enough"), few


def test_open_rounds_leave_it_open() -> None:
    """However good or bad what was heard so far is."""
    assert judged(loop(state="running")).decision == "not_enough"
    low = {one: lines(one, False) for one in EVERY}
    assert judged(loop(state="waiting"), **low).decision == "not_enough"


def test_a_higher_role_asks_for_more() -> None:
    """The same answers clear for a senior and not for a senior staff engineer."""
    same = {one: [*lines(one, True, 9, 3), *lines(one, False, 2, 5)] for one in EVERY}
    assert judged(loop("senior"), **same).decision == "clear_yes"
    assert judged(loop("senior_staff"), **same).decision == "no"
    assert all(bar_of("senior", one) <= bar_of("staff", one) <= bar_of("senior_staff", one) for one in EVERY)


def test_a_loop_is_five_to_seven_interviews_in_order() -> None:
    """Over weeks each has its day; the onsite takes five to six hours, the meetings two to three."""
    rounds = plan_rounds(pace="weeks", begins_ms=0)
    assert 5 <= len({one.sitting for one in rounds}) == len(SITTINGS) <= 7
    assert [one.planned_ms for one in rounds] == sorted(one.planned_ms for one in rounds)
    assert 300 <= sum(one.minutes for one in rounds if one.sitting.startswith("onsite")) <= 360
    assert 120 <= sum(one.minutes for one in rounds if one.sitting in ("product", "designer")) <= 180
    assert {one.planned_ms for one in plan_rounds(pace="one_sitting", begins_ms=7)} == {7}
