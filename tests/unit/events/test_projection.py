"""What a stream of events means for a profile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.events.contract import Event
from reelwright.events.core.projection import Watching, is_finished, is_view, watch
from reelwright.kernel.ids import new_id

TITLE, PLAYABLE = new_id(), new_id()


def event(kind: str, at_ms: int, position_s: float, **data: Any) -> Event:
    """A position event."""
    fields = {"type": kind, "at_ms": at_ms, "position_s": position_s, "data": data}
    return msgspec.convert({"id": new_id(), "title_id": TITLE, "playable_id": PLAYABLE, **fields}, Event)


def follow(*events: Event) -> tuple[Watching | None, int]:
    """Where a profile is after these, and how many of them were views."""
    state, views = None, 0
    for one in events:
        state, viewed = watch(state, one)
        views += viewed
    return state, views


def test_the_last_position_counts() -> None:
    """With the length that was reported once."""
    state, _ = follow(event("play", 1, 0, duration_s=100), event("heartbeat", 2, 15), event("stop", 3, 40))
    assert state and (state.position_s, state.duration_s, state.finished, state.last_ms) == (40, 100, False, 3)


@given(st.permutations(range(5)))
def test_events_may_come_in_any_order(order: list[int]) -> None:
    """The position is that of the latest by its own time."""
    events = [event("heartbeat", number, number * 10.0) for number in range(5)]
    state, _ = follow(*(events[number] for number in order))
    assert state and (state.position_s, state.last_ms) == (40.0, 4)


def test_a_late_event_moves_nobody_back_but_may_be_a_view() -> None:
    """A phone that was on the train sends what happened there."""
    state, views = follow(event("play", 10, 0), event("heartbeat", 90, 600), event("heartbeat", 50, 40))
    assert state and state.position_s == 600
    assert views == 2


@pytest.mark.parametrize(
    ("started_s", "position_s", "duration_s", "expected"),
    [(0, 29, 3000, False), (0, 30, 3000, True), (500, 529, 3000, False), (0, 10, 40, True), (0, 9, 40, False),
     (0, 30, 0, True), (100, 50, 3000, False)],
)  # fmt: skip
def test_a_view_is_thirty_seconds_or_a_quarter(
    started_s: float, position_s: float, duration_s: float, expected: bool
) -> None:
    """Counted from where the stretch began: skipping ahead is not watching."""
    assert is_view(position_s, started_s, duration_s) is expected


def test_skipping_to_the_end_is_no_view() -> None:
    """A seek begins a new stretch."""
    _, views = follow(event("play", 1, 0, duration_s=3000), event("seek", 2, 2900), event("heartbeat", 3, 2910))
    assert views == 0


@pytest.mark.parametrize(
    ("position_s", "duration_s", "expected"),
    [(95, 100, True), (94, 100, False), (6000 - 90, 6000, True), (6000 - 300, 6000, True), (5000, 6000, False),
     (5, 0, False), (810, 900, False)],
)  # fmt: skip
def test_a_film_is_finished_when_only_the_credits_are_left(
    position_s: float, duration_s: float, expected: bool
) -> None:
    """95 %, or 90 s before the end of a long one."""
    assert is_finished(position_s, duration_s) is expected


@pytest.mark.parametrize("duration", [-1, 0, 1e9, "100", None, float("inf"), [], True])
def test_a_strange_length_is_no_length(duration: Any) -> None:
    """Whatever a client calls a duration, the projection never fails; True is a number to JSON's reader alone."""
    state, _ = follow(event("play", 1, 5, duration_s=duration))
    assert state and state.duration_s in (0.0, 1.0)
