"""Progress as it is written down while a film is encoded."""

from __future__ import annotations

from tests.unit.media.test_plan import source

from reelwright.kernel.ids import AssetId
from reelwright.media.core.plan import LadderPlanner
from reelwright.media.jobs import _Meter


def test_percent_never_goes_back_whatever_ffmpeg_names() -> None:
    """A moment behind the chunk's end, then an earlier one; the next chunk goes on where this one ends."""
    plan = LadderPlanner(codecs=("h264",)).plan(source(duration_s=40.0))
    told = []
    for number in range(plan.chunks):
        meter = _Meter(AssetId("a"), 1, plan, number)
        told += [meter.news(done_s)["percent"] for done_s in (0.0, 5.0, 60.0, 4.0, 8.0)]
    assert told == sorted(told) and told[1] == round(99 * 5 / 40, 1) and told[-1] == 99.0
    assert told[5] == told[4] == round(99 * plan.seconds(plan.chunk_frames) / 40, 1)
