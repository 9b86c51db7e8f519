"""Whose verdicts move a curve."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def counts(opinion: Mapping[str, Any], passed: Collection[str]) -> bool:
    """Whether an opinion moves the curve: another person's, or that of a model which passed its calibration."""
    if not opinion["verdicts"]:
        return False
    return opinion["kind"] == "human" or (opinion["kind"] == "llm" and opinion["grader"] in passed)
