"""Predicates are met by sentences that hold what they need, and the sentences found are the answer's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.practice.contract import Criterion, Structure
from reelwright.practice.core.denial import is_denied
from reelwright.practice.core.predicate import find_evidence, find_met, sentences
from reelwright.practice.core.question import parse_predicate
from reelwright.practice.core.structure import STRUCTURES
from reelwright.practice.core.term import term_pattern


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


@pytest.mark.parametrize(
    ("says", "needs", "yes", "no"),
    [
        ("Daily looks inflate false positives.", "daily|look & inflat*|false",
         "Daily looks inflate the error.", "Daily looks do not inflate the false positives."),
        ("The split is checked.", "split & check",
         "I check the split first.", "The split doesn't need to be checked because the hash is random."),
        ("The rungs have the same times.", "same & time & rung",
         "All rungs have the same times.", "Keyframes don't have to be at the same time in the rungs."),
        ("A shield makes one of many edges ask.", "shield & one|edge",
         "A shield makes one request of many edges.", "A shield cannot help, each edge still asks."),
        ("Each edge acknowledges.", "acknowledg* & edge", "Each edge sends an ack.", "No edge has to acknowledge."),
    ],
)  # fmt: skip
def test_what_is_said_not_to_be_so_is_no_evidence(says: str, needs: str, yes: str, no: str) -> None:
    """A confident wrong fact has the right words; that they are negated, rules can tell."""
    criterion = Criterion(id="a", dimension="design", level=1, says=says, needs=(parse_predicate(needs),))
    assert find_met(criterion, yes) and find_met(criterion, no)
    assert not is_denied(criterion, yes)
    assert is_denied(criterion, no)


@pytest.mark.parametrize(
    ("says", "needs", "text"),
    [
        (
            "One step, since two nodes race.",
            "atomic* & race|two nodes",
            "It is one atomic step, so two nodes cannot race.",
        ),
        ("Objects seen once are not admitted.", "once & admit*", "What is asked for once is not admitted."),
        ("Which exactness a reader gets.", "no snapshot & reader", "A reader gets no snapshot of one moment."),
        ("Says what was told.", "gave & decision", "I gave them a list, since nobody could follow the decision."),
        ("It ends durable.", "answer* & fsync", "It answers nobody until fsync has returned."),
    ],
)
def test_what_is_right_with_a_negation_is_evidence(says: str, needs: str, text: str) -> None:
    """The aim of a step, what a criterion itself denies, a term that holds its own negation, one's own story."""
    criterion = Criterion(id="a", dimension="design", level=1, says=says, needs=(parse_predicate(needs),))
    assert find_met(criterion, text) and not is_denied(criterion, text)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("same transaction", "both in an identical transaction"),
        ("refus*", "the server rejects it"),
        ("rendition", "all quality levels"),
        ("discard*", "we throw the rows away, or get rid of them"),
        ("acknowledg*", "each sends an ack"),
        ("stor*", "it remembers the outcome"),
        ("because", "it holds one timestamp, so we chose it"),
        ("because", "the call is short; hence no queue"),
    ],
)
def test_a_term_finds_what_says_the_same(term: str, text: str) -> None:
    """People have their own words for what is stored, refused, equal."""
    assert term_pattern(term).search(text)
