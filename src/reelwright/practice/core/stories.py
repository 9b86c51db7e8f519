"""Stories of one's own work: where they have gaps, where one is told too often, and what in them would be doubted.

Flags read words and structure with the detectors that judge answers; they do not know whether a story is true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from reelwright.practice.core.predicate import sentences
from reelwright.practice.core.structure import STRUCTURES

Topic = Literal["judgment", "impact", "courage", "candor", "failure", "disagreement", "standards"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
PARTS = ("situation", "own_action", "outcome", "reflection")
FlagKind = Literal["missing_part", "we", "no_number", "hypothetical", "no_change"]
MOST_TOPICS = 3
"""A story told for more topics than this is heard twice in one loop: its interviewers compare notes."""
PartText = Annotated[str, Meta(max_length=4000)]

_WE = re.compile(r"\b(?:we|us|our|ours|the team|my team)\b", re.IGNORECASE)
_HYPOTHETICAL = re.compile(
    r"\b(?:would(?: have)?|could have|should have|typically|usually|normally|in general|generally|ideally|"
    r"if (?:I|we) (?:were|had)|I(?: a|')m the kind|imagine|hypothetically|tend to|always try)\b",
    re.IGNORECASE,
)


class Story(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was the case, what one did oneself, what came of it by measure, what one does otherwise since."""

    title: Annotated[str, Meta(min_length=1, max_length=120)]
    situation: PartText = ""
    own_action: PartText = ""
    outcome: PartText = ""
    reflection: PartText = ""
    shows: tuple[Topic, ...] = ()


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """What would be doubted, in which part, by which words."""

    kind: FlagKind
    part: str
    quote: str
    """Words of the story; empty where something is missing."""
    says: str


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Which stories speak for which topic."""

    told: dict[Topic, tuple[str, ...]]
    """Ids of stories by topic."""
    gaps: tuple[Topic, ...]
    """Topics without a story."""
    overused: dict[str, tuple[Topic, ...]]
    """Stories that are told for too many topics."""
    only: dict[str, tuple[Topic, ...]]
    """What nobody but this story speaks for: lost when it is asked for twice."""


def find_flags(story: Story) -> tuple[Flag, ...]:
    """What an interviewer would doubt, in the order of the parts."""
    missing = [
        Flag(kind="missing_part", part=part, quote="", says=f"There is no {_named(part)} yet.")
        for part in PARTS
        if not getattr(story, part).strip()
    ]
    return (*missing, *_shared(story), *_unmeasured(story), *_hypotheticals(story), *_unchanged(story))


def draw_matrix(stories: Mapping[str, Story]) -> Matrix:
    """Gaps and overuse over all stories."""
    told = {topic: tuple(id for id, story in stories.items() if topic in story.shows) for topic in TOPICS}
    return Matrix(
        told=told,
        gaps=tuple(topic for topic in TOPICS if not told[topic]),
        overused={id: story.shows for id, story in stories.items() if len(set(story.shows)) > MOST_TOPICS},
        only={
            id: alone
            for id, story in stories.items()
            if len(alone := tuple(topic for topic in TOPICS if told[topic] == (id,))) > 1
        },
    )


def _shared(story: Story) -> list[Flag]:
    """Sentences of the action that say 'we' and no own part."""
    return [
        Flag(kind="we", part="own_action", quote=said, says="Says “we” without your own part: what did you do?")
        for said in _said(story.own_action)
        if _WE.search(said) and not STRUCTURES["own_action"].search(said)
    ]


def _unmeasured(story: Story) -> list[Flag]:
    if not story.outcome.strip() or STRUCTURES["number"].search(story.outcome):
        return []
    return [
        Flag(
            kind="no_number", part="outcome", quote=_said(story.outcome)[0],
            says="No number: by how much, from what, measured how?",
        )
    ]  # fmt: skip


def _hypotheticals(story: Story) -> list[Flag]:
    """What one would do is no story; a reflection may say it."""
    return [
        Flag(kind="hypothetical", part=part, quote=said, says="Hypothetical: tell what happened that one time.")
        for part in ("own_action", "outcome")
        for said in _said(getattr(story, part))
        if _HYPOTHETICAL.search(said)
    ]


def _unchanged(story: Story) -> list[Flag]:
    if not story.reflection.strip() or STRUCTURES["reflection"].search(story.reflection):
        return []
    said = _said(story.reflection)[0]
    return [
        Flag(kind="no_change", part="reflection", quote=said, says="Nothing changed: what do you do otherwise since?")
    ]


def _said(text: str) -> list[str]:
    return [text[one.start : one.end] for one in sentences(text)] or [text.strip()]


def _named(part: str) -> str:
    return {"own_action": "action of your own", "outcome": "measured outcome"}.get(part, part)
