"""`reelwright add` takes films from the terminal, and says at once what is wrong with what is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest
from tests.service import RunningService, expect, set_up

pytestmark = pytest.mark.slow


def add(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a person types it."""
    program = "from reelwright.app.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "add", *arguments], capture_output=True, text=True, timeout=90
    )


def make_film(path: Path) -> Path:
    """Three computed seconds."""
    picture = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=3", "-pix_fmt", "yuv420p"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, str(path)], check=True)
    return path


def test_a_film_is_followed_until_it_is_done_and_a_broken_one_says_why(tmp_path: Path) -> None:
    """Good ones are taken although one is bad; the exit code tells that one was."""
    films = tmp_path / "films"
    films.mkdir()
    make_film(films / "Low Sun (2021).mp4")
    (films / "Broken (2020).mp4").write_text("ffconcat version 1.0\nfile '/etc/passwd'\n")
    with RunningService(tmp_path / "data") as service:
        done = add(str(films), "--data", str(service.data))
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Broken (2020).mp4:" in done.stdout and "Low Sun (2021).mp4" in done.stdout
        titles = expect(set_up(service).get("/api/v1/titles"), 200)["titles"]
        assert [(row["title"]["name"], row["playables"][0]["state"]) for row in titles] == [("Low Sun", "ready")]
        again = add(str(films / "Low Sun (2021).mp4"), "--data", str(service.data))
        assert again.returncode == 0 and "already" in again.stdout


@pytest.mark.parametrize(
    ("name", "says"), [("missing.mp4", "no file"), ("notes.txt", "does not end as a film"), (".", "holds no film")]
)
def test_what_is_no_film_is_refused_by_name(tmp_path: Path, name: str, says: str) -> None:
    """One line, no traceback."""
    (tmp_path / "notes.txt").write_text("x")
    done = add(str(tmp_path / name), "--data", str(tmp_path / "data"))
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr


def test_without_a_running_service_films_are_queued(tmp_path: Path) -> None:
    """The next start encodes them."""
    film = make_film(tmp_path / "Low Sun (2021).mp4")
    done = add(str(film), "--data", str(tmp_path / "data"))
    assert done.returncode == 0 and "reelwright serve" in done.stdout
