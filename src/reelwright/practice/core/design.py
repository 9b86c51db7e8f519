"""A design round: its phases, what was found out, drawn and estimated, and what asking and drawing show."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from reelwright.practice.contract import Dimension, Question
from reelwright.practice.core.board import Board, judge_board
from reelwright.practice.core.facts import ENOUGH

Phase = Literal["requirements", "estimates", "api", "data", "architecture", "deep_dive", "failure", "evolution"]
PHASES: tuple[Phase, ...] = get_args(Phase)
HINTS: dict[Phase, str] = {
    "requirements": "What it must do, for whom, and what it need not do. Ask before you assume.",
    "estimates": "Requests, bytes, machines, money; with units, from what you were told.",
    "api": "The two or three calls that matter, with what they promise.",
    "data": "What is kept, under which key, how it grows, who may lose it.",
    "architecture": "The board in sentences: why these boxes and not fewer.",
    "deep_dive": "The part that is hard. How it works, to the last step.",
    "failure": "What breaks first, who notices, what still works.",
    "evolution": "Ten times as much; what you would do in a year; what would make you change your mind.",
}
MOST_CHARS = 39_000
"""Of all phases together: they become one answer."""


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did in a design round beside answering."""

    phases: dict[Phase, str] = {}
    asked: tuple[str, ...] = ()
    """Facts that were found out by asking, by name."""
    questions: int = 0
    """Clarifying questions asked, those that found nothing included."""
    board: Board = Board()
    numbers: dict[str, float] = {}
    """Of the last run."""
    judged: tuple[tuple[Dimension, int, bool], ...] = ()
    """What asking and the board showed when the notes went into the answer."""


def judge_design(design: Design, question: Question) -> tuple[tuple[Dimension, int, bool], ...]:
    """Asking is worth communication 3; what the board shows counts where one was drawn."""
    found: list[tuple[Dimension, int, bool]] = [("communication", 3, len(design.asked) >= ENOUGH)]
    if design.board.boxes:
        found += [(one.dimension, one.level, one.met) for one in judge_board(design.board, question.area)]
    return tuple(found)


def written(design: Design) -> str:
    """The phases as one answer, each under its name, those left empty left out."""
    parts = [(phase, design.phases.get(phase, "").strip()) for phase in PHASES]
    return "\n\n".join(f"{phase.replace('_', ' ').capitalize()}.\n{text}" for phase, text in parts if text)
