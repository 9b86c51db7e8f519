"""How alike two titles are, and in which words to say so.

Each genre and each person that two titles share counts by its rarity in the catalogue (inverse document frequency:
log((n + 1) / (n_with + 1))), divided by the square root of the lengths of both, so that a title with many genres is
not like everything. A genre that every title has counts nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from reelwright.catalog.contract import Title
from reelwright.kernel.ids import TitleId

PERSON_WEIGHT = 1.5
"""A shared director says more than a shared genre of the same rarity."""
ROLES = {"director": "the director", "writer": "the writer", "composer": "the composer", "actor": "", "other": ""}


class Alike(msgspec.Struct, frozen=True):
    """A title that is like another: how much (0..1, larger is closer) and in which words."""

    title_id: TitleId
    score: float
    evidence: str


class Likeness:
    """The catalogue's words, weighed once."""

    def __init__(self, titles: Sequence[Title]) -> None:
        self._words = {title.id: words_of(title) for title in titles}
        count = Counter(word for words in self._words.values() for word in words)
        self._weight = {
            word: math.log((len(titles) + 1) / (found + 1)) * (PERSON_WEIGHT if word[0] == "person" else 1)
            for word, found in count.items()
        }
        self._norm = {title_id: math.sqrt(self._sum(words)) for title_id, words in self._words.items()}
        self._having: dict[tuple[str, str], list[TitleId]] = {}
        for title_id, words in self._words.items():
            for word in words:
                self._having.setdefault(word, []).append(title_id)

    def _sum(self, words: Iterable[tuple[str, str]]) -> float:
        return math.fsum(self._weight[word] for word in words)  # the same in whatever order a set has them

    def alike(self, seed: Title) -> list[Alike]:
        """Titles that share something with `seed`, closest first; O(titles that share a word)."""
        own = self._words.get(seed.id, frozenset())
        candidates = {title_id for word in own for title_id in self._having[word]} - {seed.id}
        found = []
        for title_id in candidates:
            shared = own & self._words[title_id]
            length = self._norm[seed.id] * self._norm[title_id]
            score = self._sum(shared) / length if length else 0.0
            if score > 0:
                found.append(Alike(title_id, score, self._say(seed, shared)))
        return sorted(found, key=lambda row: (-row.score, row.title_id))

    def _say(self, seed: Title, shared: frozenset[tuple[str, str]]) -> str:
        rarest = sorted(shared, key=lambda word: (-self._weight[word], word))[:2]
        names = {(kind, name.casefold()): name for kind, name in _named(seed)}
        roles = {person.name.casefold(): ROLES[person.role] for person in seed.people}
        told = [f"{roles.get(word[1], '')} {names[word]}".strip() for word in rarest]
        return f"shares {' and '.join(told)}"


def words_of(title: Title) -> frozenset[tuple[str, str]]:
    """What a title can share: ("genre", name) and ("person", name), case folded."""
    return frozenset((kind, name.casefold()) for kind, name in _named(title))


def _named(title: Title) -> list[tuple[str, str]]:
    return [("genre", genre) for genre in title.genres] + [("person", person.name) for person in title.people]
