"""The packaged questions keep what they promise."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Area, Question
from reelwright.practice.core.attacks import PLAIN, attacks
from reelwright.practice.core.levels import level_of
from reelwright.practice.core.predicate import find_met
from reelwright.practice.core.question import check_bank
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.labs.labs import LABS

QUESTIONS = load_questions()
every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.id)


@every_question
def test_a_model_answer_meets_its_own_criteria(question: Question) -> None:
    """By the grader with its guards; else the criterion asks for what nobody says, or the answer is no model."""
    verdicts = RuleGrader().grade(asks=question.asks, criteria=question.criteria, answer=question.model_answer)
    assert [one.criterion for one in verdicts if one.state != "met"] == []


@every_question
def test_answers_to_challenges_meet_what_they_score(question: Question) -> None:
    """A challenge can be met by a sentence or two."""
    unmet = [one.id for one in question.challenges for scored in one.criteria if not find_met(scored, one.answer)]
    assert unmet == []


@every_question
def test_the_question_itself_meets_nothing(question: Question) -> None:
    """Reading the question back earns nothing."""
    assert [one.id for one in question.criteria if find_met(one, question.asks)] == []


@every_question
@pytest.mark.parametrize("text", ["", "fine", "I don't know.", "It depends on the requirements and on scale."])
def test_an_empty_phrase_meets_nothing(question: Question, text: str) -> None:
    """A word is no answer."""
    assert [one.id for one in question.criteria if find_met(one, text)] == []


def test_every_area_has_questions_and_no_id_comes_twice() -> None:
    """The files together are one bank."""
    assert check_bank(QUESTIONS) == []


def test_five_questions_are_always_present() -> None:
    """A limiter, a recommender, a network of caches, an unpopular stance, a failure."""
    assert {one.area for one in QUESTIONS if one.always} == {
        "rate_limiting",
        "recommendation",
        "cdn",
        "courage",
        "failure",
    }


def test_a_lab_that_is_named_is_there() -> None:
    """A question sends nobody to a lab that does not exist."""
    assert {one.lab for one in QUESTIONS if one.lab} == set(LABS)


def test_design_questions_have_facts() -> None:
    """Whoever asks is told something."""
    assert [one.id for one in QUESTIONS if one.stages == ("design",) and not one.facts] == []


def test_each_area_has_ten_questions() -> None:
    """Enough that a loop need not repeat itself."""
    counts = Counter(one.area for one in QUESTIONS)
    assert [area for area in get_args(Area) if counts[area] < 10] == []


@every_question
def test_words_without_statements_are_no_answer(question: Question) -> None:
    """The rubric's terms in lists, rubric or question read aloud, another subject, nothing at all: no level."""
    grader = RuleGrader()
    for name, text, on_top in attacks(question.asks, question.criteria, ""):
        if on_top:
            continue
        verdicts = grader.grade(asks=question.asks, criteria=question.criteria, answer=text)
        assert (level_of(list(zip(question.criteria, verdicts, strict=True))) or 0) == 0, name


@every_question
def test_another_subject_meets_no_criterion(question: Question) -> None:
    """A story of the weekend has numbers and outcomes too, and is about no work at all."""
    verdicts = RuleGrader().grade(asks=question.asks, criteria=question.criteria, answer=PLAIN["off_topic"])
    assert [one.criterion for one in verdicts if one.state == "met"] == []


BEHAVIOURAL = {
    "past_work", "judgment", "impact", "courage", "candor", "failure", "disagreement", "high_standards",
    "hard_tradeoffs", "non_engineers",
}  # fmt: skip


@pytest.mark.parametrize("question", [one for one in QUESTIONS if one.area in BEHAVIOURAL], ids=lambda one: one.id)
def test_a_behavioural_question_looks_at_structure_too(question: Question) -> None:
    """Own action, number, cause, concession, outcome or reflection: words of the subject alone show nothing."""
    structures = {one for criterion in question.criteria for need in criterion.needs for one in need.structures}
    assert structures - {"work"}
