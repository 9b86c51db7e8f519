"""Stories: gaps, overuse and flags; past work: lines, and questions that quote them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.core.past_work import ASKED, Project, find_lines, questions_about, with_lines
from reelwright.practice.core.stories import TOPICS, Story, Topic, draw_matrix, find_flags

WHOLE = Story(
    title="The licence call",
    situation="In 2024 one play in fifty failed to start, and three teams each said that it was another's fault.",
    own_action="I traced 400 failed starts by hand. I wrote the fix and asked for a week's freeze.",
    outcome="Failed starts fell from 2.1 % to 0.6 %, measured against a control group.",
    reflection="Since then I measure before I ask who is at fault.",
    shows=("impact", "judgment"),
)
CV = """Ada Example, ada@example.org, +44 20 7946 0958

Experience
- Cut the p99 of the licence service from 900 ms to 120 ms by batching key fetches.
* We migrated the billing platform together with two other teams.
1. Designed the shard map that every store in the company uses today.
Skills
Python, Go, SQL
https://example.org/ada
"""


def kinds(**parts: str) -> list[tuple[str, str, str]]:
    """Kind, part and quote of each flag."""
    story = msgspec.structs.replace(WHOLE, **parts)
    return [(one.kind, one.part, one.quote) for one in find_flags(story)]


def test_a_whole_story_has_no_flag() -> None:
    """Own action, number, changed behaviour."""
    assert kinds() == []


def test_we_without_an_own_part_is_flagged_with_its_words() -> None:
    """A sentence that says both is none."""
    said = "We rebuilt the pipeline. I wrote the planner and we tested it. Our team decided to wait."
    found = kinds(own_action=said)
    assert found == [
        ("we", "own_action", "We rebuilt the pipeline."), ("we", "own_action", "Our team decided to wait."),
    ]  # fmt: skip


def test_an_outcome_without_a_number_is_flagged() -> None:
    """'Much better' is not measured."""
    assert kinds(outcome="It became much better. Everyone was happy.") == [
        ("no_number", "outcome", "It became much better.")
    ]


@pytest.mark.parametrize(
    "said",
    ["I would talk to the team first.", "Typically I start from the data and asked around.",
     "I could have waited and I decided.", "Ideally one measures it, so I measured it."],
)  # fmt: skip
def test_hypotheticals_are_flagged(said: str) -> None:
    """What one would do is no story; in the reflection it may be."""
    assert ("hypothetical", "own_action", said) in kinds(own_action=said)
    assert kinds(reflection="Next time I would measure first.") == []


def test_what_is_missing_is_named() -> None:
    """An empty story lacks all four parts and nothing else is said of it."""
    found = find_flags(Story(title="Empty"))
    assert [one.kind for one in found] == ["missing_part"] * 4
    assert kinds(reflection="It was a hard time.")[0][0] == "no_change"


def test_the_matrix_shows_gaps_and_overuse() -> None:
    """A topic without a story, a story for four topics, and what hangs on one story alone."""
    wide: tuple[Topic, ...] = ("courage", "candor", "failure", "disagreement")
    matrix = draw_matrix({"a": WHOLE, "b": msgspec.structs.replace(WHOLE, shows=wide)})
    assert matrix.gaps == ("standards",)
    assert matrix.overused == {"b": wide}
    assert matrix.told["impact"] == ("a",) and matrix.only["a"] == ("judgment", "impact")
    assert draw_matrix({}).gaps == TOPICS


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=2000))
def test_flags_quote_the_story(text: str) -> None:
    """Whatever is typed: no crash, and every quote is in its part."""
    story = Story(title="x", situation=text, own_action=text, outcome=text, reflection=text)
    assert [one for one in find_flags(story) if one.quote not in getattr(story, one.part)] == []


def test_lines_of_a_cv() -> None:
    """Claims are found, contact data and headings are not."""
    lines = find_lines(Project(name="CV", text=CV))
    assert [(one.kind, one.text[:20]) for one in lines] == [
        ("figure", "Cut the p99 of the l"), ("shared", "We migrated the bill"), ("own", "Designed the shard m"),
    ]  # fmt: skip


@pytest.mark.parametrize("stage", list(ASKED))
def test_each_question_quotes_the_line_it_asks_about(stage: str) -> None:
    """Word for word, each another line, and asks a question of the bank that fits the stage."""
    bank = {one.id: one for one in load_questions()}
    lines = find_lines(Project(name="CV", text=CV))
    found = questions_about(lines, stage, seed="s")  # type: ignore[arg-type]
    assert found and len({one.line.text for one in found}) == len(found)
    for one in found:
        assert one.line.text in CV and one.line.text in one.asks
        assert stage in bank[one.question_id].stages


def test_lines_asked_before_come_last() -> None:
    """The next interview asks about another line."""
    lines = find_lines(Project(name="CV", text=CV))
    first = questions_about(lines, "recruiter", seed="s")[0]
    assert questions_about(lines, "recruiter", seed="s", asked=[first.asks])[0].line != first.line


def test_a_plan_with_lines_still_fits_its_minutes() -> None:
    """Quoting questions first, each question once."""
    bank = {one.id: one for one in load_questions()}
    about = questions_about(find_lines(Project(name="CV", text=CV)), "phone", seed="s")
    plan = with_lines([one for one in bank if "phone" in bank[one].stages][:6], about, bank, "phone")
    assert plan[:2] == tuple(one.question_id for one in about) and len(set(plan)) == len(plan)
    assert sum(bank[one].minutes for one in plan) <= 60


@settings(max_examples=200, deadline=None)
@given(text=st.text(min_size=1, max_size=3000))
def test_any_text_can_be_pasted(text: str) -> None:
    """Lines are of bounded length, and there is no crash."""
    assert all(24 <= len(one.text) <= 280 for one in find_lines(Project(name="x", text=text)))
