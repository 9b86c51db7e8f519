"""Media without a service: commands, the package folder, and the walls around what reads hostile files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.films import H264, Films, frame_hashes
from typer.testing import CliRunner

from reelwright.media.adapters import ffmpeg
from reelwright.media.adapters.sandbox import bubblewrap, confined
from reelwright.media.cli import app
from reelwright.media.contract import BadSource, Package

WITHOUT_WALLS = "bubblewrap cannot make namespaces here: sudo apt install bubblewrap, and allow user namespaces"


@pytest.fixture
def film(films: Films) -> Path:
    """A film of three seconds."""
    return films.make("plain.mp4", *H264, "-c:a", "aac")


def test_package_makes_a_folder_that_a_web_server_can_serve(film: Path, tmp_path: Path) -> None:
    """Playlists, MPD and segments with relative names; subtitles given by language; ffmpeg plays both manifests."""
    (tmp_path / "x.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nHello\n")
    out = tmp_path / "out"
    options = ["--preset", "ultrafast", "--codecs", "both", "--subtitle", f"en={tmp_path}/x.srt"]
    result = CliRunner().invoke(app, ["package", str(film), "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    package = msgspec.json.decode((out / "package.json").read_bytes(), type=Package)
    assert package.complete and [text.language for text in package.texts] == ["eng"]
    assert len(frame_hashes(out / "master.m3u8", "0:v:0")) == 75
    assert len(frame_hashes(out / "manifest.mpd", "0:v:0", "-allowed_extensions", "ALL")) == 75
    for playlist in out.glob("*.m3u8"):
        lines = [line for line in playlist.read_text().splitlines() if line and not line.startswith("#")]
        assert lines and all((out / line).is_file() for line in lines)


def test_probe_and_plan_say_what_would_be_made(film: Path) -> None:
    """JSON for machines, a table for people."""
    probed = CliRunner().invoke(app, ["probe", str(film)])
    assert json.loads(probed.output)["width"] == 320
    planned = CliRunner().invoke(app, ["plan", str(film)])
    assert "v180-h264" in planned.output and "75 frames" in planned.output


def test_a_bad_file_is_one_line_of_reason(tmp_path: Path) -> None:
    """The command ends with the same words as a job."""
    path = tmp_path / "notes.mp4"
    path.write_text("Dear diary")
    result = CliRunner().invoke(app, ["package", str(path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, BadSource) and "text file" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_asking_about_encodes_loads_no_encoder() -> None:
    """The web process stays small: neither PyAV nor numpy nor the job engine comes with service and routes."""
    heavy = "av numpy imageio_ffmpeg charset_normalizer dbos"
    code = (
        "import sys, reelwright.media.service, reelwright.media.api, reelwright.media.system\n"
        f"print(sorted(set(sys.modules) & set({heavy.split()!r})))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.skipif(bubblewrap() is None, reason=WITHOUT_WALLS)
def test_a_confined_program_sees_its_source_and_nothing_else(tmp_path: Path) -> None:
    """No other file of anybody, no network, no writing but in its own folder."""
    (tmp_path / "mine").write_text("mine\n")
    (tmp_path / "other").write_text("other\n")
    work = tmp_path / "work"
    work.mkdir()
    script = (
        f"cat {tmp_path}/mine; cat {tmp_path}/other; cat /etc/passwd; echo x > {tmp_path}/mine; echo x > {work}/made;"
        "cat /proc/net/dev | grep -vc 'lo:\\|Inter\\|face'; ls /proc | grep -c '^[0-9]'"
    )
    command = confined(["/bin/sh", "-c", script], readable=[tmp_path / "mine"], writable=[work])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split()[:2] == ["mine", "0"]
    assert "other" not in done.stdout and "root:" not in done.stdout
    assert int(done.stdout.split()[2]) < 8
    assert (tmp_path / "mine").read_text() == "mine\n" and (work / "made").exists()


@pytest.fixture
def pretender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program in the encoder's place that does what a script says."""
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    monkeypatch.setenv("REELWRIGHT_FFMPEG", str(script))
    ffmpeg.program.cache_clear()
    yield script
    monkeypatch.undo()
    ffmpeg.program.cache_clear()


def start(pretender: Path, film: Path, tmp_path: Path) -> int:
    """Run it as the encoder is run."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return ffmpeg.run([], source=film, work=work, watch=lambda _done_s: None)


def test_the_encoder_has_bounds(pretender: Path, film: Path, tmp_path: Path) -> None:
    """Of memory, CPU time and file size; no core files; others go first."""
    pretender.write_text("#!/bin/bash\n(ulimit -v; ulimit -t; ulimit -f; ulimit -c; nice) > bounds\n")
    start(pretender, film, tmp_path)
    memory, cpu, size, core, niceness = (tmp_path / "work" / "bounds").read_text().split()
    assert (int(memory) * 1024, int(cpu), int(size) * 1024) == (ffmpeg.MEMORY_BYTES, ffmpeg.CPU_S, ffmpeg.FILE_BYTES)
    assert core == "0" and int(niceness) >= ffmpeg.NICE


def test_the_encoder_is_told_no_secret(
    pretender: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passwords of stores and databases are in our environment, and nobody's film should hold them."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("REELWRIGHT_DATABASE", "postgresql://user:hunter2@host/db")
    pretender.write_text("#!/bin/bash\nenv > seen\n")
    start(pretender, film, tmp_path)
    seen = (tmp_path / "work" / "seen").read_text()
    assert "PATH=" in seen and "hunter2" not in seen


def test_an_encoder_that_talks_without_end_is_listened_to_and_forgotten(
    pretender: Path, film: Path, tmp_path: Path
) -> None:
    """A hostile file can make it complain for gigabytes; the reason is in the last lines."""
    pretender.write_text(
        "#!/bin/bash\nhead -c 50000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; echo 'the reason' >&2; exit 1\n"
    )
    with pytest.raises(BadSource, match=r"plain\.mp4 could not be encoded: the reason"):
        start(pretender, film, tmp_path)


def test_what_was_refused_is_counted(pretender: Path, film: Path, tmp_path: Path) -> None:
    """Lines of decoders and demuxers about bad data; others are not about the source."""
    pretender.write_text(
        "#!/bin/bash\n"
        "echo '[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Decoding error: Invalid data found' >&2\n"
        "echo '[in#0/mov @ 0x1] [error] Error during demuxing' >&2\n"
        "echo '[in#0/mpegts @ 0x1] [warning] corrupt input packet in stream 0' >&2\n"
        "echo '[in#0/mpegts @ 0x1] [warning] changing packet size' >&2\n"
        "echo '[h264 @ 0x1] [error] mmco: unref short failure' >&2\n"
    )
    assert start(pretender, film, tmp_path) == 3
