"""Practice begins without films, ffmpeg and sign-up; how soon the first question is there is printed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.service import RunningService

from reelwright.practice.adapters.bank import load_questions

REELWRIGHT = str(Path(sys.executable).with_name("reelwright"))


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH on which there is nothing but Python: no ffmpeg, no bubblewrap, no git."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    return str(folder)


def asked(text: str) -> bool:
    """Whether some question of the bank is in the text, by its first words."""
    begins = (question.asks.split("{")[0][:30].strip() for question in load_questions())
    return any(one in text for one in begins if len(one) >= 12)


def test_the_terminal_asks_its_first_question(tmp_path: Path, bare_path: str) -> None:
    """In a fresh data folder; the time from the start of the process is printed."""
    began = time.monotonic()
    process = subprocess.Popen(
        [REELWRIGHT, "practice", "start", "--data", str(tmp_path / "data")],
        env={"PATH": bare_path, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1", "COLUMNS": "400"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout and process.stdin
    said = ""
    while not asked(said):
        line = process.stdout.readline()
        assert line, said
        said += line
    print(f"first question in the terminal after {time.monotonic() - began:.1f} s")
    process.stdin.close()
    assert process.wait(60) == 0


def test_practice_is_served_alone(tmp_path: Path, bare_path: str) -> None:
    """`serve --only practice`: no edge, no worker, no account; the first question by one form."""
    began = time.monotonic()
    with RunningService(tmp_path / "data", "practice", environ={"PATH": bare_path}) as service:
        ready = time.monotonic() - began
        with httpx.Client(base_url=service.url, follow_redirects=True, timeout=60) as client:
            page = client.post("/practice", data={"stage": "phone", "role": "senior", "track": "streaming"})
        assert page.status_code == 200 and asked(page.text)
        print(f"ready after {ready:.1f} s, first question in the browser after {time.monotonic() - began:.1f} s")
        assert "(web)" in service.output()
