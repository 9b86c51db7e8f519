"""Whether a sentence with a criterion's words says that it is not so: "daily looks do not inflate anything"."""

from __future__ import annotations

import re

from reelwright.practice.contract import Criterion, Predicate
from reelwright.practice.core.predicate import holds
from reelwright.practice.core.structure import STRUCTURES
from reelwright.practice.core.term import term_pattern

_NOT = r"\b(?:not|never|no|cannot|nothing|nobody|none|neither|nor|without|hardly)\b|n['’]t\b"
_OTHER_CLAUSE = re.compile(r"[,;:()]|\b(?:but|so|instead|only|because|since|and)\b", re.IGNORECASE)
_NEGATED = re.compile(
    rf"(?:\bno\s+[\w-]+|{_NOT})(?:\s+(?:have|has|had|need|needs|needed)\s+to(?:\s+be)?)?"
    r"(?:\s+(?!(?:until|unless|than|who|whose|which|that|as)\b)[\w-]+){0,2}\s+$",
    re.IGNORECASE,
)
"""A negation with what may stand between it and the word that it negates, at the end of a clause's beginning."""
_NEGATED_VERB = re.compile(
    r"\b(?:do|does|did|can|could|would|will|is|are|was|were|has|have|need|must)(?:\s+not\b|n['’]t\b)"
    r"|\bcannot\b|\bnever\b|\bneeds?\s+no\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\b(?:so|because|since|while|who|which|when|if|unless|until|and|or|but)\b|[;:]", re.IGNORECASE)
"""Where a sentence goes on to what follows from it: what is not so there ("so two nodes cannot race") was the aim."""
_MEANS_NOT = re.compile(rf"{_NOT}|\b(?:instead|rather|avoid\w*|refus\w*|un[a-z]{{3,}}|fails?|only)\b", re.IGNORECASE)


def is_denied(criterion: Criterion, sentence: str) -> bool:
    """Whether all of the criterion's needs that the sentence holds are held by words that it negates.

    A criterion that is itself about what is not ("not admitted"), and a term that holds a negation, are meant so.
    """
    if _MEANS_NOT.search(criterion.says):
        return False
    held = [one for one in criterion.needs if one.within == "sentence" and holds(one, sentence)]
    return bool(held) and all(_negates_a_term(one, sentence) or _negates_the_whole(one, sentence) for one in held)


def _negates_a_term(predicate: Predicate, sentence: str) -> bool:
    """Whether the terms of some group stand nowhere but right behind a negation."""
    return any(all(_is_negated(term, sentence) for term in group) for group in predicate.all)


def _is_negated(term: str, sentence: str) -> bool:
    found = [*term_pattern(term).finditer(sentence)]
    return not found or (not _MEANS_NOT.search(term) and all(_behind_not(sentence[: one.start()]) for one in found))


def _behind_not(before: str) -> bool:
    return _NEGATED.search(_OTHER_CLAUSE.split(before)[-1]) is not None


def _negates_the_whole(predicate: Predicate, sentence: str) -> bool:
    """Whether a verb is negated among the terms; what one did oneself is told with many a "could not"."""
    found = [
        (one, term) for group in predicate.all for term in group for one in term_pattern(term).finditer(sentence)
    ]
    if not found or STRUCTURES["own_action"].search(sentence) or any(_MEANS_NOT.search(term) for _, term in found):
        return False
    among = sentence[min(one.start() for one, _ in found) : max(one.end() for one, _ in found)]
    return _NEGATED_VERB.search(_GOES_ON.split(among)[0]) is not None
