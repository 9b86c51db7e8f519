"""Missed criteria as cards to recall."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from reelwright.practice.contract import Dimension

Rating = Literal["again", "hard", "good", "easy"]


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """A criterion that the latest answer to its question did not meet."""

    question_id: str
    challenge_id: str
    criterion: str
    asks: str
    says: str
    """What an answer that meets it says."""
    dimension: Dimension
    level: int
    at_ms: int
    sample: bool = False

    @property
    def card_id(self) -> str:
        """The same for the same criterion, whenever it is missed."""
        return card_id(self.question_id, self.challenge_id, self.criterion)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a scheduler keeps of one card."""

    missed: Missed
    state: dict[str, int | float | str | None]
    """The scheduler's own."""
    due_ms: int
    reviews: int


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One card: new, or with its memory."""

    id: str
    missed: Missed
    due_ms: int
    reviews: int
    """0: not yet recalled."""


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of recalling a card."""

    card: Card
    rating: Rating
    shown: bool | None = None
    """Whether what was typed meets the criterion; None where nothing was typed."""
    quote: str = ""
    mark: float | None = None
    """From 0 to 5: how near what was typed comes to what the criterion says; it decides nothing."""


def card_id(question_id: str, challenge_id: str, criterion: str) -> str:
    """A short name for a criterion of a question or challenge."""
    return hashlib.sha256(f"{question_id}\n{challenge_id}\n{criterion}".encode()).hexdigest()[:20]


def all_cards(missed: list[Missed], memories: dict[str, Memory]) -> list[Card]:
    """Every card once, the first due first; one that is remembered keeps its own date."""
    found = {one.card_id: Card(id=one.card_id, missed=one, due_ms=one.at_ms, reviews=0) for one in missed} | {
        name: Card(id=name, missed=one.missed, due_ms=one.due_ms, reviews=one.reviews)
        for name, one in memories.items()
    }
    return sorted(found.values(), key=lambda one: (one.due_ms, one.missed.level, one.id))
