"""What an answer is refused for before its criteria are looked at: words without statements.

Each guard removes sentences from what may count as evidence; offsets stay those of the transcript.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain

from reelwright.practice.contract import Criterion
from reelwright.practice.core.predicate import Span, sentences
from reelwright.practice.core.term import IRREGULAR, term_pattern

MAX_CHARS = 40_000
"""Of an answer, the beginning is judged: more than two hours of speech."""
MIN_WORDS = 5
RECITAL = 0.6
"""A sentence that shares this part of its word triples with a rubric sentence recites it."""
LIST_COMMAS = 0.28
"""Commas for each word from which a sentence is a list rather than a statement."""

DENSE = 0.75
"""Of a sentence's words at most this part may be terms of the rubric: more is the rubric's vocabulary, not speech."""
GLUE_SHARE = 0.18
"""Of a sentence that is not terse this part is articles, pronouns, prepositions and the like; of lists it is less."""
LONG = 10
TERSE = 12
"""Words up to which a statement may do with next to no small words, as notes do."""

_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_JOINERS = r"\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff"
_BESIDE_WORDS = re.compile(rf"(?<![\w{_JOINERS}])[{_JOINERS}]+|[{_JOINERS}]++(?!\w)")
"""Signs that are not seen and hide nothing, since they stand in no word: emoji and pasted texts are full of them."""
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['’][^\W_]+)?")
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|am|has|have|had|do|does|did|will|would|can|could|should|must|may|might|"
    r"I|we|they|you|he|she|it|who|which|that|\w+(?:ed|izes?|ises?))\b|"
    r"\b(?:use|uses|take|takes|get|gets|give|gives|keep|keeps|let|lets|send|sends|make|makes|run|runs|put|puts|go|goes|"
    r"come|comes|see|sees|start|starts|stop|stops|store|stores|return|returns|cost|costs|wait|waits|say|says|tell|tells|"
    r"choose|chooses|pick|picks|serve|serves|fail|fails|need|needs|fill|fills|read|reads|write|writes|show|shows|fell|"
    r"cut|leaves?|means?|sits?|allows?|fits?|becomes?|"
    rf"{'|'.join(chain(*(forms[1:] for forms in IRREGULAR.values())))})\b",
    re.IGNORECASE,
)
_GLUE = re.compile(
    r"\b(?:a|an|the|this|that|these|those|i|we|they|you|he|she|it|its|my|our|their|his|her|them|us|me|who|which|what|"
    r"of|to|in|on|at|by|for|from|with|as|into|over|until|after|before|than|and|or|but|if|when|while|because|since|so|"
    r"is|are|was|were|be|been|have|has|had|do|does|did|would|will|can|could|should|must|not|no|there|then|only|"
    r"each|every|all|one|per)\b",
    re.IGNORECASE,
)
LEAST_LETTERS, LEAST_WORDS, OTHER_SHARE = 20, 8, 0.2
"""From how much text a language is told, and how many of its words are the small words of that language."""
_SMALL_WORDS = tuple(
    frozenset(words.split())
    for words in (
        "der die das den dem des ein eine einen einem einer und oder nicht ist sind war wir ich er sie es zu mit auf "
        "für von bei nach aus wenn weil dass auch nur noch durch über wird werden haben hat pro jede jeder am im",
        "el la los las un una unos de del que y en por para con se su sus no es son fue como más porque pero lo al "
        "yo mi cada cuando si sin sobre este esta ha he había nuestro",
        "le la les un une des du de et est sont en pour par avec que qui dans sur pas ne nous je il elle on ce cette "
        "mais plus ou où au aux chaque parce se son sa mon été",
        "o a os as um uma de do da dos das que e em por para com não se seu sua no na mais mas como foi são eu cada "
        "quando porque",
        "il lo la i gli le un una di del della dei che e è in per con non si ho ha sono come più ma da al alla ogni "
        "quando perché abbiamo",
        "de het een en van ik niet is dat die te op met voor zijn maar ook door als aan bij naar wordt er we elke",
        "i w na z się nie że do to jest są od po za przez dla jak ale oraz każdy ponieważ który która",
        "och att det som en ett på är av för med inte den jag vi till har var men om från varje eftersom kan",
        "ve bir bu için ile da de çok daha ama gibi olan olarak her ne değil ben biz çünkü",
    )
)
"""German, Spanish, French, Portuguese, Italian, Dutch, Polish, Swedish, Turkish."""
_ARTICLE = re.compile(r"\b(?:a|an|the|to|of|my|our)\b", re.IGNORECASE)
_ADDRESSES_GRADER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|rubric|previous|above|criteria|rules|prompt)|"
    r"\b(?:mark|grade|score|rate|give|award|treat|consider|count)\b.{0,40}"
    r"\b(?:met|5/5|full marks|top score|highest|level 5|as correct|all criteria|every criterion|this answer)\b|"
    r"\b(?:system|assistant|grader|evaluator|interviewer|developer)\s*(?::|prompt|message|note)|"
    r"\byou are (?:now )?(?:a|an|the) (?:grader|evaluator|judge|assistant|interviewer)|\bverdict\b.{0,12}\bmet\b|"
    r"\ball (?:the )?criteria (?:are|were|have been) (?:met|satisfied|fulfilled)|</?\w+>|\{\s*\"",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"\b(?:(?:all|each|every(?: one)?|many|both) of (?:these|them|those)|are (?:all )?(?:the )?(?:important|"
    r"essential|fundamental|topics|vocabulary|tools|concepts|considerations)|"
    r"(?:is|are) (?:the )?(?:vocabulary|topics?|tools) "
    r"(?:of|for|which)|should be (?:considered|evaluated)|must be considered|there are many|and so on|etc\b|"
    r"i (?:would|can) (?:consider|discuss)|(?:all )?matter to)",
    re.IGNORECASE,
)


def visible(text: str) -> str:
    """The text as a person sees it, letter for letter as long as before: hidden and look-alike signs become plain.

    Invisible characters become a word joiner's place held by an apostrophe-free blank, so that offsets stay.
    """
    plain = []
    for sign in _BESIDE_WORDS.sub(lambda found: " " * len(found[0]), text):
        folded = unicodedata.normalize("NFKC", sign)
        if _INVISIBLE.match(sign) or (unicodedata.category(sign) == "Cc" and not sign.isspace()):
            plain.append("\u0000")
        else:
            plain.append(folded if len(folded) == 1 else sign)
    return "".join(plain).replace("’", "'").replace("\u00a0", " ")


def in_another_language(text: str) -> bool:
    """Whether a text is written in another script than ours, or mostly with the small words of another language."""
    letters = [sign for sign in text if sign.isalpha()]
    foreign = sum(not unicodedata.name(sign, "").startswith("LATIN") for sign in letters)
    if len(letters) >= LEAST_LETTERS and 2 * foreign > len(letters):
        return True
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < LEAST_WORDS:
        return False
    english = sum(bool(_GLUE.fullmatch(word)) for word in words)
    return any(
        (count := sum(word in small for word in words)) >= OTHER_SHARE * len(words) and count > 2 * english
        for small in _SMALL_WORDS
    )


def triples(text: str) -> set[tuple[str, ...]]:
    """The runs of three words of a text, lower case."""
    words = [word.lower() for word in _WORD.findall(text)]
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


def standing(text: str, criteria: Sequence[Criterion], asks: str) -> list[Span]:
    """The sentences that may count as evidence, of a text already made `visible`.

    Left out: lists of terms, recitals of a rubric or of the question, words to the grader, naming of topics, repeats.
    """
    recited = [triples(criterion.says) for criterion in criteria] + [triples(asks)]
    seen: set[str] = set()
    kept = []
    for span in sentences(text[:MAX_CHARS]):
        sentence = text[span.start : span.end]
        words = [word.lower() for word in _WORD.findall(sentence)]
        key = " ".join(words)
        if len(words) < MIN_WORDS or key in seen or "\u0000" in sentence:
            continue
        seen.add(key)
        if _density(sentence, len(words), criteria) >= DENSE:
            continue
        if is_list(sentence, len(words)) or _ADDRESSES_GRADER.search(sentence) or _VAGUE.search(sentence):
            continue
        own = triples(sentence)
        if own and any(len(own & other) >= RECITAL * len(own) for other in recited if other):
            continue
        if len(own) and len(set(words)) < 0.4 * len(words):
            continue
        kept.append(span)
    return kept


def is_list(sentence: str, n_words: int) -> bool:
    """Whether a sentence names things without saying anything of them."""
    separators = len(re.findall(r",(?!\d{3}\b)|[;/|•·]|\band\b", sentence))
    if not _VERB.search(sentence) or separators / max(1, n_words) >= LIST_COMMAS:
        return True
    if n_words >= 2 * LONG and not _ARTICLE.search(sentence):
        return True
    return n_words > TERSE and len(_GLUE.findall(sentence)) / n_words < GLUE_SHARE


def _density(sentence: str, n_words: int, criteria: Sequence[Criterion]) -> float:
    """The share of a long sentence's words that are terms of the rubric; each word counts once."""
    if n_words < LONG:
        return 0.0
    covered: set[int] = set()
    for criterion in criteria:
        for predicate in criterion.needs:
            for term in (term for group in predicate.all for term in group):
                for found in term_pattern(term).finditer(sentence):
                    covered.update(range(found.start(), found.end()))
    letters = sum(not sign.isspace() for sign in sentence)
    return sum(not sentence[at].isspace() for at in covered) / max(1, letters)
