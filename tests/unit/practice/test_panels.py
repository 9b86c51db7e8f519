"""Who sees which scores, and what a scorecard must hold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.kernel.errors import Invalid
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.core.panels import (
    OWNER,
    Decision,
    Mark,
    PanelDraft,
    Scorecard,
    Seat,
    check_decision,
    checked,
    is_late,
    is_sealed,
    seen_by,
    token_hash,
)

QUESTION = load_questions()[0]
KEY = f"0/{QUESTION.criteria[0].id}"
CARD = Scorecard(marks={}, recommends="yes", reasons="Answered with figures of their own.")
VERDICTS: dict[int, Any] = {0: ("verdict",)}


def seats(*cards: Scorecard | None) -> list[Seat]:
    """A candidate, and interviewers with what they gave."""
    found = [Seat(id="c", kind="candidate", name="Candidate", expires_ms=1)]
    return found + [
        Seat(id=f"i{number}", kind="interviewer", name=f"I{number}", expires_ms=1, scorecard=card)
        for number, card in enumerate(cards)
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_scores_are_sealed_until_all_are_in(given_: list[bool], data: st.DataObject) -> None:
    """Before: one's own alone, and no machine's; after: all to the owner and interviewers, none to the candidate."""
    known = seats(*(CARD if one else None for one in given_))
    viewer = data.draw(st.sampled_from([OWNER, *(one.id for one in known)]))
    seen = seen_by(viewer, known, VERDICTS)
    assert seen.sealed == is_sealed(known) == (not all(given_))
    if viewer == "c":
        assert not seen.scorecards and not seen.verdicts
    elif seen.sealed:
        assert set(seen.scorecards) <= {viewer} and not seen.verdicts
    else:
        assert set(seen.scorecards) == {one.id for one in known if one.kind == "interviewer"} and seen.verdicts


def test_people_decide_only_once_all_scorecards_are_in() -> None:
    """And who is missing is named; without reasons there is no decision."""
    with pytest.raises(Invalid, match="I1"):
        check_decision(seats(CARD, None))
    check_decision(seats(CARD, CARD))
    for wrong in ({"reasons": "because"}, {"outcome": "maybe"}, {"decided_by": ""}):
        whole = {"outcome": "hire", "reasons": "They showed every must-have.", "decided_by": "Kim", **wrong}
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(whole, Decision)


def test_met_needs_the_candidate_s_words() -> None:
    """Words of the written answer are told from those that were heard; a criterion nobody asked is refused."""
    written = {0: "I measured the queue for a week and then cut it in half."}

    def source(**mark: Any) -> str:
        card = msgspec.structs.replace(CARD, marks={KEY: Mark(**mark)})
        return checked(card, [QUESTION], written).marks[KEY].source

    assert source(state="met", quote="measured the queue for a week") == "written"
    assert source(state="met", quote="we had forty nodes at the time") == "heard"
    assert source(state="unmet", source="written") == ""
    with pytest.raises(Invalid, match="words"):
        source(state="met", quote="  ")
    for wrong in ("0/unheard-of", "7/x", "x", "", "0"):
        with pytest.raises(Invalid):
            checked(msgspec.structs.replace(CARD, marks={wrong: Mark()}), [QUESTION], written)


@pytest.mark.parametrize(
    "wrong",
    [{"candidate": ""}, {"question_ids": []}, {"question_ids": ["q"] * 13}, {"interviewers": []}, {"minutes": 0},
     {"interviewers": ["x"] * 9}, {"retention_days": 0}, {"retention_days": 731}, {"invite_days": 61},
     {"extra_time": 201}, {"role": "intern"}],
)  # fmt: skip
def test_a_draft_is_bounded(wrong: dict[str, Any]) -> None:
    """Nothing is kept for ever, and links do not hold for ever."""
    whole = {"candidate": "Ada", "role": "senior", "question_ids": ["q"], "interviewers": ["Kim"], **wrong}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(whole, PanelDraft)


def test_a_link_is_kept_as_its_hash() -> None:
    """Also of text that is no token at all."""
    assert token_hash("a") != token_hash("b") and len(token_hash("\ud800" * 9999)) == 64
    assert "a-token" not in token_hash("a-token")


def test_late_is_after_all_minutes() -> None:
    """The last millisecond still counts."""
    assert not is_late(0, 60, 3_600_000) and is_late(0, 60, 3_600_001)
