"""The guide is whole, in our own words, and its checks decide by rule."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.practice.adapters.guide import load_guide, load_readiness, load_scenarios, load_styles
from reelwright.practice.contract import Scenario, Style
from reelwright.practice.core.readiness import assess

ITEMS = load_readiness()


def test_each_stage_has_its_chapter() -> None:
    """From the first call to the decision, levels, pay, and what people ask."""
    assert [chapter.id for chapter in load_guide()] == [
        "recruiter", "phone", "onsite", "cross-functional", "decision", "levels", "pay", "questions-people-ask",
    ]  # fmt: skip
    assert all(
        chapter.title and len(chapter.text) > 400 and "<script" not in chapter.text for chapter in load_guide()
    )


def test_there_are_twelve_scenarios_or_more() -> None:
    """Each scene once."""
    ids = [scenario.id for scenario in load_scenarios()]
    assert len(ids) >= 12 and len(set(ids)) == len(ids)


@pytest.mark.parametrize("scenario", load_scenarios(), ids=lambda one: one.id)
def test_a_scenario_has_one_fitting_option_and_reasons(scenario: Scenario) -> None:
    """And at least two that tempt."""
    assert sum(option.fits for option in scenario.options) == 1
    assert len(scenario.options) >= 3 and all(option.why for option in scenario.options)


def test_the_fitting_option_is_not_told_by_its_place() -> None:
    """Nor by being always the same."""
    places = [[option.fits for option in scenario.options].index(True) for scenario in load_scenarios()]
    assert max(places.count(place) for place in places) < len(places)


def test_nothing_answered_means_build_first() -> None:
    """With the heaviest gaps first, and all of them."""
    found = assess(ITEMS, {})
    assert (found.share, found.verdict, len(found.build)) == (0.0, "build_first", len(ITEMS))
    assert found.build[0] == max(ITEMS, key=lambda item: item.weight).build


def test_unknown_answers_count_for_nothing() -> None:
    """A form may send what it likes."""
    assert assess(ITEMS, {"no-such-item": True}).share == 0.0


@given(st.sets(st.sampled_from([item.id for item in ITEMS])), st.sampled_from(ITEMS))
def test_one_more_yes_never_lowers_readiness(yes: set[str], item: object) -> None:
    """More experience is never less."""
    more = {**dict.fromkeys(yes, True), item.id: True}  # type: ignore[attr-defined]
    assert assess(ITEMS, more).share >= assess(ITEMS, dict.fromkeys(yes, True)).share


def test_all_yes_is_ready() -> None:
    """The check can be passed."""
    found = assess(ITEMS, {item.id: True for item in ITEMS})
    assert (found.share, found.verdict, found.build) == (1.0, "ready", ())


def test_the_style_names_every_dimension_once() -> None:
    """Technical and culture together are the nine, and both must clear."""
    style = load_styles()["netflix"]
    assert sorted((*style.technical, *style.culture)) == sorted({*style.technical, *style.culture})
    assert len({*style.technical, *style.culture}) == 9
    assert style.must_clear == ("technical", "culture")
    assert style.pay.levels["senior_staff"] == [500_000, 650_000]


def test_a_style_with_an_unknown_field_is_refused() -> None:
    """A typing error does not become a silent default."""
    style = msgspec.to_builtins(load_styles()["netflix"])
    with pytest.raises(msgspec.ValidationError, match="keeper"):
        msgspec.convert({**style, "keeper": True}, Style)


def test_a_style_is_only_a_file() -> None:
    """A second way to interview needs no code, and both name the same nine dimensions."""
    styles = load_styles()
    assert {"netflix", "classic"} <= set(styles)
    nine = {*styles["netflix"].technical, *styles["netflix"].culture}
    assert all({*style.technical, *style.culture} == nine for style in styles.values())
