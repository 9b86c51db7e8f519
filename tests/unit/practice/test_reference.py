"""Short answers beside a reference: criteria come from it, weights from elsewhere, and every answer gets a mark."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.practice.adapters.short_answers import find_folder, read_beetle, read_mohler
from reelwright.practice.core.agreement import macro_f1
from reelwright.practice.core.reference import Graded, derive, features, fit, grade, nearest, rarity

ASKS = "Why does the cache answer sooner than the origin?"
REFERENCE = "The cache lies near the viewer, so the way is short and no object is fetched twice."
RARE = rarity([ASKS, REFERENCE, "A queue keeps what cannot be served.", "The viewer waits for the first segment."])


def one(answer: str) -> Graded:
    """An answer to the one question."""
    return Graded("q", ASKS, (REFERENCE,), answer, 0.0)


def test_criteria_are_the_words_that_the_question_does_not_give_away() -> None:
    """Repeating the question meets none of them."""
    derived = {criterion.id for criterion in derive(REFERENCE, ASKS)}
    assert {"near", "viewer", "short", "twice"} <= derived and "cache" not in derived
    assert features(ASKS, (REFERENCE,), ASKS, RARE)[0] == 0


def test_the_reference_is_worth_more_than_the_question_and_another_subject() -> None:
    """In that order."""
    right, echo, off = (grade(one(text), (), RARE) for text in (REFERENCE, ASKS, "My bicycle had a flat tyre."))
    assert right > 0.7 and right > echo and right > off and off < 0.5


def test_graded_answers_to_the_same_question_speak() -> None:
    """What is like a wrong one is marked lower than what is like a right one."""
    examples = (
        Graded("q", ASKS, (REFERENCE,), "It is closer to the people who watch", 1.0),
        Graded("q", ASKS, (REFERENCE,), "It has a faster processor than the origin", 0.0),
    )
    like_right = grade(one("it is closer to people who watch"), examples, RARE)
    assert like_right > grade(one("it has a faster processor"), examples, RARE)
    assert nearest("", (), RARE) == [0.0, 0.0, 0.0, 0.5]


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=200), st.text(max_size=80))
def test_every_answer_gets_a_mark(answer: str, reference: str) -> None:
    """Whatever is written, full coverage: a finite mark from 0 to 1."""
    mark = grade(Graded("q", ASKS, (reference,), answer, 0.0), (), RARE)
    assert 0 <= mark <= 1 and np.isfinite(mark)


def test_a_fit_finds_what_separates() -> None:
    """On rows that one feature decides."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 3))
    marks = (rows[:, 1] > 0).astype(float)
    assert ((fit(rows, marks).score(rows) > 0.5) == (marks > 0.5)).mean() > 0.95


def test_macro_f1_is_the_mean_of_both_classes() -> None:
    """By hand: 2/3 of right ones, 0 of wrong ones."""
    assert macro_f1([True, True, False], [True, True, True]) == pytest.approx(0.4)
    assert macro_f1([True, False], [True, False]) == 1.0
    assert macro_f1([], []) == 0.0


@pytest.mark.skipif(find_folder() is None, reason="shared/data/grading is not beside this checkout")
def test_the_sets_are_read_whole() -> None:
    """As their README counts them."""
    folder = find_folder()
    assert folder is not None
    assert {name: len(some) for name, some in read_beetle(folder).items()} == {
        "train": 3941, "test-unseen-answers": 439, "test-unseen-questions": 819,
    }  # fmt: skip
    mohler = read_mohler(folder)
    assert len(mohler) == 2442 and len({answer.question for answer in mohler}) >= 80
