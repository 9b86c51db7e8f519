"""What people are told about a source that was not as it should be."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.media.test_plan import source

from reelwright.media.core.plan import LadderPlanner
from reelwright.media.core.remarks import Flaw, merged, remarks_on

PLAN = LadderPlanner().plan(source(duration_s=100))
FLAWS = st.lists(
    st.builds(
        lambda kind, start, length: Flaw(kind, float(start), float(start + length)),
        st.sampled_from(["damaged", "black"]),
        st.integers(0, 90),
        st.integers(1, 9),
    )
)


def test_a_good_film_needs_no_words() -> None:
    """Neither does one that is a frame shorter than it says."""
    assert remarks_on(PLAN, [], 100.0) == remarks_on(PLAN, [], 99.9) == []


def test_a_cut_off_film_says_how_much_is_there() -> None:
    """And what was claimed, and what to do; damage at the cut is the cut."""
    (remark,) = remarks_on(PLAN, [Flaw("damaged", 32, 48)], 40.0)
    assert "40 s" in remark and "1 min 40 s" in remark and "copy it again" in remark


def test_neighbouring_chunks_are_one_remark() -> None:
    """Nobody wants a line for each sixteen seconds."""
    found = remarks_on(PLAN, [Flaw("damaged", 16, 32), Flaw("damaged", 0, 16), Flaw("black", 40, 48)], 100.0)
    assert len(found) == 2 and "0 s and 32 s" in found[0] and "40 s to 48 s" in found[1]


def test_sound_that_goes_on_is_mentioned() -> None:
    """It is left out, and somebody may miss it."""
    plan = msgspec.structs.replace(PLAN, info=msgspec.structs.replace(PLAN.info, sound_s=130.0))
    (remark,) = remarks_on(plan, [], 100.0)
    assert "2 min 10 s" in remark


@given(FLAWS)
def test_merging_keeps_exactly_what_was_flawed(flaws: list[Flaw]) -> None:
    """No second is forgotten and none is added."""

    def seconds(rows: list[Flaw]) -> set[tuple[str, int]]:
        return {(row.kind, second) for row in rows for second in range(int(row.start_s), int(row.end_s))}

    assert seconds(merged(flaws)) == seconds(flaws)
    for kind in ("damaged", "black"):
        rows = [row for row in merged(flaws) if row.kind == kind]
        assert all(first.end_s < second.start_s for first, second in pairwise(rows))
