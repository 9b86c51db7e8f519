"""A place for what few have seen: drawn with the chance that is written down."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.recommend.test_page import _signals, title_of

from reelwright.kernel.ids import TitleId
from reelwright.recommend.core.exploring import EvenAndTaste, Explores, draw, place_of
from reelwright.recommend.core.page import EXPLORED, build_page

SCORES = st.dictionaries(st.sampled_from("abcdefgh").map(TitleId), st.floats(-1, 5))
VIEWERS = st.dictionaries(st.sampled_from("abcdefgh").map(TitleId), st.integers(0, 1000))


@given(SCORES, VIEWERS, st.floats(0, 1))
def test_chances_add_up_to_the_share_and_leave_nobody_out(
    scores: dict[TitleId, float], viewers: dict[TitleId, int], share: float
) -> None:
    """Every fresh title has one, and no other has."""
    found = EvenAndTaste(share).chances(scores, viewers)
    assert found.keys() == viewers.keys()
    assert sum(found.values()) == pytest.approx(share if viewers else 0)
    assert all(chance > 0 for chance in found.values()) or share < 1e-100


def test_what_fewer_have_seen_and_what_is_liked_comes_more_often() -> None:
    """By both."""
    a, b = TitleId("a"), TitleId("b")
    rare, liked = (EvenAndTaste().chances(*told) for told in (({}, {a: 0, b: 9}), ({b: 1.0}, {a: 3, b: 3})))
    assert rare[a] > rare[b] and liked[b] > liked[a]


def test_a_title_is_drawn_as_often_as_its_propensity_says() -> None:
    """What is logged is what happens; the rest of the chance leaves the place alone."""
    chances, chance = {TitleId("a"): 0.5, TitleId("b"): 0.0, TitleId("c"): 0.2}, Random(1)
    found = [draw(chances, chance.random()) for _ in range(20_000)]
    for title_id, propensity in chances.items():
        drawn = [one for one in found if one and one.title_id == title_id]
        assert {one.propensity for one in drawn} <= {propensity}
        assert len(drawn) / len(found) == pytest.approx(propensity, abs=0.02)


def test_a_draw_is_the_same_all_day_and_another_the_next() -> None:
    """Between 0 and 1, evenly."""
    found = [place_of(f"p{number}", day) for number in range(100) for day in range(20)]
    assert found == [place_of(f"p{number}", day) for number in range(100) for day in range(20)]
    assert 0 <= min(found) < 0.01 and 0.99 < max(found) < 1 and len({*found}) == len(found)


def test_a_page_that_explores_says_so_at_one_place_of_what_is_new() -> None:
    """With the chance it was drawn by; who does not explore has the page as it was."""
    signals = _signals([title_of(number) for number in range(12)])
    plain = build_page(signals)
    page = build_page(replace(signals, explores=Explores(1.0, 0.7)))
    before, row = (next(one for one in each.rows if one.kind == "new") for each in (plain, page))
    assert [slot.propensity is not None for slot in row.slots].index(True) == EXPLORED
    assert sum(slot.propensity is not None for slot in row.slots) == 1
    assert {slot.title.id for slot in row.slots} == {slot.title.id for slot in before.slots}
    assert build_page(replace(signals, explores=Explores(0.1, 0.7))).rows == plain.rows
