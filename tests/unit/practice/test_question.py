"""Question files: whatever is wrong is told with its line, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.practice.contract import BadQuestions, Predicate
from reelwright.practice.core.question import check_bank, fill, parse_predicate, read_questions

GOOD = """\
area: cdn
defaults: {stages: [design], roles: [senior], tracks: [streaming], minutes: 20}
questions:
  - id: one
    asks: How many bytes do {edges} edges hold?
    parameters: {edges: [ten, twenty]}
    criteria:
      a: {scale: 3, says: A, needs: [byte & "@number"]}
      b: {design: 2, says: B, needs: [edge|shield]}
      c: {domain: 4, says: C, needs: ["answer: fill & night"]}
      d: {judgment: 5, says: D, needs: [cost, worth], match: all}
    challenges:
      x: {why: Why?, unmet: a, scores: {judgment: 2, says: X, needs: [because]}, answer: Because., then: [y]}
      y: {number: How many?, scores: {scale: 2, says: Y, needs: [ten]}, answer: Ten.}
    model_answer: An edge holds bytes.
""".replace('byte & "@number"', "byte & @number")


def problems(text: str) -> list[tuple[int, str]]:
    """What is told of a file."""
    with pytest.raises(BadQuestions) as caught:
        read_questions(text, "cdn.yaml")
    assert all(problem.file == "cdn.yaml" for problem in caught.value.problems)
    return [(problem.line, problem.text) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("area: cdn", "area: cooking", 1, "unknown area cooking"),
        ("scale: 3, says", "speed: 3, says", 8, "no field speed"),
        ("scale: 3, says", "says", 8, "has one dimension"),
        ("scale: 3", "scale: 9", 8, "whole number from 1 to 5, got 9"),
        ("needs: [edge|shield]", "needs: []", 9, "can never be met"),
        ("needs: [edge|shield]", "needs: edge|shield", 9, "a list, got a text"),
        ("needs: [edge|shield]", "needs: ''", 9, "a list, got an empty text"),
        ("needs: [edge|shield]", "needs: [edge||shield]", 9, "empty term"),
        ("needs: [edge|shield]", 'needs: ["@colour"]', 9, "a structure is one of"),
        ("unmet: a", "unmet: z", 4, "follows the criterion z, which is missing"),
        ("then: [y]", "then: [z]", 4, "goes on to z, which is missing"),
        ("unmet: a, ", "", 4, "never reached"),
        (", then: [y]", "", 4, "at least 2 levels deep, got 1"),
        ("answer: Ten.", "answer: Ten., then: [x]", 4, "in a circle: x → y → x"),
        ("      d:", "      c:", 11, "c is there twice"),
        ("      y:", "      a:", 4, "the id a is there twice"),
        ("parameters: {edges: [ten, twenty]}", "minutes: 10", 5, "names the parameter {edges}, which has no values"),
        ("{edges: [ten, twenty]}", "{edges: [ten, twenty], racks: [a, b]}", 6, "racks is not used"),
        ("{edges: [ten, twenty]}", "{edges: [ten, ten]}", 6, "at least two values, got 1"),
        ("do {edges} edges", "do " + "{edges}" * 300 + "z" * 20_000 + " edges", 5, "at most 20000 characters"),
        ("[ten, twenty]}", f"[ten, {'twenty' * 4_000}]}}", 5, "at most 20000 characters with its parameters"),
        ("[ten, twenty]}", '[ten, "{edges}{edges}"]}', 6, "the values of edges have no braces"),
        ("do {edges} edges", "do {edges edges", 5, "braces of asks do not match"),
        ("do {edges} edges", "do {edges:>999999999} edges", 5, "{edges} and nothing more in its braces"),
        ("do {edges} edges", "do {edges!r} edges", 5, "{edges} and nothing more in its braces"),
        ("asks: How many", "ask: How many", 5, "no field ask"),
        ("minutes: 20", "minutes: soon", 2, "minutes is a whole number"),
        ("minutes: 20", f"minutes: {'9' * 5_000}", 2, "minutes is a whole number"),
        ("id: one", "id: One Two", 4, "an id has small letters"),
        ("{why: Why?", "{why: Why?, number: How?", 13, "one kind of"),
        ("    model_answer: An edge holds bytes.", "", 4, "model_answer is a text, got nothing"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, told: str) -> None:
    """A wrong field, reference, number or tree."""
    assert old in GOOD
    found = problems(GOOD.replace(old, new))
    assert any(line == at and told in text for at, text in found), found


def test_a_file_of_nothing_but_mistakes_is_told_of_the_first_hundred() -> None:
    """Else a short file had an answer a hundred times as long, and took seconds to write it."""
    assert len(problems(f"area: cdn\nquestions: [{'[],' * 60_000}]")) == 100


def chain(levels: int) -> str:
    """A good file whose challenges follow each other, each named twice by the one before."""
    below = "".join(
        f"      l{number}: {{number: How many?, scores: {{scale: 2, says: Y, needs: [ten]}}, answer: Ten.{more}}}\n"
        for number in range(2, levels + 1)
        for more in (f", then: [l{number + 1}, l{number + 1}]" if number < levels else "",)
    )
    y = next(line for line in GOOD.splitlines(keepends=True) if line.startswith("      y:"))
    return GOOD.replace(y, below).replace("then: [y]", "then: [l2, l2]")


def test_however_many_ways_lead_to_a_challenge_it_is_looked_at_once() -> None:
    """Fifty levels with two ways from each to the next are 2^50 paths; deeper is told, not followed."""
    assert len(read_questions(chain(50), "cdn.yaml")[0].challenges) == 50
    assert "at most 50 levels deep" in problems(chain(5_000))[0][1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("a: [", "not YAML"),
        ("\t- x", "not YAML"),
        ("area: &a [*a]", "aliases are not allowed"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper"),
        ("- 1", "the file is a mapping, got a list"),
        ("x" * 2_000_001, "at most 2000000 characters"),
        ("a: \x00", "not YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, told: str) -> None:
    """Empty, torn, endless, too deep, too long."""
    assert any(told in found for _, found in problems(text))


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever stands in a file: questions, or BadQuestions."""
    try:
        read_questions(text, "any.yaml")
    except BadQuestions as error:
        assert error.problems


def test_all_problems_are_told_at_once() -> None:
    """Nobody mends a file one message at a time."""
    broken = (
        GOOD.replace("area: cdn", "area: cooking").replace("scale: 3", "scale: 9").replace("unmet: a", "unmet: z")
    )
    assert len(problems(broken)) >= 2


def test_a_question_is_read_whole() -> None:
    """Defaults, parameters, levels, trees and predicates arrive."""
    (question,) = read_questions(GOOD, "cdn.yaml")
    assert (question.area, question.stages, question.minutes) == ("cdn", ("design",), 20)
    assert question.parameters == {"edges": ("ten", "twenty")}
    assert [(one.id, one.dimension, one.level) for one in question.criteria[:2]] == [
        ("a", "scale", 3),
        ("b", "design", 2),
    ]
    assert question.criteria[0].needs == (Predicate(all=(("byte",),), structures=("number",)),)
    assert question.criteria[2].needs[0].within == "answer"
    assert question.criteria[3].match == "all"
    assert [(one.id, one.when, one.criterion, one.then) for one in question.challenges] == [
        ("x", "unmet", "a", ("y",)),
        ("y", "after", None, ()),
    ]
    assert fill(question.asks, {"edges": "ten"}) == "How many bytes do ten edges hold?"


def test_an_id_of_two_files_is_noticed() -> None:
    """Each file is right by itself, both together are not."""
    both = read_questions(GOOD, "a.yaml") + read_questions(GOOD, "b.yaml")
    assert "the id one is there 2 times" in check_bank(both)


@pytest.mark.parametrize("text", ["a & answer: b", "&", "a|", "@number|@cause"])
def test_a_predicate_that_says_nothing_is_refused(text: str) -> None:
    """Half a predicate would be met by anything or by nothing."""
    with pytest.raises(ValueError, match=r"term|predicate|structure"):
        parse_predicate(text)
