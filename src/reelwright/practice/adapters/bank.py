"""The question bank as it is packaged."""

from __future__ import annotations

import functools
from importlib import resources

from reelwright.practice.contract import Question
from reelwright.practice.core.question import read_questions


@functools.cache
def load_questions() -> tuple[Question, ...]:
    """All packaged questions, in order of area and file. Raises BadQuestions."""
    folder = resources.files("reelwright.practice") / "questions"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return tuple(one for file in files for one in read_questions(file.read_text(encoding="utf-8"), file.name))
