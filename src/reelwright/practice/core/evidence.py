"""Quotes: a verdict 'met' stands only on words that are in the transcript."""

from __future__ import annotations

import hashlib
import re

import msgspec

from reelwright.practice.contract import Criterion, Verdict

MIN_QUOTE = 12
"""Characters; a shorter quote could be found in any answer."""


def rubric_hash(criterion: Criterion) -> str:
    """What was judged, so that verdicts on an older wording are told from those on a newer."""
    return hashlib.sha256(msgspec.json.encode(criterion)).hexdigest()[:16]


def is_quoted(verdict: Verdict, transcript: str) -> bool:
    """Whether a met verdict's quote is not empty and equals the transcript at its offsets."""
    return verdict.state != "met" or (
        0 <= verdict.start < verdict.end <= len(transcript)
        and transcript[verdict.start : verdict.end] == verdict.quote
        and bool(verdict.quote.strip())
    )


def locate(quote: str, transcript: str) -> tuple[int, int] | None:
    """Where the quote is in the transcript, white space and case apart; None when it is not, or is too short."""
    words = quote.split()
    if sum(map(len, words)) < MIN_QUOTE or len(words) < 3 or len(quote) > len(transcript) + 100:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), transcript, re.IGNORECASE)
    return (found.start(), found.end()) if found else None
