"""A flash and a beep of one moment stay together, whenever each track begins in its container."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.films import H264, pictures_of, run_ffmpeg, sound_of
from tests.integration.media.conftest import Packaging

from reelwright.media.adapters.probe import probe
from reelwright.media.core.plan import LadderPlanner
from reelwright.media.core.remarks import remarks_on

pytestmark = pytest.mark.slow

FLASH = "color=black:size=320x180:rate=25:duration=6,drawbox=color=white:t=fill:enable='between(t,3,3.3)'"
BEEP = "aevalsrc='if(between(t,3,3.3),sin(2000*PI*t),0)':sample_rate=48000:duration=6"
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "2", "-fps_mode", "vfr", "-c:a", "mp2")


def flash_and_beep(folder: Path, name: str, *options: str, picture_s: float, sound_s: float) -> Path:
    """Six seconds with a flash and a beep at 3 s; each track is delayed by so many seconds."""
    path = folder / name
    tracks = ((picture_s, FLASH), (sound_s, BEEP))
    inputs = [word for late_s, made in tracks for word in ("-itsoffset", str(late_s), "-f", "lavfi", "-i", made)]
    run_ffmpeg(*inputs, *options, path)
    return path


@pytest.mark.parametrize(("picture_s", "sound_s"), [(0.0, 0.0), (1.5, 0.0), (0.0, 1.5)])
@pytest.mark.parametrize(
    ("name", "options"),
    [("film.ts", (*H264, "-c:a", "aac")), ("film.mpg", MPEG2), ("film.mp4", H264), ("film.mkv", H264)],
)
def test_tracks_that_begin_apart_stay_together(
    name: str, options: tuple[str, ...], picture_s: float, sound_s: float, tmp_path: Path, packaged: Packaging
) -> None:
    """As a recording from the air has them: what comes before the first picture is left out, and told from 1 s on."""
    made = packaged(flash_and_beep(tmp_path, name, *options, picture_s=picture_s, sound_s=sound_s))
    shown = pictures_of(made.folder / "v180-h264.m3u8").mean(axis=1)
    heard = np.abs(sound_of(made.folder / "a0-aac.m3u8"))
    flash_s = float(np.argmax(shown > shown.max() / 2)) / 25
    beep_s = float(np.argmax(heard > heard.max() / 4)) / 48_000
    assert flash_s == pytest.approx(3, abs=0.05)
    assert beep_s - flash_s == pytest.approx(sound_s - picture_s, abs=0.04)
    assert any("2 s before the first picture" in remark for remark in made.remarks) == (picture_s > 0)


@pytest.mark.parametrize(
    ("name", "options"),
    [("film.ts", (*H264, "-c:a", "aac")), ("film.m2ts", (*H264, "-c:a", "ac3")), ("film.mpg", MPEG2),
     ("film.vob", (*MPEG2, "-f", "svcd")), ("old.mpg", ("-c:v", "mpeg1video", "-c:a", "mp2", "-f", "vcd"))],
)  # fmt: skip
def test_recordings_that_were_joined_byte_by_byte_are_known(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Their times begin anew, and what is lost is told; a clock that is full and begins at 0 is a good one."""
    film = flash_and_beep(tmp_path, name, *options, picture_s=0, sound_s=0)
    assert not probe(film).joined
    both = film.with_name(f"both {name}")
    both.write_bytes(film.read_bytes() * 2)
    info = probe(both)
    assert info.joined
    plan = LadderPlanner().plan(info)
    assert any("begin anew" in remark for remark in remarks_on(plan, [], plan.seconds(plan.frames)))


def test_a_clock_that_is_full_goes_on(tmp_path: Path) -> None:
    """After 26.5 hours of a channel it begins at 0."""
    late = ("-output_ts_offset", str(2**33 / 90_000 - 3), "-muxdelay", "0", "-muxpreload", "0")
    film = flash_and_beep(tmp_path, "full.ts", *H264, "-b:v", "4M", *late, picture_s=0, sound_s=0)
    assert not probe(film).joined
