"""Words of a text, their near-misses, and how well a title answers a query; the same on every database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

FIELD_WEIGHT = {"name": 8.0, "people": 3.0, "genres": 2.0, "summary": 1.0}
LONGEST_WORD = 64
SHORTEST_GUESSED = 4
"""Words shorter than this are taken as they are written."""
# Scripts without spaces: each character is a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_PLAIN = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"})


def words(text: str) -> list[str]:
    """Lower-case words without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_PLAIN)
    found = _WORD.findall("".join(character for character in plain if not unicodedata.combining(character)))
    return [word[:LONGEST_WORD] for word in found]


def can_be_guessed(word: str) -> bool:
    """Whether a typing error in this word is forgiven: not in short ones, nor in numbers."""
    return len(word) >= SHORTEST_GUESSED and word.isalpha()


def spellings(word: str) -> set[str]:
    """The word, and the word with each one letter left out.

    Two words that one typing error parts share a spelling (symmetric delete; W. Garbe, SymSpell, 2012), so that an
    index of these finds every near-miss with one lookup.
    """
    return {word} | {word[:index] + word[index + 1 :] for index in range(len(word))}


def edits_within_one(first: str, second: str) -> bool:
    """Whether one insertion, deletion, replacement or swap of neighbours makes the words equal."""
    if len(first) > len(second):
        first, second = second, first
    at = next((index for index, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    if len(second) - len(first) == 1:
        return first[at:] == second[at + 1 :]
    if len(first) != len(second):
        return False
    return first[at + 1 :] == second[at + 1 :] or (
        first[at : at + 2] == second[at : at + 2][::-1] and first[at + 2 :] == second[at + 2 :]
    )


def likeness(asked: str, known: str) -> float:
    """How alike two words are: 1 equal, 0.9 a prefix, 0.5 one typing error apart, else 0."""
    if asked == known:
        return 1.0
    if known.startswith(asked):
        return 0.9
    near = can_be_guessed(asked) and can_be_guessed(known) and edits_within_one(asked, known)
    return 0.5 if near else 0.0


def score(query: list[str], fields: Mapping[str, Iterable[str]]) -> float:
    """How well the words of the fields answer the query; 0 unless every query word is answered."""
    total = 0.0
    for asked in query:
        best = max(
            (weight * likeness(asked, known) for name, weight in FIELD_WEIGHT.items() for known in fields[name]),
            default=0.0,
        )
        if best <= 0:
            return 0.0
        total += best
    name = list(fields["name"])
    exact = 10.0 if name == query else 4.0 if name[: len(query)] == query else 0.0
    return total + exact - 0.01 * len(name)
