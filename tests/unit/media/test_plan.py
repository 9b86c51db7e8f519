"""The ladder and the cut into chunks."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.contract import BadSource
from reelwright.media.core.plan import LARGEST_SIDE, LadderPlanner, Plan, SourceInfo, places_to_look, snap_rate

RATES = st.sampled_from([(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1),
                         (25, 2), (10, 1), (1, 1), (1000, 1), (90000, 1), (22374, 1000), (7, 3)])  # fmt: skip


def source(
    width: int = 1920, height: int = 1080, rate: tuple[int, int] = (25, 1), duration_s: float = 60.0
) -> SourceInfo:
    """A plain source."""
    return SourceInfo(
        demuxer="mov", duration_s=duration_s, video_stream=0, video_start_s=0.0, width=width, height=height,
        frame_rate=rate,
    )  # fmt: skip


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """The plan of any source that is taken."""
    info = source(
        draw(st.integers(16, LARGEST_SIDE)),
        draw(st.integers(16, LARGEST_SIDE)),
        draw(RATES),
        draw(st.floats(0.001, 86_400)),
    )
    return LadderPlanner(codecs=draw(st.sampled_from([("h264",), ("av1",), ("h264", "av1")]))).plan(info)


@given(plans())
def test_rungs_are_even_never_scaled_up_and_told_apart(plan: Plan) -> None:
    """Encoders need even sides; scaling up costs bits and shows nothing; ids name tracks."""
    assert len({rung.id for rung in plan.rungs}) == len(plan.rungs) > 0
    for rung in plan.rungs:
        assert rung.width % 2 == 0 and rung.height % 2 == 0 and rung.cap_bps > 0
        assert rung.width <= max(16, plan.info.width) + 1 and rung.height <= max(16, plan.info.height) + 1
    for codec in {rung.codec for rung in plan.rungs}:
        areas = [rung.width * rung.height for rung in plan.rungs if rung.codec == codec]
        assert areas == sorted(areas, reverse=True)


@given(plans())
def test_chunks_follow_each_other_without_gap(plan: Plan) -> None:
    """Every frame lies in one chunk, and every chunk but the last is eight whole segments."""
    spans = [plan.span(number) for number in (0, plan.chunks // 2, plan.chunks - 1)]
    assert spans[0][0] == 0 and spans[-1][1] == plan.frames
    assert plan.span(plan.chunks)[1] - plan.span(plan.chunks)[0] <= 0
    for number, (start, end) in zip((0, plan.chunks // 2, plan.chunks - 1), spans, strict=True):
        assert start == number * 8 * plan.segment_frames and start < end <= start + 8 * plan.segment_frames


@given(plans())
def test_times_are_exact_in_ticks(plan: Plan) -> None:
    """A frame lasts a whole number of ticks, so that no time is ever rounded, and a segment about two seconds."""
    assert plan.frame_ticks * plan.frame_rate[0] == plan.timescale * plan.frame_rate[1]
    assert 1.4 <= plan.segment_frames * plan.frame_rate[1] / plan.frame_rate[0] <= 2.6
    assert plan.timescale < 1 << 32


@given(plans())
def test_a_plan_survives_being_written_down(plan: Plan) -> None:
    """The job engine keeps it between a kill and the next start."""
    assert msgspec.convert(msgspec.to_builtins(plan), Plan) == plan


@pytest.mark.parametrize(
    "text", ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "25/2", "20", "5"]
)
def test_usual_rates_are_kept_exactly(text: str) -> None:
    """Film, television, cameras and screens, and slow ones."""
    rate = Fraction(text)
    assert snap_rate(rate) == rate
    assert snap_rate(rate + Fraction(1, 1000)) == rate


def test_faster_than_sixty_becomes_sixty() -> None:
    """No screen that we serve shows more."""
    assert snap_rate(Fraction(240)) == snap_rate(Fraction(1000)) == 60


@pytest.mark.parametrize(
    ("width", "height", "sides"),
    [(1920, 1080, [1080, 720, 540, 360, 234]), (854, 480, [480, 360, 234]), (180, 320, [180]), (4096, 2160, [2160])],
)
def test_the_ladder_begins_at_the_source(width: int, height: int, sides: list[int]) -> None:
    """The largest rung is the source's size or the table's next below; portrait counts by the short side."""
    plan = LadderPlanner().plan(source(width, height))
    assert [min(rung.width, rung.height) for rung in plan.rungs][: len(sides)] == sides


@pytest.mark.parametrize(
    "info",
    [source(8, 8), source(16_384, 16_384), source(duration_s=0), source(duration_s=1e6), source(duration_s=-1)],
)
def test_what_cannot_be_encoded_is_refused_with_the_figure(info: SourceInfo) -> None:
    """The message says what was seen and what is possible."""
    with pytest.raises(BadSource, match=r"\d"):
        LadderPlanner().plan(info)


@given(plans(), st.data())
def test_after_a_gap_pictures_are_looked_for_where_segments_begin(plan: Plan, data: st.DataObject) -> None:
    """Within the chunk at each, then ever rarer, at last near the end: some tens of looks, however long the film."""
    start, end = plan.span(data.draw(st.integers(0, plan.chunks - 1)))
    reached = data.draw(st.integers(start, end))
    places = places_to_look(plan, reached, end)
    assert places == sorted(set(places)) and len(places) <= 8 + plan.frames.bit_length() + 1
    assert all(place % plan.segment_frames == 0 and reached <= place < plan.frames for place in places)
    if end < plan.frames - 3 * plan.segment_frames:
        assert end in places and places[-1] >= plan.frames - 2 * plan.segment_frames


def test_the_first_rung_is_the_smallest_that_every_player_knows() -> None:
    """H.264 before AV1: it is made first, and there may be nothing else yet."""
    plan = LadderPlanner(codecs=("av1", "h264")).plan(source())
    assert plan.first_rung.codec == "h264" and plan.first_rung.height == 234
