"""A ladder fitted to a film by trial encodes with the real encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.films import H264, Films, run_ffmpeg

from reelwright.media.adapters import ffmpeg
from reelwright.media.adapters.packaging import package_file, plan_file
from reelwright.media.adapters.probe import probe
from reelwright.media.adapters.tryout import QUALITIES, try_out
from reelwright.media.core.ladder import FittedLadder
from reelwright.media.core.plan import LadderPlanner

pytestmark = pytest.mark.slow
PLANNER = LadderPlanner(ladder=FittedLadder(), preset="ultrafast")


def test_trials_take_less_where_they_look_worse(films: Films, tmp_path: Path) -> None:
    """Every size at every quality, and within a size less quality for fewer bits."""
    film = films.make("film.mp4", *H264, size="640x360", seconds=3)
    plan = PLANNER.plan(probe(film))
    found = try_out(plan, film, tmp_path)
    assert len(found) == len(QUALITIES) * len(plan.rungs)
    for rung in plan.rungs:
        curve = [(one.bps, one.quality) for one in found if one.side == rung.height]
        assert curve == sorted(curve, reverse=True) and 0 <= curve[-1][1] < curve[0][1] <= 100


def test_a_still_film_is_packaged_in_fewer_rungs(films: Films, tmp_path: Path) -> None:
    """What nobody sees is left out, and what is left is a package that verifies."""
    film = tmp_path / "still.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=c=navy:s=640x360:r=25:d=3", *H264, film)
    package, _ = package_file(film, tmp_path / "out", planner=PLANNER, fitted=True)
    videos = [track for track in package.tracks if track.kind == "video"]
    assert 0 < len(videos) < len(PLANNER.plan(probe(film)).rungs)


def test_without_a_way_to_measure_it_is_the_table(
    films: Films, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another ffmpeg may have no libvmaf."""
    film = films.make("film.mp4", *H264, size="640x360", seconds=3)
    bare = tmp_path / "ffmpeg"
    refused = '*libvmaf*) echo "[error] No such filter: libvmaf" >&2; exit 8;;'
    bare.write_text(f'#!/bin/sh\ncase "$*" in {refused} esac\nexec {ffmpeg.program()} "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "program", lambda: str(bare))
    assert plan_file(film, planner=PLANNER, fitted=True) == PLANNER.plan(probe(film))
