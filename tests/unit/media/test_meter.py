"""Progress as it is written down while a film is encoded."""

from __future__ import annotations

import itertools

import pytest
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


def test_the_time_that_is_left_is_told_from_the_chunks_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk begins with nothing done, and a quick one ends before anybody looked: neither takes the figure away."""
    seconds = itertools.count(0.0, 4.0)
    monkeypatch.setattr("reelwright.media.jobs.time.monotonic", lambda: next(seconds))
    plan = LadderPlanner(codecs=("h264",)).plan(source(duration_s=40.0))
    chunk_s = plan.seconds(plan.chunk_frames)
    first = _Meter(AssetId("a"), 1, plan, 0)
    told = first.ended()
    assert told["percent"] == round(99 * chunk_s / 40, 1)
    assert told["speed"] > 0 and told["eta_s"] == pytest.approx((40 - chunk_s) / told["speed"], rel=0.01)
    begun = _Meter(AssetId("a"), 1, plan, 1, before=told["speed"]).news(0.0)
    assert begun == {**told, "eta_s": pytest.approx(told["eta_s"], rel=0.01)}
