"""From an interview's date and the hours of a week to a plan by day, with one thing to do today.

The plan is a function of what is known today, and is made anew whenever it is looked at: what was done is no longer
in it, what was missed moves on, nothing piles up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from reelwright.practice.contract import Dimension, Skill, Stage
from reelwright.practice.core.loop import STAGE_MINUTES, STAGE_NAMES

MOST_DAYS = 180
MOST_MINUTES_A_DAY = 240
CARD_MINUTES = 2
EVE_MINUTES = 30
ActionKind = Literal["readiness", "past_work", "story", "cards", "stage", "lab", "round", "eve", "interview"]
STAGE_OF: dict[Dimension, Stage] = {
    "correctness": "coding", "scale": "design", "design": "design", "domain": "deep_dive", "reliability": "phone",
    "judgment": "behavioural", "impact": "recruiter", "communication": "product", "leadership": "manager",
}  # fmt: skip
"""The stage that asks most about a dimension."""


class PlanWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of their time."""

    interview: date
    hours_a_week: Annotated[float, Meta(ge=0.5, le=60)] = 5.0
    begins_at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "18:00"
    """Of a day's practice, in the calendar's own time zone."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a person today."""

    answered: bool
    skills: tuple[Skill, ...]
    story_gaps: tuple[str, ...]
    has_lines: bool
    cards_due: int
    labs_open: tuple[tuple[str, str], ...]
    """Id and title of labs without a valid run on hidden seeds."""
    rounds_open: tuple[tuple[str, Stage], ...]
    """Loop and stage of the rounds that a loop still has."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do."""

    kind: ActionKind
    title: str
    minutes: int
    href: str
    why: str


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day's actions, the most important first."""

    date: date
    actions: tuple[Action, ...]

    @property
    def minutes(self) -> int:
        """All of the day's."""
        return sum(one.minutes for one in self.actions)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The days until the interview."""

    wish: PlanWish
    days: tuple[Day, ...]
    """Those with something to do, and the day of the interview."""
    today: Action | None
    """The one thing to do now; None once the interview is over."""
    left_out: int
    """Things worth doing for which the hours do not last."""


def make_plan(wish: PlanWish, known: Known, today: date) -> Plan:
    """Day by day: what is missing first, rounds of the loop towards the end, and an easy eve."""
    left = (wish.interview - today).days
    if left < 0:
        return Plan(wish=wish, days=(), today=None, left_out=0)
    work = list(_work(known)) or [_upkeep(known)]
    days: list[Day] = []
    budget = max(wish.hours_a_week * 60 / 7, 1)
    saved = _first_budget(budget, work)
    for ahead in range(min(left, MOST_DAYS)):
        if ahead == left - 1 and left > 1:
            days.append(Day(date=today + timedelta(days=ahead), actions=(_eve(known),)))
            break
        actions, saved = _fill(work, min(saved, MOST_MINUTES_A_DAY), _cards(known) if ahead == 0 else _recall(ahead))
        if actions:
            days.append(Day(date=today + timedelta(days=ahead), actions=actions))
        saved += budget
    days.append(Day(date=wish.interview, actions=(_interview(),)))
    return Plan(wish=wish, days=tuple(days), today=days[0].actions[0], left_out=len(work))


def _first_budget(budget: float, work: Sequence[Action]) -> float:
    """Today's: a day's share, but enough for the first thing, so that today is never empty."""
    return max(budget, work[0].minutes if work else 0)


def _fill(work: list[Action], minutes: float, cards: Action | None) -> tuple[tuple[Action, ...], float]:
    """Takes from `work` what fits; returns the actions and the minutes that are left."""
    chosen: list[Action] = []
    if cards and cards.minutes <= minutes:
        chosen.append(cards)
        minutes -= cards.minutes
    while work and work[0].minutes <= minutes:
        minutes -= work[0].minutes
        chosen.append(work.pop(0))
    chosen.sort(key=lambda one: one.kind == "cards")  # cards go after what matters most
    return tuple(chosen), minutes


def _work(known: Known) -> Iterator[Action]:
    """What is worth doing, the most valuable first: foundations, then story, stage and lab in turn, then rounds."""
    if not known.answered:
        yield Action(
            kind="readiness", title="Check whether you are ready", minutes=10, href="/practice/guide/readiness",
            why="It says what to build first.",
        )  # fmt: skip
    if not known.has_lines:
        yield Action(
            kind="past_work", title="Paste your CV or three projects", minutes=20, href="/practice/past-work",
            why="Three stages ask about your own lines.",
        )  # fmt: skip
    yield from _in_turn(list(map(_story, known.story_gaps)), _weak(known.skills), list(map(_lab, known.labs_open)))
    for loop_id, stage in known.rounds_open:
        yield Action(
            kind="round", title=f"Round of your loop: {STAGE_NAMES[stage].lower()}", minutes=STAGE_MINUTES[stage],
            href=f"/practice/loops/{loop_id}", why="The committee decides from whole loops.",
        )  # fmt: skip


def _in_turn(*queues: list[Action]) -> Iterator[Action]:
    while any(queues):
        for queue in queues:
            if queue:
                yield queue.pop(0)


def _weak(skills: Sequence[Skill]) -> list[Action]:
    """Two stages for each dimension that may be below a bar of 3, the lowest first; all where nothing is known."""
    known = {one.dimension: one for one in skills}
    order = sorted(STAGE_OF, key=lambda one: known[one].low if one in known else -1.0)
    low = [one for one in order if one not in known or known[one].low < 3.0]
    return [_stage(one, known.get(one)) for _ in range(2) for one in low]


def _stage(dimension: Dimension, skill: Skill | None) -> Action:
    stage = STAGE_OF[dimension]
    why = f"{dimension.capitalize()} was not judged yet."
    if skill:
        why = f"{dimension.capitalize()} may be as low as {max(0.0, skill.low):.1f} of 5."
    return Action(
        kind="stage", title=f"Practise a stage: {STAGE_NAMES[stage].lower()}", minutes=STAGE_MINUTES[stage],
        href=f"/practice?stage={stage}#start", why=why,
    )  # fmt: skip


def _upkeep(known: Known) -> Action:
    lowest = min(known.skills, key=lambda one: one.low, default=None)
    return _stage(lowest.dimension if lowest else "judgment", lowest)


def _story(topic: str) -> Action:
    return Action(
        kind="story", title=f"Write a story of {topic}", minutes=30, href=f"/practice/stories/new?shows={topic}",
        why="No story of yours speaks for it.",
    )  # fmt: skip


def _lab(lab: tuple[str, str]) -> Action:
    return Action(
        kind="lab", title=f"Lab: {lab[1]}", minutes=90, href=f"/practice/labs/{lab[0]}",
        why="Not yet valid on hidden seeds.",
    )  # fmt: skip


def _cards(known: Known) -> Action | None:
    if not known.cards_due:
        return None
    count = min(10, known.cards_due)
    return Action(
        kind="cards", title=f"Recall {count} of {known.cards_due} missed points",
        minutes=CARD_MINUTES * count, href="/practice/cards", why="They are due.",
    )  # fmt: skip


def _recall(ahead: int) -> Action | None:
    """Later cards are not known yet; every third day keeps room for them."""
    return (
        Action(
            kind="cards",
            title="Recall what is due",
            minutes=10,
            href="/practice/cards",
            why="Missed points come back.",
        )
        if ahead % 3 == 0
        else None
    )


def _eve(known: Known) -> Action:
    return Action(
        kind="eve", title="Tell your stories aloud once, then stop", minutes=EVE_MINUTES, href="/practice/stories",
        why="The last evening adds nothing but calm." if known.answered else "Rest counts more than one more stage.",
    )  # fmt: skip


def _interview() -> Action:
    return Action(kind="interview", title="Interview", minutes=60, href="/practice/plan", why="The day itself.")
