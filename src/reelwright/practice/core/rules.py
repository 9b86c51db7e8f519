"""The rule grader: no model, one verdict a criterion, each 'met' with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from reelwright.practice.contract import Criterion, Verdict
from reelwright.practice.core.denial import is_denied
from reelwright.practice.core.evidence import rubric_hash
from reelwright.practice.core.guards import MAX_CHARS, in_another_language, standing, visible
from reelwright.practice.core.predicate import Span, find_evidence, find_met
from reelwright.practice.core.term import term_pattern

ID = "rules-4"


class RuleGrader:
    """Terms that occur together in a statement, structures beside them; what it cannot judge it says."""

    id = ID

    def grade(self, *, asks: str, criteria: Sequence[Criterion], answer: str) -> tuple[Verdict, ...]:
        """One verdict for each criterion, in their order."""
        text = visible(answer)
        if in_another_language(text[:MAX_CHARS]):
            return tuple(
                _unknown(criterion, "it is not in English, and rules read English alone") for criterion in criteria
            )
        parts = standing(text, criteria, asks)
        return tuple(self._judge(criterion, answer, text, parts) for criterion in criteria)

    def _judge(self, criterion: Criterion, answer: str, text: str, parts: Sequence[Span]) -> Verdict:
        rubric = rubric_hash(criterion)
        said = [part for part in parts if not is_denied(criterion, text[part.start : part.end])]
        spans = find_met(criterion, text, said)
        if spans:
            best = max(spans, key=lambda span: _hits(criterion, text[span.start : span.end]))
            quote = answer[best.start : best.end]
            return Verdict(
                criterion=criterion.id, state="met", start=best.start, end=best.end, quote=quote,
                confidence=0.8, grader=self.id, rubric=rubric,
            )  # fmt: skip
        if len(said) < len(parts):
            return _unknown(criterion, "its words are in the answer, but said not to be so")
        if is_scattered(criterion, text, parts):
            return _unknown(criterion, "its words are in the answer, but in no one statement")
        return Verdict(
            criterion=criterion.id, state="unmet", confidence=0.8, grader=self.id, rubric=rubric,
            says="not found",
        )  # fmt: skip


def _unknown(criterion: Criterion, says: str) -> Verdict:
    return Verdict(
        criterion=criterion.id, state="not_assessable", grader=ID, rubric=rubric_hash(criterion), says=says
    )  # fmt: skip


def is_scattered(criterion: Criterion, text: str, parts: Sequence[Span]) -> bool:
    """Whether two sentences that follow each other hold together what a criterion wants in one.

    They may mean it or not: words alone cannot tell, so rules do not.
    """
    pairs = [Span(one.start, two.end) for one, two in pairwise(parts)]
    found = [bool(find_evidence(one, text, pairs)) for one in criterion.needs if one.within == "sentence"]
    return bool(found) and (all(found) if criterion.match == "all" else any(found))


def _hits(criterion: Criterion, sentence: str) -> int:
    return sum(
        any(term_pattern(term).search(sentence) for term in group)
        for predicate in criterion.needs
        for group in predicate.all
    )
