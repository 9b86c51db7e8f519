"""Short answers beside a reference: criteria derived from it, judged by the rules, and how right the whole is.

The criteria are the reference's own words that its question does not give away, found as the rules find them
(`predicate.find_met`), without their guards, since such an answer has a few words. What they say, with a few measures
of wording, goes into a logistic model; its weights come from answers that are ours or CC-BY (`fit`), never from the
set that it is measured on. Where graded answers to the same question are known, the nearest of them speak too.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from reelwright.practice.contract import Criterion, Predicate
from reelwright.practice.core.predicate import find_met

Floats = npt.NDArray[np.float64]
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
PLAIN = frozenset(
    ("a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "from", "with", "as", "is", "are", "was", "were",
     "be", "been", "it", "its", "this", "that", "these", "those", "and", "or", "but", "if", "then", "than", "so",
     "do", "does", "did", "will", "would", "can", "could", "should", "may", "might", "has", "have", "had", "i", "we",
     "you", "he", "she", "they", "them", "there", "which", "who", "what", "when", "where", "how", "why")
)  # fmt: skip
NEGATIONS = frozenset(
    ("no", "not", "never", "without", "cannot", "neither", "nor", "none", "isn", "aren", "doesn", "don", "wasn",
     "won", "nt")
)  # fmt: skip
_ENDINGS = (
    "ations", "ation", "ments", "ment", "ings", "ing", "ness", "ally", "ies", "ers", "ed", "er", "es", "ly", "al",
    "s", "e",
)  # fmt: skip


class Graded(msgspec.Struct, frozen=True):
    """A short answer with its question, references and mark from 0 to 1."""

    question: str
    asks: str
    references: tuple[str, ...]
    answer: str
    mark: float


class Model(msgspec.Struct, frozen=True):
    """A standardised logistic model."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    """One a feature, and the constant last."""

    def score(self, features: Floats) -> Floats:
        """From 0 to 1, of rows of features (n, k)."""
        x = (features - np.array(self.mean)) / np.array(self.spread)
        return np.asarray(1 / (1 + np.exp(-(x @ np.array(self.weights[:-1]) + self.weights[-1]))))


def grade(one: Graded, examples: Sequence[Graded], rare: Mapping[str, float]) -> float:
    """How right an answer is, from 0 to 1; its own mark is not looked at. Cost: O(references + examples)."""
    row = features(one.asks, one.references, one.answer, rare)
    if not examples:
        return float(ALONE.score(np.array([row]))[0])
    return float(WITH_EXAMPLES.score(np.array([[*row, *nearest(one.answer, examples, rare)]]))[0])


def stem(word: str) -> str:
    """A word without its usual ending."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def words(text: str) -> list[str]:
    """Content words, stemmed."""
    return [stem(one) for one in _WORD.findall(text.lower()) if one not in PLAIN and one not in NEGATIONS]


def derive(reference: str, asks: str) -> tuple[Criterion, ...]:
    """A criterion for each content word of a reference that its question does not hold; of all without such."""
    given = set(words(asks))
    known = dict.fromkeys(
        one for one in _WORD.findall(reference.lower()) if one not in PLAIN and one not in NEGATIONS
    )
    new = [one for one in known if stem(one) not in given] or list(known)
    return tuple(
        Criterion(
            id=one, dimension="correctness", level=3, says=f"Says {one}.",
            needs=(Predicate(all=((one, stem(one) + "*"),), within="answer"),),
        )
        for one in new
    )  # fmt: skip


def rarity(texts: Iterable[str]) -> dict[str, float]:
    """How much a word says, by how few texts hold it."""
    counts: Counter[str] = Counter()
    number = 0
    for text in texts:
        number += 1
        counts.update(set(words(text)))
    return {word: math.log((number + 1) / (count + 0.5)) for word, count in counts.items()}


def features(asks: str, references: Sequence[str], answer: str, rare: Mapping[str, float]) -> list[float]:
    """Of the reference that fits best: the rules' share of derived criteria met, and measures of wording."""
    rows = [_beside(asks, one, answer, rare) for one in references if one.strip()] or [[0.0] * SIZE]
    best = max(rows, key=lambda row: row[0] + row[3] + row[5])
    return [*best, float(np.mean([row[3] for row in rows]))]


SIZE = 12


def _beside(asks: str, reference: str, answer: str, rare: Mapping[str, float]) -> list[float]:
    criteria = derive(reference, asks)
    weigh = [rare.get(stem(one.id), 5.0) for one in criteria]
    met = [bool(find_met(one, answer)) for one in criteria]
    told, meant, given = words(answer), words(reference), set(words(asks))
    a, r = set(told), set(meant)
    both = sum(rare.get(one, 5.0) for one in a & r)
    recall, precision = both / (_sum(r, rare) or 1), both / (_sum(a, rare) or 1)
    new = a - given
    pairs_a, pairs_r = set(pairwise(told)), set(pairwise(meant))
    return [
        sum(w for w, one in zip(weigh, met, strict=True) if one) / (sum(weigh) or 1),
        sum(met) / (len(met) or 1),
        recall,
        2 * recall * precision / (recall + precision) if both else 0.0,
        len(pairs_a & pairs_r) / (len(pairs_r) or 1),
        grams(answer, reference),
        _sum(new & r, rare) / (_sum(new, rare) or 1),
        float(_negated(answer) != _negated(reference)),
        math.log1p(len(told)),
        math.log((len(told) + 1) / (len(meant) + 1)),
        len(a & given) / (len(a) or 1),
        float(len(new) == 0),
    ]


def _sum(some: Iterable[str], rare: Mapping[str, float]) -> float:
    return sum(rare.get(one, 5.0) for one in some)


def _negated(text: str) -> bool:
    return sum(one in NEGATIONS for one in re.findall(r"[a-z]+", text.lower())) % 2 == 1


def grams(one: str, other: str) -> float:
    """Cosine of runs of four letters."""
    a, b = _letters(one), _letters(other)
    dot = sum(count * b[gram] for gram, count in a.items())
    size = math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
    return dot / size if size else 0.0


@functools.lru_cache(maxsize=20_000)
def _letters(text: str) -> Counter[str]:
    flat = f"  {' '.join(_WORD.findall(text.lower()))}  "
    return Counter(flat[at : at + 4] for at in range(len(flat) - 3))


@functools.lru_cache(maxsize=20_000)
def _content(text: str) -> frozenset[str]:
    return frozenset(words(text))


def nearest(answer: str, examples: Sequence[Graded], rare: Mapping[str, float], *, count: int = 5) -> list[float]:
    """What the most alike graded answers to the same question got: best right, best wrong, and their mean mark."""
    a = _content(answer)
    like = [_alike(a, _content(one.answer), rare) + grams(answer, one.answer) for one in examples]
    near = sorted(zip(like, (one.mark for one in examples), strict=True), reverse=True)
    right = max((one for one, mark in near if mark >= 0.5), default=0.0)
    wrong = max((one for one, mark in near if mark < 0.5), default=0.0)
    top = near[:count]
    total = sum(one**4 for one, _ in top)
    return [right, wrong, right - wrong, sum(one**4 * mark for one, mark in top) / total if total else 0.5]


def _alike(a: frozenset[str], b: frozenset[str], rare: Mapping[str, float]) -> float:
    return _sum(a & b, rare) / (_sum(a | b, rare) or 1)


def fit(rows: Floats, marks: Floats, *, weighs: Floats | None = None, ridge: float = 3.0, steps: int = 30) -> Model:
    """Weights by Newton's method with a ridge; marks from 0 to 1, each row weighs 1 or as told."""
    weighs = np.ones(len(rows)) if weighs is None else weighs
    mean = np.average(rows, axis=0, weights=weighs)
    spread = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weighs)) + 1e-9
    x = np.hstack([(rows - mean) / spread, np.ones((len(rows), 1))])
    weights, keep = np.zeros(x.shape[1]), np.full(x.shape[1], ridge)
    keep[-1] = 0.0
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (weighs * (marks - p)) - keep * weights
        curve = (x * (weighs * p * (1 - p))[:, None]).T @ x + np.diag(keep + 1e-9)
        weights = weights + np.linalg.solve(curve, slope)
    return Model(tuple(map(float, mean)), tuple(map(float, spread)), tuple(map(float, weights)))


ALONE = Model(
    mean=(
        0.54, 0.567, 0.491, 0.412, 0.211, 0.431, 0.384, 0.249, 1.7, -0.113, 0.199, 0.011, 0.278,
    ),
    spread=(
        0.379, 0.367, 0.335, 0.289, 0.276, 0.234, 0.347, 0.433, 0.474, 0.549, 0.247, 0.106, 0.214,
    ),
    weights=(
        -2.246, 2.709, 0.436, 0.13, 0.158, 0.515, -0.115, -0.524, 0.029, 0.18, -0.101, -0.102, 0.068, -0.578,
    ),
)  # fmt: skip
"""Fitted on the 3,941 training answers of Beetle (CC-BY 4.0), without examples."""
WITH_EXAMPLES = Model(
    mean=(
        0.54, 0.567, 0.491, 0.412, 0.211, 0.431, 0.384, 0.249, 1.7, -0.113, 0.199, 0.011, 0.278, 1.099, 1.128,
        -0.028, 0.514,
    ),
    spread=(
        0.379, 0.367, 0.335, 0.289, 0.276, 0.234, 0.347, 0.433, 0.474, 0.549, 0.247, 0.106, 0.214, 0.553,
        0.441, 0.51, 0.39,
    ),
    weights=(
        -1.342, 1.662, 0.543, -0.342, 0.101, 0.262, -0.098, -0.431, 0.203, -0.007, -0.122, -0.037, -0.099,
        0.56, 0.096, 0.524, 0.866, -0.771,
    ),
)  # fmt: skip
"""The same, each answer beside the other graded ones of its question."""
