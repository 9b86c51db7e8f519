"""From pieces to tracks."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.media.test_plan import source

from reelwright.media.contract import Segment
from reelwright.media.core import assemble
from reelwright.media.core.assemble import Piece
from reelwright.media.core.plan import LadderPlanner
from reelwright.media.core.remarks import Flaw

PLAN = LadderPlanner(codecs=("h264", "av1")).plan(source(640, 360, duration_s=40))
SECOND = PLAN.timescale


def piece(track: str, start: int, durations: list[int], *, kind: str = "video", timescale: int = SECOND) -> Piece:
    """A piece whose segments have the given durations in ticks."""
    segments = tuple(Segment(f"{track}/{start + index}", ticks, 1000) for index, ticks in enumerate(durations))
    return Piece(
        track=track, start=start, kind="video" if kind == "video" else "audio", codec="avc1.64001f",
        timescale=timescale, init=f"{track}/init", segments=segments,
    )  # fmt: skip


@given(st.randoms())
def test_the_order_in_which_pieces_come_does_not_matter(chance: random.Random) -> None:
    """Chunks and sound are made beside each other, and steps may be done twice."""
    pieces = [
        piece(track, start, [2 * SECOND] * 8) for track in (rung.id for rung in PLAN.rungs) for start in (0, 8, 16)
    ] + [piece(f"a{index}-aac", start, [96_000] * 4, kind="audio") for index in (0, 2, 10) for start in (0, 4)]
    mixed = list(pieces)
    chance.shuffle(mixed)
    tracks = assemble.tracks(PLAN, mixed)
    assert tracks == assemble.tracks(PLAN, pieces)
    assert [track.id for track in tracks] == [rung.id for rung in PLAN.rungs] + ["a0-aac", "a2-aac", "a10-aac"]
    assert [segment.name for segment in tracks[0].segments] == [f"{tracks[0].id}/{index}" for index in range(24)]


def test_a_chunk_is_whole_once_every_rung_has_all_of_it_and_keeps_its_flaws() -> None:
    """An attempt that comes later makes what is missing, and still tells what could not be decoded."""
    flaw = Flaw("black", 20.0, 22.0)
    made = [piece(rung.id, 8, [2 * SECOND] * 8) for rung in PLAN.rungs]
    first, *others = (msgspec.structs.replace(one, flaws=(flaw,)) for one in made)
    begun = [piece(first.track, 8, [2 * SECOND] * 3), piece(first.track, 11, [2 * SECOND] * 5)]
    assert assemble.is_whole(PLAN, 1, [first, *others]) and assemble.is_whole(PLAN, 1, [*begun, *others])
    assert assemble.flaws_of(PLAN, 1, [first, *others]) == [flaw]
    short = piece(first.track, 8, [2 * SECOND] * 7)
    for pieces in ([], others, [short, *others], begun + others[1:]):
        assert not assemble.is_whole(PLAN, 1, pieces)
    assert not assemble.is_whole(PLAN, 0, [first, *others]) and assemble.flaws_of(PLAN, 0, [first, *others]) == []


def test_sound_after_the_last_picture_is_left_out() -> None:
    """A player would else show nothing for as long as the sound goes on."""
    tracks = assemble.trimmed(
        assemble.tracks(
            PLAN, [piece("v360-h264", 0, [2 * SECOND] * 3), piece("a0-aac", 0, [2 * SECOND] * 9, kind="audio")]
        )
    )
    assert [len(track.segments) for track in tracks] == [3, 3]


def test_one_can_begin_to_watch_with_a_picture_and_with_sound_where_there_is_some() -> None:
    """A silent beginning of a film with sound is not what anybody came for."""
    picture, sound = piece("v360-h264", 0, [SECOND]), piece("a0-aac", 0, [SECOND], kind="audio")
    silent = assemble.tracks(PLAN, [picture])
    assert assemble.state_of(silent, sound=False, complete=False) == "watchable"
    assert assemble.state_of(silent, sound=True, complete=False) == "encoding"
    assert assemble.state_of(assemble.tracks(PLAN, [picture, sound]), sound=True, complete=False) == "watchable"
    assert assemble.state_of(silent, sound=True, complete=True) == "ready"


def test_a_short_chunk_is_the_last() -> None:
    """Gaps are filled before, so a chunk shorter than planned means that nothing follows."""
    ticks, frames = PLAN.frame_ticks, PLAN.segment_frames
    full = piece("v360-h264", 0, [frames * ticks] * 8)
    short = piece("v360-h264", 0, [frames * ticks] * 7 + [(frames - 1) * ticks])
    assert not assemble.ends_early(PLAN, 0, [full])
    assert assemble.ends_early(PLAN, 0, [short])
    assert not assemble.ends_early(PLAN, 0, [short, full])


@given(st.lists(st.tuples(st.integers(1, 4 * SECOND), st.integers(1, 10**7)), min_size=1, max_size=30))
def test_the_peak_is_never_below_the_average(rows: list[tuple[int, int]]) -> None:
    """Players would stall on a peak that was promised too low."""
    segments = tuple(Segment(str(index), *row) for index, row in enumerate(rows))
    assert assemble.peak_bps(segments, SECOND) >= assemble.average_bps(segments, SECOND) >= 0


def test_small_pictures_are_never_far_apart() -> None:
    """A short film has one for each segment, a feature about a hundred; a lecture of hours one in any 20 seconds."""
    assert [assemble.sprite_step(seconds // 2, 2.0) for seconds in (20, 200, 1800, 5400, 10_800)] == [1, 1, 9, 10, 10]
