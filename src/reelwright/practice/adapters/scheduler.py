"""FSRS-6: when a card comes back, by the library of its authors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fsrs import Card, Rating, Scheduler

from reelwright.practice.core.cards import Rating as Rated

RETENTION = 0.9
"""The probability of recall at which a card comes back."""
_RATINGS = {"again": Rating.Again, "hard": Rating.Hard, "good": Rating.Good, "easy": Rating.Easy}


def recall(state: dict[str, Any] | None, rating: Rated, *, now_ms: int) -> tuple[dict[str, Any], int]:
    """The card's state after a review, and when it is due, in ms; the same every time, without fuzz.

    Steps within a day are left out: whoever practises comes once a day. A clock that was set back counts as no time.
    """
    scheduler = Scheduler(desired_retention=RETENTION, learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    card = Card.from_dict(state) if state else Card(card_id=1)  # type: ignore[arg-type]
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if card.last_review and card.last_review > now:
        now = card.last_review
    card, _ = scheduler.review_card(card, _RATINGS[rating], review_datetime=now)
    return dict(card.to_dict()), round(card.due.timestamp() * 1000)
