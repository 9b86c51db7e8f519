"""Practice begins without films, ffmpeg and sign-up; how soon the first question is there is printed."""

from __future__ import annotations

import html
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.service import RunningService

from reelwright.practice.adapters.bank import load_questions

MOST_S = 60
REELWRIGHT = str(Path(sys.executable).with_name("reelwright"))


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH on which there is nothing but Python: no ffmpeg, no bubblewrap, no git."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    return str(folder)


def asked(text: str) -> bool:
    """Whether some question of the bank is in the text, by words of it that are no parameter."""
    plain = " ".join(re.sub(r"\x1b\[[\d;]*m", "", html.unescape(text)).split())
    pieces = (piece[:30].strip() for question in load_questions() for piece in re.split(r"\{\w+\}", question.asks))
    return any(one in plain for one in pieces if len(one) >= 12)


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


class Terminal:
    """A command in a terminal: what is typed, and what is shown."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self._process, self._end, self.shown = process, end, ""

    def press(self, keys: str) -> None:
        """Type, once it reads by the key; what it shows meanwhile is read, or it would take no more."""
        until = time.monotonic() + MOST_S
        while termios.tcgetattr(self._end)[3] & termios.ICANON:
            assert time.monotonic() < until, "it reads by the line, and of a line 4,095 bytes at most"
            time.sleep(0.01)
        typed = keys.encode()
        while typed:
            readable, writable, _ = select.select([self._end], [self._end], [])
            if readable:
                self._read()
            elif writable:
                typed = typed[os.write(self._end, typed[:1000]) :]

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()

    def read_until(self, pattern: str) -> str:
        """Everything shown since the last time, once the pattern is in it."""
        while not re.search(pattern, self.shown):
            self._read()
        shown, self.shown = self.shown, ""
        return shown

    def _read(self) -> None:
        readable, _, _ = select.select([self._end], [], [], MOST_S)
        assert readable, f"nothing more was shown after {self.shown[-2000:]}"
        self.shown += os.read(self._end, 1 << 16).decode().replace("\r\n", "\n")


@contextmanager
def terminal(data: Path, *arguments: str, status: int = 0) -> Iterator[Terminal]:
    """`reelwright practice` in a terminal of its own; a minute after what is done with it, it has ended like this."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [REELWRIGHT, "practice", *arguments, "--data", str(data)],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # Ctrl-C goes to whose terminal it is
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            yield Terminal(process, ours)
            assert process.wait(MOST_S) == status
        finally:
            process.kill()
            os.close(ours)


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


def test_a_stage_is_left_and_gone_on_with_in_the_terminal(tmp_path: Path) -> None:
    """Return alone answers nothing; Ctrl-C stops at once, and every line is there again, the long and the half."""
    with terminal(tmp_path, "start") as room:
        first = room.read_until(r"Ctrl-C stops.*\n\n.+\n")
        assert asked(" ".join(first.split()))
        room.press("\n   \n" + "long " * 2_000 + "end\n")
        room.press("and half a li")
        room.read_until("half a li")
        room.press("\x03")
        assert "practice resume" in (left := room.read_until(r"/practice/interviews/\w+"))
        assert "not found" not in left
    with terminal(tmp_path, "resume") as room:
        again = room.read_until("half a li\n")
        assert again.count("long ") == 2_000 and "end\nand half a li" in again
        room.press("ne\n\n")
        room.read_until("(shown|not found)")
        room.press("\x04")
        room.read_until(r"/practice/interviews/\w+")


def test_a_terminal_that_is_killed_loses_the_line_under_way_alone(tmp_path: Path) -> None:
    """As when its window is closed: what was typed before in this answer is there, here and in the browser."""
    with terminal(tmp_path, "start", status=-signal.SIGKILL) as room:
        room.read_until(r"Ctrl-C stops.*\n\n.+\n")
        room.press("I looked at the graph\nand at the traces\nand half a li")
        room.read_until("half a li")
        until = time.monotonic() + MOST_S
        while time.monotonic() < until and not any(b"the traces" in file.read_bytes() for file in tmp_path.iterdir()):
            time.sleep(0.05)
        room.kill()
    with terminal(tmp_path, "resume") as room:
        assert "I looked at the graph\nand at the traces\n" in room.read_until(r"\nand at [^?]*\n")
        room.press("\x03")
        room.read_until(r"/practice/interviews/\w+")
