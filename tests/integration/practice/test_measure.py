"""The rows of labs: each as soon as it is known, and every rerun happens."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from reelwright.kernel.bench import measured
from reelwright.practice.adapters.sandbox import bubblewrap_works
from reelwright.practice.labs.lab import Judged, Lab, solutions
from reelwright.practice.labs.labs import LABS
from reelwright.practice.labs.measure import RERUNS, lab_parts

pytestmark = pytest.mark.skipif(
    not bubblewrap_works(), reason="bubblewrap with user namespaces: apt-get install bubblewrap"
)
MISTAKES = len(solutions(LABS["token-bucket"])) - 1
HIDDEN = 3


def judged(passes: Callable[[int], bool]) -> tuple[Lab, list[int]]:
    """A lab whose judge goes by how often it was asked, and the seeds that it was asked with."""
    asked: list[int] = []

    def judge(_decider: object, seed: int) -> Judged:
        asked.append(seed)
        return Judged(passed=passes(len(asked)), reason="", measures={})

    return msgspec.structs.replace(LABS["token-bucket"], judge=judge, policies={}), asked


def test_a_row_comes_before_what_it_does_not_depend_on() -> None:
    """After the gradings and before the reruns; then forty of these, each judged, on two seeds."""
    lab, asked = judged(lambda _number: True)
    rows = measured(lab_parts({"one": lab}), "labs.one")
    first = next(rows)
    assert first.id == "labs.one.seconds" and len(asked) == HIDDEN * (MISTAKES + 1)
    del asked[:]
    assert [(row.id, row.value) for row in rows] == [("labs.one.reruns", 0)]
    assert len(asked) == 2 * RERUNS and len(set(asked)) == 2


def test_mistakes_that_pass_are_counted_and_named() -> None:
    """In the row of all labs, too; who asks for one row has no other measured."""
    lab, _ = judged(lambda _number: True)
    (row,) = measured(lab_parts({"one": lab}), "labs.wrong_passed")
    assert row.value == MISTAKES and row.met is False and "wrong_float" in row.note
    lab, asked = judged(lambda _number: False)
    (row,) = measured(lab_parts({"one": lab}), "labs.reference_failed")
    assert row.value == 1 and row.met is False and len(asked) == MISTAKES + 1


def test_a_rerun_with_another_verdict_is_counted() -> None:
    """Also where only one in forty differs."""
    lab, _ = judged(lambda number: number != 2 * RERUNS)
    (row,) = measured(lab_parts({"one": lab}), "labs.disagreeing_reruns")
    assert row.value == 1 and row.met is False
