"""Whether to begin interviewing now, and what to build first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from reelwright.practice.contract import Readiness, ReadinessItem

READY, ALMOST = 0.8, 0.5


def assess(items: Sequence[ReadinessItem], answers: Mapping[str, bool]) -> Readiness:
    """The weighted share of yes; what is not answered counts as no. The heaviest gaps come first."""
    total = sum(item.weight for item in items)
    share = sum(item.weight for item in items if answers.get(item.id)) / total if total else 0.0
    gaps = sorted((item for item in items if not answers.get(item.id)), key=lambda item: -item.weight)
    verdict: Literal["ready", "almost", "build_first"] = "almost" if share >= ALMOST else "build_first"
    if share >= READY:
        verdict = "ready"
    return Readiness(share=share, verdict=verdict, build=tuple(item.build for item in gaps))
