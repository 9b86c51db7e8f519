"""Predicates are met by sentences that hold what they need, and the sentences found are the answer's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.practice.contract import Criterion, Structure
from reelwright.practice.core.predicate import STRUCTURES, find_evidence, find_met, sentences, term_pattern
from reelwright.practice.core.question import parse_predicate


def found(needs: str, text: str) -> list[str]:
    """The sentences that meet a predicate."""
    return [text[span.start : span.end] for span in find_evidence(parse_predicate(needs), text)]


@pytest.mark.parametrize(
    "text", ["", "fine", "don't know", "\n\n", "…", "\u200b", "A bucket.", "We refill something."]
)
def test_a_text_that_lacks_a_part_is_not_met(text: str) -> None:
    """Every group is needed."""
    assert found("bucket & refill", text) == []


def test_parts_in_two_sentences_meet_only_an_answer() -> None:
    """A sentence is the span unless the predicate says the whole answer."""
    text = "I use a bucket. It refills by time."
    assert found("bucket & refill", text) == []
    assert found("answer: bucket & refill", text) == ["I use a bucket.", "It refills by time."]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("refill", "refilled"),
        ("cache", "Caching"),
        ("drop", "dropped"),
        ("retry", "retries"),
        ("fail open", "it fails-open"),
        ("concurren*", "concurrently"),
        ("token bucket", "token buckets"),
        ("429", "a 429 came"),
        ("choose", "I chose it"),
        ("take", "a lease was taken"),
        ("go with", "I am going with it"),
        ("go with", "we went with it"),
        ("rise", "it has risen"),
        ("prioritise", "prioritized"),
        ("serialize*", "serialised"),
        ("behaviour", "behaviors"),
        ("cancelled", "canceled"),
        ("centre", "data center"),
    ],
)
def test_terms_are_found_in_their_usual_forms(term: str, text: str) -> None:
    """People inflect and hyphenate."""
    assert term_pattern(term).search(text)


@pytest.mark.parametrize(
    ("term", "text"), [("lease", "please"), ("log", "logic"), ("cap", "capital"), ("key", "monkey")]
)
def test_a_term_is_no_part_of_another_word(term: str, text: str) -> None:
    """Else `please` would be a lease."""
    assert not term_pattern(term).search(text)


@pytest.mark.parametrize(
    "text", ["I've rebuilt it.", "I have written it.", "I had already chosen it.", "I undid it."]
)
def test_the_perfect_is_an_own_action(text: str) -> None:
    """As people say it in a conversation."""
    assert STRUCTURES["own_action"].search(text)


@pytest.mark.parametrize("text", ["I have a car.", "I've no idea.", "I have to go."])
def test_having_is_no_own_action(text: str) -> None:
    """Nothing was done."""
    assert not STRUCTURES["own_action"].search(text)


@pytest.mark.parametrize("text", ["eighty percent", "seventy-five per cent", "thirteen engineers", "eleven minutes"])
def test_numbers_are_numbers_in_words_too(text: str) -> None:
    """What is heard is often written so."""
    assert STRUCTURES["number"].search(f"It took {text}.")


@pytest.mark.parametrize(
    ("structure", "yes", "no"),
    [
        ("own_action", "I rewrote the cache.", "We rewrote the cache."),
        ("number", "It took 340 ms.", "It was faster."),
        ("cause", "It failed because the disk was full.", "It failed and the disk was full."),
        ("concession", "It worked, although it cost a week.", "It worked."),
        ("outcome", "Stalls fell by a third.", "We discussed stalls."),
        ("reflection", "Since then I write it down first.", "I write it down."),
        ("question", "How many users?", "Many users."),
    ],
)
def test_structures_are_told_apart(structure: Structure, yes: str, no: str) -> None:
    """What only a person who did it tends to say."""
    assert STRUCTURES[structure].search(yes)
    assert not STRUCTURES[structure].search(no)


@given(st.text(max_size=400))
def test_sentences_are_pieces_of_the_text(text: str) -> None:
    """In order, apart, without white space around; nothing but white space lies between."""
    at, between = 0, ""
    for span in sentences(text):
        assert at <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        between += text[at : span.start]
        at = span.end
    assert (between + text[at:]).strip() == ""


def test_all_and_any_differ() -> None:
    """`match: all` needs every predicate, else one is enough."""
    needs = (parse_predicate("cost"), parse_predicate("worth"))
    one = Criterion(id="a", dimension="design", level=1, says="x", needs=needs)
    every = Criterion(id="a", dimension="design", level=1, says="x", needs=needs, match="all")
    assert find_met(one, "The cost is high.")
    assert not find_met(every, "The cost is high.")
    assert find_met(every, "The cost is high. It is worth it.")


def test_a_long_answer_is_read_in_linear_time() -> None:
    """A megabyte without a sentence's end, or full of ends or what looks like one, is read like any other."""
    ends = ("a. " * 300_000, "." * 1_000_000, "." * 1_000_000 + "x", "a?" + '"' * 1_000_000 + "x", "a.x" * 300_000)
    for text in ("word " * 200_000, "x" * 1_000_000, "\n" * 1_000_000, *ends):
        assert found("bucket & refill", text) == []
