"""Whether a text holds what a criterion needs, and where: terms and structures that occur together in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from reelwright.practice.contract import Criterion, Predicate
from reelwright.practice.core.structure import STRUCTURES
from reelwright.practice.core.term import term_pattern


class Span(msgspec.Struct, frozen=True, order=True):
    """A piece of a text, by offsets in characters."""

    start: int
    end: int


_END = r"[\"')\]]*+(?=\s|$)"
# A run of full stops is looked at once, from its first: from each of them, a long one would take for ever.
_SENTENCE = re.compile(rf"[.!?]{{2,}}+{_END}|[^\n]+?(?:(?<![.!?])[.!?]++{_END}|(?=\n)|$)")


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space around them; a line break ends one."""
    found = []
    for match in _SENTENCE.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = start + len(match[0].strip())
        if end > start:
            found.append(Span(start, end))
    return found


def holds(predicate: Predicate, text: str) -> bool:
    """Whether this span holds all that the predicate needs."""
    return all(any(term_pattern(term).search(text) for term in group) for group in predicate.all) and all(
        STRUCTURES[structure].search(text) for structure in predicate.structures
    )


def find_evidence(predicate: Predicate, text: str, parts: Sequence[Span] | None = None) -> tuple[Span, ...]:
    """The sentences that meet the predicate: one, or for `within: answer` those with its parts; none when unmet."""
    parts = sentences(text) if parts is None else parts
    if predicate.within == "sentence":
        return next(((part,) for part in parts if holds(predicate, text[part.start : part.end])), ())
    needed = [Predicate(all=(group,)) for group in predicate.all]
    needed += [Predicate(structures=(one,)) for one in predicate.structures]
    found = [next((part for part in parts if holds(one, text[part.start : part.end])), None) for one in needed]
    return () if None in found else tuple(sorted({part for part in found if part is not None}))


def find_met(criterion: Criterion, text: str, parts: Sequence[Span] | None = None) -> tuple[Span, ...]:
    """The sentences for which a criterion is met; none when it is not."""
    parts = sentences(text) if parts is None else parts
    found = [find_evidence(predicate, text, parts) for predicate in criterion.needs]
    if criterion.match == "all":
        return tuple(sorted({span for spans in found for span in spans})) if all(found) else ()
    return next((spans for spans in found if spans), ())
