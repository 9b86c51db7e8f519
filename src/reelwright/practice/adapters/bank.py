"""The question bank as it is packaged, and question files of one's own."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path

from reelwright.practice.contract import BadQuestions, Problem, Question
from reelwright.practice.core.question import read_questions


@functools.cache
def load_questions() -> tuple[Question, ...]:
    """All packaged questions, in order of area and file. Raises BadQuestions."""
    folder = resources.files("reelwright.practice") / "questions"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return tuple(one for file in files for one in read_questions(file.read_text(encoding="utf-8"), file.name))


def read_file(path: Path) -> tuple[Question, ...]:
    """The questions of a file. Raises BadQuestions, also where the file is no text."""
    try:
        return read_questions(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise BadQuestions([Problem(str(path), 1, f"not UTF-8 at byte {error.start}")]) from None
