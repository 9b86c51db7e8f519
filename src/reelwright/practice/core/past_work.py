"""Lines of a person's projects or CV, and the questions that ask about them, each quoting its line.

A quoting question is one of the bank in other words: its criteria, challenges and model answer stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from reelwright.practice.contract import Question, Stage
from reelwright.practice.core.loop import STAGE_MINUTES, draw
from reelwright.practice.core.predicate import sentences
from reelwright.practice.core.structure import STRUCTURES

CV = "cv"
"""The id of the pasted CV among the projects."""
MOST_PROJECTS = 3
LEAST_CHARS, MOST_CHARS = 24, 280
LineKind = Literal["figure", "shared", "own", "claim"]


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A project in one's own words, or a whole CV."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    text: Annotated[str, Meta(min_length=1, max_length=20_000)]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line that something can be asked about."""

    project: str
    text: str
    kind: LineKind


class LineQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage asks about a line."""

    stage: Stage
    question_id: str
    says: str
    line: Line

    @property
    def asks(self) -> str:
        """What the interviewer says: the line, and the question."""
        return f"You write: “{self.line.text}” {self.says}"


PART = "past-cv-line"
SYSTEM = "past-proudest-system"
ASKED: dict[Stage, tuple[tuple[str, dict[LineKind, str]], ...]] = {
    "recruiter": (
        (PART, {
            "figure": "What was that for, which part of it was yours, and what did the figure not show?",
            "shared": "Who is “we”? Tell me what you did yourself and what others did.",
            "own": "Tell me what that was for, in two minutes, and what it did not achieve.",
            "claim": "What happened there, what was your part, and how would I know?",
        }),
    ),
    "phone": (
        (PART, {
            "figure": "How was that measured, from what, and how do you know that your change caused it?",
            "shared": "Which part was yours, which was others’, and what did it bring, in numbers?",
            "own": "Give me a number for what it brought, how it was measured, and what surprised you.",
            "claim": "What is behind that, in numbers, and which part was yours?",
        }),
        (SYSTEM, {"figure": "Which system was that, what was yours in it, and what would break first today?"}),
    ),
    "deep_dive": (
        (SYSTEM, {
            "figure": "Draw me the system behind that number. What was yours, and what would break first today?",
            "shared": "Draw me that system. Which part was yours, and what would break first today?",
            "own": "Draw me what you made. What would break first today, and how would you see it?",
            "claim": "Draw me the system behind that. What was yours in it, and what would break first today?",
        }),
        (PART, {"figure": "Defend that line: your part, how it was measured, and what it did not achieve."}),
    ),
}  # fmt: skip
"""Questions of the bank by stage, in words for each kind of line; where one is left out, those of the first."""

_BULLET = re.compile(r"^[\s\-*•·–—>#\d.)]+")
_CONTACT = re.compile(
    r"@\w|https?://|\+?\d[\d\s()./-]{8,}\d|\b(?:curriculum|references|date of birth)\b", re.IGNORECASE
)
_VERB_FIRST = re.compile(r"^(?:[A-Z]\w+ed|Built|Led|Wrote|Ran|Made|Cut|Drove|Took|Brought|Grew|Kept)\b")
_SHARED = re.compile(
    r"\b(?:we|our|team|together|helped|contributed|involved|participated|supported)\b", re.IGNORECASE
)


def find_lines(project: Project) -> tuple[Line, ...]:
    """Lines worth asking about: claims of some length, without contact data and headings; each once."""
    found: dict[str, Line] = {}
    for raw in project.text.splitlines():
        bare = _BULLET.sub("", raw).strip()
        for span in sentences(bare):
            text = " ".join(bare[span.start : span.end].split())
            kind = _kind(text)
            if kind is not None and text not in found:
                found[text] = Line(project=project.name, text=text, kind=kind)
    return tuple(found.values())


def questions_about(
    lines: Sequence[Line], stage: Stage, *, seed: str, asked: Collection[str] = ()
) -> list[LineQuestion]:
    """What a stage asks about the lines, another line each; lines in `asked` come last."""
    order = sorted(lines, key=lambda one: (any(one.text in text for text in asked), draw(seed, stage, one.text)))
    found = []
    for (question_id, words), line in zip(ASKED.get(stage, ()), order, strict=False):
        says = words.get(line.kind) or words["figure"]
        found.append(LineQuestion(stage=stage, question_id=question_id, line=line, says=says))
    return found


def with_lines(
    plan: Sequence[str], about: Sequence[LineQuestion], bank: Mapping[str, Question], stage: Stage
) -> tuple[str, ...]:
    """The plan with the quoting questions first, and as many others as the stage's minutes hold."""
    first = [one.question_id for one in about if one.question_id in bank]
    if not first:
        return tuple(plan)
    left = STAGE_MINUTES[stage] - sum(bank[one].minutes for one in first)
    rest = []
    for name in plan:
        if name not in first and bank[name].minutes <= left:
            rest.append(name)
            left -= bank[name].minutes
    return (*first, *rest)


def _kind(text: str) -> LineKind | None:
    if not LEAST_CHARS <= len(text) <= MOST_CHARS or len(text.split()) < 4 or _CONTACT.search(text):
        return None
    if STRUCTURES["number"].search(text) and re.search(r"\d", text):
        return "figure"
    if _SHARED.search(text):
        return "shared"
    if STRUCTURES["own_action"].search(text) or _VERB_FIRST.search(text):
        return "own"
    return "claim" if re.search(r"\b\w+(?:ed|ing|s)\b", text) and text[-1] in ".!" else None
