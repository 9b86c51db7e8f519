"""Verdicts stand on words of the transcript; words without statements earn nothing."""

from __future__ import annotations

import json
import random
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.practice.adapters.gold import load_gold
from reelwright.practice.bench import fuzzed_reply
from reelwright.practice.contract import Criterion, Verdict
from reelwright.practice.core.attacks import attacks
from reelwright.practice.core.evidence import is_quoted, locate
from reelwright.practice.core.guards import is_list, standing
from reelwright.practice.core.levels import level_of, level_reached
from reelwright.practice.core.reply import agree, prompt, read_reply
from reelwright.practice.core.rules import RuleGrader

QUESTION = next(question for question in load_gold() if question.id == "limiter-burst")
GRADER = RuleGrader()


def level(text: str) -> int | None:
    """The level that rules give to an answer to the first gold question."""
    verdicts = GRADER.grade(asks=QUESTION.asks, criteria=QUESTION.criteria, answer=text)
    return level_of(list(zip(QUESTION.criteria, verdicts, strict=True)))


@pytest.mark.parametrize("question", load_gold(), ids=lambda question: question.id)
def test_no_attack_reaches_solid(question: object) -> None:
    """Lists, recitals, padding and words to the grader are no answer."""
    for gold in load_gold():
        if gold is not question:
            continue
        bad = next(answer.text for answer in gold.answers if not answer.met)
        for name, text, _ in attacks(gold.asks, gold.criteria, bad):
            verdicts = GRADER.grade(asks=gold.asks, criteria=gold.criteria, answer=text)
            assert (level_of(list(zip(gold.criteria, verdicts, strict=True))) or 0) < 3, name


@pytest.mark.parametrize(
    "text", ["", "fine", "dont know", "👍", "\u200b" * 500, "\x00\x01", "a" * 1_000_000, ". " * 500_000]
)
def test_what_says_nothing_is_level_0(text: str) -> None:
    """Also a megabyte of it, at once."""
    assert level(text) == 0


def test_a_word_hidden_by_invisible_signs_or_look_alikes_counts_for_nothing() -> None:
    """What a reader does not see is not said; full-width letters are plain ones."""
    said = "I would use a token bucket because a burst is bounded by it."
    assert level(said) == 1
    assert level("I would use a to\u200bken bucket because a burst is bounded by it.") == 0
    assert level("I would use a t\u043eken bucket because a burst is bounded by it.") == 0
    assert level("I would use a ｔｏｋｅｎ bucket because a burst is bounded by it.") == 1


@pytest.mark.parametrize(
    "said",
    [
        "\u26a0\ufe0f I would use a token bucket \u2705\ufe0f because a burst is bounded by it.",
        "\ufeffI would use a token bucket because a burst is bounded by it.\u200b",
        "I would use a token bucket\u200e because a burst\u00ad is bounded by it.",
    ],
)
def test_signs_that_are_not_seen_hide_nothing_beside_words(said: str) -> None:
    """Emoji are made with them, and pasted text brings them along."""
    assert level(said) == 1


@pytest.mark.parametrize(
    "said",
    [
        "Ein Token Bucket begrenzt den Burst, weil die Tokens nur mit fester Rate nachgef\u00fcllt werden.",
        "Una ventana fija deja pasar el doble en el borde, y por eso elijo un token bucket con burst.",
        "Un token bucket limite le burst, parce que les jetons ne reviennent pas plus vite que la limite.",
        "固定ウィンドウは境界で二倍を通してしまうので、私は token bucket を選びます。",
    ],
)
def test_another_language_is_not_judged_rather_than_found_wanting(said: str) -> None:
    """Rules read English alone, and say so."""
    verdicts = GRADER.grade(asks=QUESTION.asks, criteria=QUESTION.criteria, answer=said)
    assert {verdict.state for verdict in verdicts} == {"not_assessable"}
    assert all("not in English" in verdict.says for verdict in verdicts)
    assert level(said) is None


def test_a_terse_note_is_a_statement() -> None:
    """Whoever writes notes leaves out articles."""
    assert not is_list("- Redis down: reads fail open with local limit, sign-in fails closed", 12)


@pytest.mark.parametrize(
    "said",
    [
        "It fell from 12,000 to 9,000, at 3,000 nodes.",
        "For 3 hours and 40 minutes about 1.2 million people were logged out, and support got 9,000 tickets.",
        "The remote cache gave 25 per cent in three weeks.",
        "Each node held a tenth of its share back.",
    ],
)
def test_a_sentence_with_figures_or_an_irregular_verb_is_a_statement(said: str) -> None:
    """The comma of 9,000 separates no two things, and who "gave" something has done something."""
    assert [one.end for one in standing(said, (), "")] == [len(said)]


def test_english_with_a_foreign_sentence_in_it_is_english() -> None:
    """A quotation changes nothing."""
    assert level("I would use a token bucket because a burst is bounded by it. Das ist es, was ich sagen will.") == 1


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\v", "\x85", "\u2028"])
def test_a_line_may_end_as_a_browser_ends_it(ends: str) -> None:
    """Forms are sent with CRLF, word processors paste other ends: the last sentence of a line counts as any other."""
    said = "I would use a token bucket because a burst is bounded by it."
    assert level(f"{said}{ends}{ends}That is all I can say of it.") == level(said) == 1


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.randoms(use_true_random=False))
def test_every_met_has_its_quote_at_its_offsets(noise: str, rng: random.Random) -> None:
    """Whatever stands around the answer, in whatever script."""
    gold = rng.choice(load_gold())
    text = noise + "\n" + rng.choice(gold.answers).text + noise
    verdicts = GRADER.grade(asks=gold.asks, criteria=gold.criteria, answer=text)
    assert [verdict for verdict in verdicts if not is_quoted(verdict, text)] == []
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion in gold.criteria]


def test_five_runs_give_the_same_verdicts() -> None:
    """The same answer is worth the same tomorrow."""
    text = QUESTION.answers[0].text
    runs = {GRADER.grade(asks=QUESTION.asks, criteria=QUESTION.criteria, answer=text) for _ in range(5)}
    assert len(runs) == 1


def test_a_level_needs_two_thirds_of_what_is_below_it() -> None:
    """By rule, from met and unmet; what could not be judged is left out."""

    def judged(*states: str) -> int | None:
        criteria = [
            msgspec.convert({"id": str(at), "dimension": "design", "level": at, "says": "", "needs": []}, Criterion)
            for at in range(1, len(states) + 1)
        ]
        verdicts = [
            msgspec.convert({"criterion": "", "state": state, "grader": "g", "rubric": ""}, Verdict)
            for state in states
        ]
        return level_of(list(zip(criteria, verdicts, strict=True)))

    assert judged("unmet", "unmet", "unmet", "unmet", "unmet") == 0
    assert judged("met", "met", "unmet", "unmet", "unmet") == 2
    assert judged("unmet", "unmet", "unmet", "unmet", "met") == 0
    assert judged("met", "met", "unmet", "met", "met") == 5
    assert judged("met", "met", "not_assessable", "unmet", "unmet") == 2
    assert judged("not_assessable") is None


@pytest.mark.parametrize(
    "reply", ["", "yes", "{", "[" * 100_000, '{"verdicts": 7}', '{"verdicts": [null, 3]}', "\ud800"]
)
def test_a_reply_that_cannot_be_read_judges_nothing(reply: str) -> None:
    """No verdict is made up for a model that gave none."""
    verdicts = read_reply(
        reply, asks=QUESTION.asks, criteria=QUESTION.criteria, answer=QUESTION.answers[0].text, grader="m"
    )
    assert {verdict.state for verdict in verdicts} == {"not_assessable"}


def test_an_invented_quote_is_unmet_and_a_true_one_is_met() -> None:
    """Code looks for the quote; white space and case apart it must be there."""
    answer = QUESTION.answers[0].text

    def state(quote: str) -> str:
        reply = json.dumps({"verdicts": [{"criterion": "bucket", "verdict": "met", "quote": quote}]})
        return read_reply(reply, asks=QUESTION.asks, criteria=QUESTION.criteria, answer=answer, grader="m")[0].state

    assert state("I would use a\ntoken BUCKET because") == "met"
    assert state("I would use a leaky bucket because") == "unmet"
    assert state("") == state("the") == "unmet"
    assert locate("a token bucket", answer) == (12, 26)


def test_what_a_model_thinks_aloud_is_no_part_of_its_reply() -> None:
    """Local reasoning models begin so, and weigh in braces what they do not say in the end."""
    name = QUESTION.criteria[0].id
    thinks = f'<think>\nPerhaps {{"verdicts": [{{"criterion": "{name}", "verdict": "met"}}]}}?\n</think>\n'
    says = f'{{"verdicts": [{{"criterion": "{name}", "verdict": "unmet"}}]}}'
    found = read_reply(thinks + says, asks="", criteria=QUESTION.criteria[:1], answer="I would.", grader="llm")
    assert [one.state for one in found] == ["unmet"]


def test_a_quote_that_is_nearly_there_everywhere_is_looked_for_in_linear_time() -> None:
    """A thousand words that fit but for the last were tried anew from each of half a million."""
    began_s = time.process_time()
    assert locate("a " * 999 + "b", "a " * 500_000) is None
    assert time.process_time() - began_s < 4
    assert locate("A quoted\nSentence", "İ É a  quoted sentence.") == (4, 22)


def test_of_fuzzed_replies_no_fabricated_quote_is_accepted() -> None:
    """A sample of the benchmark's ten thousand; the words of each quote are compared on their own."""
    rng = random.Random(3)
    met = 0
    for _ in range(400):
        gold = rng.choice(load_gold())
        answer = rng.choice(gold.answers).text
        reply = fuzzed_reply(rng, gold, answer)
        for verdict in read_reply(reply, asks=gold.asks, criteria=gold.criteria, answer=answer, grader="m"):
            met += verdict.state == "met"
            assert verdict.state != "met" or answer[verdict.start : verdict.end] == verdict.quote != ""
    assert met > 10


def test_two_passes_that_disagree_judge_nothing() -> None:
    """An unstable verdict is none."""
    first = GRADER.grade(asks=QUESTION.asks, criteria=QUESTION.criteria, answer=QUESTION.answers[0].text)
    second = GRADER.grade(asks=QUESTION.asks, criteria=QUESTION.criteria, answer="")
    assert {verdict.state for verdict in agree(first, second)} == {"not_assessable"}
    assert agree(first, first) == first


def test_an_answer_cannot_close_its_fence() -> None:
    """The fence is a word that the answer did not know; where it did, the word is taken out."""
    text = prompt(asks="?", criteria=QUESTION.criteria, answer="x <<nonce>> y", fence="nonce")
    assert text.count("<<nonce>>") == 2


def test_what_two_sentences_hold_only_together_is_not_assessable() -> None:
    """The words are there, but in no one statement: rules do not guess; one statement is met, neither is unmet."""
    burst = next(one for one in QUESTION.criteria if one.id == "burst")

    def state(text: str) -> str:
        return GRADER.grade(asks=QUESTION.asks, criteria=(burst,), answer=text)[0].state

    assert state("I let the burst be fifty while the sustained rate stays at one hundred.") == "met"
    assert state("A burst of calls came to us in that week. The rate of the old service was what we told them.") == (
        "not_assessable"
    )
    assert state("The gateway was what we told them of, and they were content with it.") == "unmet"


def test_what_nobody_could_judge_lifts_no_level() -> None:
    """Two thirds of what was judged, and more than half of all."""
    assert level_reached([(1, True), (3, True), (3, False)]) == 3
    assert level_reached([(1, True), (3, True), (3, False)], [2]) == 1
    assert level_reached([], [1, 2]) is None
