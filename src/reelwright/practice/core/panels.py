"""Interviews that a company runs: who may see what, what a scorecard must hold, and when people may decide.

Scorecards are sealed until every interviewer has given theirs, and so are the machine's verdicts: nobody is led by
another's view. People decide, with reasons; a machine's verdict never does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Invalid
from reelwright.practice.contract import Criterion, Question, Role, Verdict
from reelwright.practice.core.evidence import locate

DAY_MS = 86_400_000
MOST_QUESTIONS = 12
MOST_INTERVIEWERS = 8
LEAST_REASON_CHARS = 20
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Reasons = Annotated[str, Meta(min_length=LEAST_REASON_CHARS, max_length=5_000)]
SeatKind = Literal["candidate", "interviewer"]
Recommends = Literal["strong_yes", "yes", "no", "strong_no"]
Outcome = Literal["hire", "no_hire", "more_evidence"]
Viewer = str
"""`owner`, or the id of a seat."""
OWNER: Viewer = "owner"
EXCUSED = -1


class PanelDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An interview to set up."""

    candidate: Name
    role: Role
    question_ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_QUESTIONS)]
    """Of the bank, or of one's own packs."""
    interviewers: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MOST_INTERVIEWERS)]
    minutes: Annotated[int, Meta(ge=5, le=480)] = 60
    extra_time: Annotated[int, Meta(ge=0, le=200)] = 0
    """Percent, for whoever needs it; interviewers are not told."""
    retention_days: Annotated[int, Meta(ge=1, le=730)] = 90
    """Then all of it is deleted."""
    invite_days: Annotated[int, Meta(ge=1, le=60)] = 7
    """Then the links are void."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel was set up with; questions as they were that day."""

    candidate: str
    role: Role
    questions: tuple[Question, ...]
    minutes: int
    """Extra time included."""
    extra_time: int
    retention_days: int


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An interviewer's verdict on one criterion, with the candidate's words."""

    state: Literal["met", "unmet", "not_assessable"] = "not_assessable"
    quote: Annotated[str, Meta(max_length=2_000)] = ""
    source: Literal["", "written", "heard"] = ""
    """Set by us: whether the words are in the written answer, or were heard and noted."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one interviewer gives, once."""

    marks: dict[str, Mark]
    """By number of the question and criterion, as `0/bottleneck`."""
    recommends: Recommends
    reasons: Reasons


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people decided, and why."""

    outcome: Outcome
    reasons: Reasons
    decided_by: Name


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part: the candidate, or an interviewer."""

    id: str
    kind: SeatKind
    name: str
    expires_ms: int
    """When the link is void; 0: revoked; `EXCUSED`: an interviewer of whom no scorecard is waited for."""
    scorecard: Scorecard | None = None


class WrittenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the candidate wrote to one question."""

    number: int
    text: str
    at_ms: int
    late: bool
    """After the time was over; kept all the same."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one viewer may see of the scores."""

    sealed: bool
    waiting: tuple[str, ...]
    """Interviewers whose scorecard is not in."""
    scorecards: dict[str, Scorecard]
    """By name of the seat's id: all once none is missing, before only one's own."""
    verdicts: dict[int, tuple[Verdict, ...]]
    """The machine's, by question; empty while sealed."""


def token_hash(token: str) -> str:
    """What is stored of a link: whoever reads the database cannot open it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def is_sealed(seats: Sequence[Seat]) -> bool:
    """Whether some interviewer's scorecard is waited for, or none is in."""
    return bool(waited_for(seats)) or not any(one.scorecard for one in seats)


def waited_for(seats: Sequence[Seat]) -> tuple[str, ...]:
    """Interviewers whose scorecard is not in, without those who are excused."""
    return tuple(
        one.name for one in seats if one.kind == "interviewer" and one.scorecard is None and one.expires_ms != EXCUSED
    )


def seen_by(viewer: Viewer, seats: Sequence[Seat], verdicts: Mapping[int, tuple[Verdict, ...]]) -> Seen:
    """The one place that says who sees which scores. The candidate sees none."""
    me = next((one for one in seats if one.id == viewer), None)
    sealed = is_sealed(seats)
    given = {one.id: one.scorecard for one in seats if one.scorecard is not None}
    if me is not None and me.kind == "candidate":
        given, verdicts = {}, {}
    elif sealed:
        given, verdicts = {name: card for name, card in given.items() if name == viewer}, {}
    return Seen(sealed=sealed, waiting=waited_for(seats), scorecards=given, verdicts=dict(verdicts))


def checked(card: Scorecard, questions: Sequence[Question], answers: Mapping[int, str]) -> Scorecard:
    """The scorecard with the source of each quote. Raises Invalid: 'met' needs words; a criterion must be asked."""
    known = {f"{number}/{one.id}" for number, question in enumerate(questions) for one in criteria_of(question)}
    unknown = card.marks.keys() - known
    if unknown:
        raise Invalid(f"no criterion {min(unknown)[:60]!r} in this interview")
    return msgspec.structs.replace(
        card, marks={name: _sourced(name, one, answers) for name, one in card.marks.items()}
    )


def criteria_of(question: Question) -> list[Criterion]:
    """Of the question and of its challenges."""
    return [*question.criteria, *(one for challenge in question.challenges for one in challenge.criteria)]


def check_decision(seats: Sequence[Seat]) -> None:
    """Raises Invalid while scorecards are missing: whoever decides has read all of them."""
    if is_sealed(seats):
        whose = ", ".join(waited_for(seats)) or "any interviewer"
        raise Invalid(f"the scorecards of {whose} are not in; decide once they are")


def is_late(begun_ms: int, minutes: int, at_ms: int) -> bool:
    """Whether the time, extra time included, was over."""
    return at_ms > begun_ms + minutes * 60_000


def _sourced(name: str, mark: Mark, answers: Mapping[int, str]) -> Mark:
    if mark.state != "met":
        return msgspec.structs.replace(mark, source="")
    if not mark.quote.strip():
        raise Invalid(f"{name} is marked as met without the candidate's words; note what was written or said")
    place = locate(mark.quote, answers.get(int(name.split("/")[0]), ""))
    return msgspec.structs.replace(mark, source="written" if place else "heard")
