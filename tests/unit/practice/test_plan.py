"""The plan: one thing today, what is missing first, nothing piles up; its calendar file; cards and their dates."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, get_args

import icalendar
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.practice.adapters.scheduler import recall
from reelwright.practice.contract import Dimension, Skill
from reelwright.practice.core.calendar import OCTETS, escape, fold, write_calendar
from reelwright.practice.core.cards import Memory, Missed, all_cards
from reelwright.practice.core.plan import Action, Day, Known, Plan, PlanWish, make_plan

TODAY = date(2026, 11, 26)
DAY_MS = 86_400_000
NOTHING = Known(
    answered=False, skills=(), story_gaps=("courage", "failure"), has_lines=False, cards_due=0,
    labs_open=(("token-bucket", "Token bucket"),), rounds_open=(),
)  # fmt: skip
SETTLED = Known(
    answered=True, story_gaps=(), has_lines=True, cards_due=0, labs_open=(), rounds_open=(),
    skills=tuple(
        Skill(dimension=one, mean=4, low=low, high=4.5, verdicts=20, improved=0.5)
        for one, low in zip(get_args(Dimension), (3.5, 3.2, 3.4, 3.6, 3.5, 3.7, 3.6, 3.5, 3.9), strict=True)
    ),
)  # fmt: skip


def wish(days: int = 21, hours: float = 5.0) -> PlanWish:
    """An interview so many days from now."""
    return PlanWish(interview=TODAY + timedelta(days=days), hours_a_week=hours)


def test_today_has_one_action_and_missing_things_come_first() -> None:
    """Whoever has nothing begins with the readiness check; then CV, story, weak dimension and lab in turn."""
    plan = make_plan(wish(), NOTHING, TODAY)
    assert plan.today and plan.today == plan.days[0].actions[0] and plan.days[0].date == TODAY
    assert [one.kind for day in plan.days for one in day.actions if one.kind != "cards"][:5] == [
        "readiness", "past_work", "story", "stage", "lab",
    ]  # fmt: skip


@pytest.mark.parametrize("days", [1, 2, 3, 7, 21, 90, 400])
@pytest.mark.parametrize("hours", [0.5, 2, 5, 20, 60])
def test_the_hours_of_a_week_are_kept(days: int, hours: float) -> None:
    """Over any plan, but for the first thing, which is there however little time there is."""
    plan = make_plan(wish(days, hours), NOTHING, TODAY)
    minutes = sum(day.minutes for day in plan.days[:-1])
    assert plan.today
    assert minutes <= hours * 60 / 7 * days + plan.today.minutes + 30
    assert all(day.minutes <= 240 for day in plan.days)
    assert [day.date for day in plan.days] == sorted({day.date for day in plan.days})
    assert plan.days[-1].actions[0].kind == "interview" and plan.days[-1].date == TODAY + timedelta(days=days)


def test_the_eve_is_easy() -> None:
    """The last day holds half an hour of stories."""
    assert [one.kind for one in make_plan(wish(10), NOTHING, TODAY).days[-2].actions] == ["eve"]


def test_it_is_made_anew() -> None:
    """What was done is gone; what was missed moves on and does not pile up on one day."""
    first = make_plan(wish(), NOTHING, TODAY)
    done = msgspec.structs.replace(NOTHING, answered=True, has_lines=True)
    after = make_plan(wish(), done, TODAY + timedelta(days=1))
    kinds = {one.kind for day in after.days for one in day.actions}
    assert not {"readiness", "past_work"} & kinds and after.days[0].date == TODAY + timedelta(days=1)
    missed = make_plan(wish(), NOTHING, TODAY + timedelta(days=5))
    assert missed.today == first.today and missed.days[0].minutes <= first.days[0].minutes
    assert missed.left_out >= first.left_out


def test_weak_dimensions_come_first_and_rounds_of_the_loop_are_planned() -> None:
    """The dimension that may be lowest names the first stage; settled ones get none."""
    low = msgspec.structs.replace(SETTLED.skills[1], low=1.0)
    known = msgspec.structs.replace(
        SETTLED, skills=(*SETTLED.skills[:1], low, *SETTLED.skills[2:]), rounds_open=(("loop", "phone"),)
    )
    actions = [one for day in make_plan(wish(60, 10), known, TODAY).days for one in day.actions]
    assert [one.href for one in actions if one.kind == "stage"] == ["/practice?stage=design#start"] * 2
    assert [one.href for one in actions if one.kind == "round"] == ["/practice/loops/loop"]
    settled = make_plan(wish(), SETTLED, TODAY)
    assert settled.today and settled.today.kind == "stage" and "3.2" in settled.today.why


def test_due_cards_are_in_today() -> None:
    """After what matters most."""
    plan = make_plan(wish(21, 10), msgspec.structs.replace(NOTHING, cards_due=4), TODAY)
    assert [one.kind for one in plan.days[0].actions][-1] == "cards"
    assert "4 of 4 missed points" in plan.days[0].actions[-1].title


def test_an_interview_that_is_over_or_today() -> None:
    """No plan backwards; on the day only the interview."""
    assert make_plan(wish(-1), NOTHING, TODAY).today is None
    assert [one.kind for one in make_plan(wish(0), NOTHING, TODAY).days[0].actions] == ["interview"]


@pytest.mark.parametrize(
    "bad",
    [{"interview": "soon"}, {"interview": "2026-02-30"}, {"interview": "2026-12-01", "hours_a_week": 0},
     {"interview": "2026-12-01", "hours_a_week": "NaN"}, {"interview": "2026-12-01", "begins_at": "25:00"},
     {"interview": "2026-12-01", "begins_at": "18:00\r\nX:1"}],
)  # fmt: skip
def test_a_wish_that_is_none_is_refused(bad: dict[str, Any]) -> None:
    """By the bounds of the form."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, PlanWish, strict=False)


def events_of(body: bytes) -> list[Any]:
    """As another library reads them."""
    return list(icalendar.Calendar.from_ical(body).walk("VEVENT"))


def test_the_calendar_is_read_by_another_library() -> None:
    """Each action is an event with begin, length, words and address; the interview is a whole day."""
    plan = make_plan(wish(), NOTHING, TODAY)
    body = write_calendar(plan, now_ms=1_764_115_200_000, url="http://127.0.0.1:8000", owner="ada")
    events = events_of(body)
    actions = [one for day in plan.days for one in day.actions]
    assert [str(one["SUMMARY"]) for one in events] == [one.title for one in actions]
    assert [one["DURATION"].dt for one in events[:-1]] == [timedelta(minutes=one.minutes) for one in actions[:-1]]
    assert events[0]["DTSTART"].dt.date() == TODAY and events[0]["DTSTART"].dt.hour == 18
    assert events[-1]["DTSTART"].dt == plan.wish.interview
    assert len({str(one["UID"]) for one in events}) == len(events)
    assert [one.errors for one in events if one.errors] == []


def test_a_second_export_changes_events_and_doubles_none() -> None:
    """UIDs follow from owner and action; what moved has the same one on another day, and a later revision."""
    plan = make_plan(wish(), NOTHING, TODAY)
    first, second = (write_calendar(plan, now_ms=now, owner="ada") for now in (1_000, 2_000))
    assert [one for one in first.split(b"\r\n") if b"UID" in one] == [
        one for one in second.split(b"\r\n") if b"UID" in one
    ]
    later = msgspec.structs.replace(wish(), interview=wish().interview + timedelta(days=5))
    before = events_of(write_calendar(plan, now_ms=60_000, owner="ada"))
    after = events_of(write_calendar(make_plan(later, NOTHING, TODAY), now_ms=120_000, owner="ada"))
    assert before[-1]["UID"] == after[-1]["UID"] and before[-1]["DTSTART"].dt < after[-1]["DTSTART"].dt
    assert {one["SEQUENCE"] for one in before} == {1} and {one["SEQUENCE"] for one in after} == {2}
    assert {str(one["UID"]) for one in before} <= {str(one["UID"]) for one in after}, "none is left behind"


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_survives_the_calendar(text: str) -> None:
    """No line is longer than 75 octets, none is cut within a character, and the text comes back."""
    action = Action(kind="story", title=text, minutes=30, href="/x", why="y")
    plan = Plan(wish=wish(), days=(Day(date=TODAY, actions=(action,)),), today=action, left_out=0)
    body = write_calendar(plan, now_ms=0)
    assert all(len(line) <= OCTETS for line in body.split(b"\r\n"))
    for line in body.split(b"\r\n"):
        line.decode()
    (event,) = events_of(body)
    kept = "".join(one for one in text if one == "\n" or one >= " ")
    assert str(event["SUMMARY"]).strip() == kept.strip() or "\\" in kept


def test_escaping_by_hand() -> None:
    """Comma, semicolon, backslash and line break; a fold begins with a space."""
    assert escape("a,b;c\\d\ne\rf") == "a\\,b\\;c\\\\d\\nef"
    assert fold("x" * 80) == b"x" * 75 + b"\r\n " + b"x" * 5


def missed(criterion: str = "c", at_ms: int = 0) -> Missed:
    """Something that an answer did not hold."""
    return Missed(
        question_id="q", challenge_id="", criterion=criterion, asks="?", says="!", dimension="design", level=3,
        at_ms=at_ms,
    )  # fmt: skip


def test_recalled_cards_come_back_later_and_forgotten_ones_soon() -> None:
    """Good intervals grow, 'again' shortens them; no fuzz, so that a rerun agrees."""
    state, due = recall(None, "good", now_ms=0)
    intervals = [due]
    for _ in range(4):
        state, later = recall(state, "good", now_ms=due)
        intervals.append(later - due)
        due = later
    assert intervals == sorted(intervals) and intervals[0] >= DAY_MS and intervals[-1] > 30 * DAY_MS
    _, lapsed = recall(state, "again", now_ms=due)
    assert lapsed - due < intervals[-1] / 2
    assert recall(None, "again", now_ms=0)[1] < recall(None, "easy", now_ms=0)[1]
    assert recall(None, "good", now_ms=0) == recall(None, "good", now_ms=0)


def test_a_clock_that_was_set_back_harms_no_card() -> None:
    """It counts as no time at all."""
    state, due = recall(None, "good", now_ms=100 * DAY_MS)
    again, later = recall(state, "good", now_ms=0)
    assert later >= due and again["reps" if "reps" in again else "stability"] is not None


def test_a_card_is_there_once() -> None:
    """A criterion missed again keeps its date; new ones are due when they were missed."""
    one, other = missed(), missed("d", at_ms=5)
    memory = Memory(missed=one, state={}, due_ms=9 * DAY_MS, reviews=2)
    cards = all_cards([one, other], {one.card_id: memory})
    assert [(card.missed.criterion, card.due_ms, card.reviews) for card in cards] == [
        ("d", 5, 0),
        ("c", 9 * DAY_MS, 2),
    ]
