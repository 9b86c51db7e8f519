"""Quotes: a verdict 'met' stands only on words that are in the transcript."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from itertools import accumulate

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
    """Where the quote is in the transcript, white space and case apart; None when it is not, or is too short.

    Cost: linear in both, also where a quote is nearly found everywhere.
    """
    words = quote.split()
    if sum(map(len, words)) < MIN_QUOTE or len(words) < 3 or len(quote) > len(transcript) + 100:
        return None
    spoken = list(re.finditer(r"\S+", transcript))
    wanted = _without_case(" ".join(words))
    first = _without_case(" ".join(one[0] for one in spoken)).find(wanted)
    if first < 0:
        return None
    starts = list(accumulate((len(one[0]) + 1 for one in spoken), initial=0))

    def in_transcript(at: int) -> int:
        word = bisect_right(starts, at) - 1
        return spoken[word].start() + at - starts[word]

    return in_transcript(first), in_transcript(first + len(wanted) - 1) + 1


def _without_case(text: str) -> str:
    """The text in small letters, letter for letter as long as before."""
    if text.isascii():
        return text.lower()
    return "".join(small if len(small := one.lower()) == 1 else one for one in text)
