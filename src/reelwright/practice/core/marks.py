"""A mark from 0 to 5 for a short answer beside its reference.

Each word of the reference looks for the word of the answer that is most alike, and the other way round; words that
the question gives away hardly count. How alike two words are says either their spelling (`Spelling`, always there) or
a small language model that has read them in their sentence (`adapters.meaning`, an extra). What comes of it becomes a
mark by a logistic curve fitted on short answers of our own (`gold/short`); what to look at was chosen there, leaving
whole questions out, and on Beetle's training answers (CC BY 4.0). Aligning words and demoting those of the question
follow Sultan, Salazar, Sumner (NAACL 2016); the sums follow BERTScore (Zhang et al., ICLR 2020).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.practice.core.guards import visible
from reelwright.practice.core.reference import NEGATIONS, PLAIN, Graded, Model, fit, grams, stem, words

Floats = npt.NDArray[np.float64]
TOP = 5.0
MOST_CHARS = 2_000
"""Of a short answer the beginning is marked."""
PLAIN_WEIGHT, NOT_WEIGHT, GIVEN_WEIGHT = 0.02, 0.5, 0.05
"""Weight of articles and auxiliaries, of negations, and of words of the question; any other word weighs 1."""
MIX = ((0.75, 0.02), (1.75, 0.04), (2.75, 0.09), (3.75, 0.13), (4.75, 0.22), (5.25, 0.5))
"""Marks below the first number, and their share in a class that has studied (`gold/short/README.md`)."""
RIDGE = 10.0
"""Holds the spread of marks a little smaller than our own answers alone would: other people's are harder to tell."""
FEATURES = ("told", "meant", "alike", "echo", "nothing new", "silent")

_UNKNOWN = re.compile(r"\b(?:no idea|not sure|(?:don'?t|do not) know)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")


class Read(msgspec.Struct, frozen=True, eq=False):
    """A text as somebody read it."""

    pieces: tuple[str, ...]
    """Its words in lower case; a piece that goes on with the word before it begins with `##`."""
    vectors: Floats
    """A row a piece."""


class Reader(Protocol):
    """Says how alike words and texts are."""

    @property
    def id(self) -> str:
        """Its name in `MODELS`."""
        ...

    def read(self, text: str) -> Read:
        """A text's pieces with what compares them. The same for the same text."""
        ...

    def alike(self, one: Read, other: Read) -> Floats:
        """From 0 to 1, of each piece of one with each of the other."""
        ...

    def near(self, one: Read, other: Read, weights: tuple[Floats, Floats]) -> float:
        """From 0 to 1, of both texts as wholes, in which each piece counts as told."""
        ...


class Spelling:
    """Words are alike when they are one word in another form, or one of them misspelt."""

    id = "spelling"

    def read(self, text: str) -> Read:
        """The words, and no vectors."""
        return Read(tuple(_WORD.findall(text.lower())), np.zeros((0, 0)))

    def alike(self, one: Read, other: Read) -> Floats:
        """By stem, by beginning, by distance in letters."""
        rows = [[like(stem(a), stem(b)) for b in other.pieces] for a in one.pieces]
        return np.array(rows, dtype=np.float64).reshape(len(one.pieces), len(other.pieces))

    def near(self, one: Read, other: Read, weights: tuple[Floats, Floats]) -> float:
        """The cosine of runs of four letters, of the words that count at all."""
        kept = [
            " ".join(piece for piece, weight in zip(read.pieces, some, strict=True) if weight > GIVEN_WEIGHT)
            for read, some in zip((one, other), weights, strict=True)
        ]
        return grams(*kept)


def mark(one: Graded, reader: Reader) -> float:
    """How much of 5 an answer is worth; its own mark is not looked at. Cost: O(references), words squared."""
    row = features(one.asks, one.references, one.answer, reader)
    return TOP * float(MODELS[reader.id].score(np.array([row]))[0])


def features(asks: str, references: Sequence[str], answer: str, reader: Reader) -> list[float]:
    """What the answer tells of the reference that fits best (`FEATURES`)."""
    told = visible(answer)[:MOST_CHARS].replace("\u0000", "")
    read, question = reader.read(told), reader.read(asks)
    given = set(words(asks))
    new = set(words(told)) - given
    silent = float(not words(told) or bool(_UNKNOWN.search(told)))
    rows = [_beside(read, reader.read(one), given, reader) for one in references if one.strip()]
    best = max(rows, key=lambda row: row[0] + row[1], default=[0.0, 0.0, 0.0])
    echo = reader.near(read, question, (np.ones(len(read.pieces)), np.ones(len(question.pieces))))
    return [*best, echo, float(not new), silent]


def _beside(answer: Read, reference: Read, given: set[str], reader: Reader) -> list[float]:
    if not answer.pieces or not reference.pieces:
        return [0.0, 0.0, 0.0]
    alike = reader.alike(reference, answer)
    weights = weigh(reference.pieces, given), weigh(answer.pieces, given)
    return [
        _mean(alike.max(axis=1), weights[0]),
        _mean(alike.max(axis=0), weights[1]),
        reader.near(reference, answer, weights),
    ]


def _mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float(values @ weights) / total if total else 0.0


def weigh(pieces: Sequence[str], given: set[str]) -> Floats:
    """What each piece counts: those of one word share its weight."""
    starts = [at for at, piece in enumerate(pieces) if at == 0 or not piece.startswith("##")]
    weights = np.zeros(len(pieces))
    for start, end in zip(starts, [*starts[1:], len(pieces)], strict=True):
        word = pieces[start] + "".join(piece[2:] for piece in pieces[start + 1 : end])
        weights[start:end] = _weight(word, given) / (end - start)
    return weights


def _weight(word: str, given: set[str]) -> float:
    if not word[:1].isalnum():
        return 0.0
    if word in NEGATIONS:
        return NOT_WEIGHT
    if word in PLAIN:
        return PLAIN_WEIGHT
    return GIVEN_WEIGHT if stem(word) in given else 1.0


@functools.lru_cache(maxsize=100_000)
def like(one: str, other: str) -> float:
    """How alike two stems are by their letters: 1 for the same, less for a shared beginning or one misspelt."""
    if one == other:
        return 1.0
    if one.isdigit() or other.isdigit() or one[:1] != other[:1]:
        return 0.0
    short, long = sorted((len(one), len(other)))
    common = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), short)
    if common >= 4 and common >= short - 1 and common >= 0.6 * long:
        return 0.8
    if short >= 5 and _edits(one, other) <= (1 if short < 8 else 2):
        return 0.85
    return 0.0


def _edits(one: str, other: str) -> int:
    """Letters to add, drop, replace or swap with their neighbour (optimal string alignment)."""
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    table[:, 0], table[0, :] = range(len(one) + 1), range(len(other) + 1)
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            best = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                best = min(best, table[i - 2, j - 2] + 1)
            table[i, j] = best
    return int(table[-1, -1])


def shares(marks: Floats) -> Floats:
    """What each answer weighs so that marks come in the mix of a class; together they weigh their number."""
    place = np.digitize(marks, [below for below, _ in MIX[:-1]])
    counts = np.bincount(place, minlength=len(MIX))
    each = np.array([share for _, share in MIX]) / np.maximum(counts, 1)
    return np.asarray(each[place] * len(marks) / each[place].sum())


def fit_marks(graded: Sequence[Graded], reader: Reader) -> Model:
    """The curve for a reader, on graded answers in the mix of a class."""
    rows = np.array([features(one.asks, one.references, one.answer, reader) for one in graded])
    marks = np.array([one.mark for one in graded])
    return fit(rows, marks, weighs=shares(TOP * marks), ridge=RIDGE)


def leave_out(graded: Sequence[Graded], reader: Reader, *, parts: int = 10) -> Floats:
    """Marks from 0 to 5, each question's by a curve fitted without it: every tenth question at a time."""
    rows = np.array([features(one.asks, one.references, one.answer, reader) for one in graded])
    marks = np.array([one.mark for one in graded])
    order = {name: at % parts for at, name in enumerate(dict.fromkeys(one.question for one in graded))}
    part = np.array([order[one.question] for one in graded])
    found = np.zeros(len(graded))
    for one in set(order.values()):
        known = part != one
        curve = fit(rows[known], marks[known], weighs=shares(TOP * marks[known]), ridge=RIDGE)
        found[~known] = TOP * curve.score(rows[~known])
    return found


MODELS = {
    "spelling": Model(
        mean=(0.213, 0.309, 0.188, 0.11, 0.007, 0.022),
        spread=(0.164, 0.226, 0.145, 0.098, 0.081, 0.147),
        weights=(0.747, -0.191, 0.501, -0.113, -0.115, -0.411, 1.754),
    ),
    "meaning": Model(
        mean=(0.453, 0.527, 0.514, 0.409, 0.007, 0.022),
        spread=(0.152, 0.162, 0.178, 0.17, 0.081, 0.147),
        weights=(0.736, -0.006, 0.488, -0.35, -0.087, -0.28, 1.774),
    ),
}
"""`fit_marks` on `gold/short`: 539 answers to 57 questions, all ours (tested to be what the fit gives)."""
