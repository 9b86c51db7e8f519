"""The sandbox lets code compute and nothing else: each escape is tried for real."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from reelwright.practice.adapters import sandbox as sandbox_module
from reelwright.practice.adapters.sandbox import Bounds, Sandbox, bubblewrap_works, choose_confinement
from reelwright.practice.contract import Broken, Refused
from reelwright.practice.labs.escapes import ESCAPES
from reelwright.practice.labs.lab import run_alone, starter
from reelwright.practice.labs.labs import LABS

needs_bubblewrap = pytest.mark.skipif(
    not bubblewrap_works(), reason="bubblewrap with user namespaces: apt-get install bubblewrap"
)
SHORT = Bounds(wall_s=10, cpu_s=3, memory_bytes=256 << 20, line_bytes=1 << 20, output_bytes=4 << 20)
SPUN = msgspec.structs.replace(SHORT, wall_s=90)
"""For what ends by its CPU time, also on a busy machine."""


def answer(body: str, message: object = None) -> object:
    """What code with this body answers."""
    source = "def answer(message):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    with Sandbox(source, driver="echo.py", bounds=SHORT if "sleep" in body else SPUN) as box:
        return box.ask(message)


@needs_bubblewrap
def test_code_may_compute() -> None:
    """Else every other test here would pass for nothing."""
    assert answer("import math\nreturn [message + 1, math.isqrt(17)]", 4) == [5, 4]


@needs_bubblewrap
@pytest.mark.parametrize(("body", "error"), ESCAPES)
def test_an_escape_fails(body: str, error: str) -> None:
    """No process, no network, no file but its own small folder, no more memory than given."""
    with pytest.raises(Broken, match=error):
        answer(body)


@needs_bubblewrap
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("import time\ntime.sleep(1000)", "no answer within"),
        ("while True: pass", "killed after 3 s of CPU time: it is far too slow, or loops without end$"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", "more output than"),
        ("import sys\nwhile True: sys.stderr.write('x' * 65536)", "printed more than 1 MB|no answer within"),
        ("return float('nan')", "no JSON"),
        ("return [1e400]", "no JSON"),
        ("return 'x' * (2 << 20)", "more output than"),
        ("import os\nos.write(1, b'{\\n')", "no JSON"),
        ("import os\nos._exit(0)", "ended with status 0 before it answered$"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "a crash of Python itself .SIGSEGV.$"),
        ("return object()", "not JSON serializable"),
        ("import threading, time\nfor _ in range(3000): threading.Thread(target=time.sleep, args=(99,)).start()\n"
         "time.sleep(99)", "start new thread|MemoryError|no answer within|status"),
        ("def deeper(n): return deeper(n + 1)\ndeeper(0)", "RecursionError"),
    ],
)  # fmt: skip
def test_code_that_does_not_answer_is_ended_and_told(body: str, error: str) -> None:
    """It sleeps, spins, floods, ends, or says what is no JSON."""
    with pytest.raises(Broken, match=error):
        answer(body)


@needs_bubblewrap
def test_a_name_that_is_missing_is_named_first() -> None:
    """A traceback through our driver says little to whoever renamed a function."""
    told = pytest.raises(Broken, match="raised: it has no answer, which the lab calls by this name")
    with Sandbox("def reply(message): ...", driver="echo.py", bounds=SHORT) as box, told:
        box.ask(1)


@needs_bubblewrap
@pytest.mark.parametrize("driver", ["echo.py", "objects.py", "token_bucket.py", "exactly_once.py"])
@pytest.mark.parametrize(
    ("source", "begins"),
    [
        ("x = 1\ndef broken(:\n", "line 2 of your code"),
        ("def inner():\n    return 1 / 0\n\ninner()", "line 4 of your code"),
        ("print('x' * 3000)\nprint('y' * 9000)\nraise ValueError('mine')", "line 3 of your code"),
        ("while True: print('hello')", "it printed more than 1 MB"),
    ],
)
def test_what_is_wrong_is_told_without_our_own_lines(driver: str, source: str, begins: str) -> None:
    """The first file and line that a newcomer sees is theirs, also after much that was printed."""
    with Sandbox(source, driver=driver, bounds=SPUN) as box, pytest.raises(Broken) as raised:
        box.ask([["one", "Lease", []]])
    said = str(raised.value)
    assert begins in said, said
    assert "driver.py" not in said and "runpy" not in said, said


@needs_bubblewrap
def test_ones_own_line_is_told_however_deep_below_it_the_error_is() -> None:
    """What broke lies in a library; who called it is what can be mended."""
    source = "import json\n\nclass Lease:\n    def __init__(self):\n        json.loads('torn')\n"
    with Sandbox(source, driver="objects.py", bounds=SPUN) as box, pytest.raises(Broken) as raised:
        box.ask([["one", "Lease", []]])
    assert "line 5 of your code" in str(raised.value) and str(raised.value).strip().endswith("(char 0)")


@needs_bubblewrap
@pytest.mark.parametrize(
    ("driver", "source", "line"),
    [
        ("objects.py", "class Lease:\n    def spend(self): return {1}", "json.dumps(told)"),
        ("objects.py", "class Lease: ...", "getattr(OBJECTS[key], method)"),
        (
            "token_bucket.py",
            "EMPTY = 0\ndef token_bucket(*_):\n    return lambda *_: (0, {1}, 0, 0, 0)",
            "json.dumps",
        ),
        ("token_bucket.py", "EMPTY = 0\ndef token_bucket(*_):\n    return lambda *_: (0, True)", "wait, _ = step("),
    ],
)
def test_what_does_not_fit_is_told_by_the_line_that_it_does_not_fit(driver: str, source: str, line: str) -> None:
    """A set for a list has no line of its own that is wrong; the insides of a library say less than the last one."""
    asked = {"objects.py": [["one", "Lease", []], ["one", "spend", []]]}
    with Sandbox(source, driver=driver, bounds=SPUN) as box, pytest.raises(Broken) as raised:
        box.ask(asked.get(driver, {"bucket": [1, 1, 1], "requests": [[1, 1]]}))
    said = str(raised.value)
    assert line in said and "Error: " in said, said
    assert "File" not in said and len(said) < 250, said


SPINS = """
import threading
from time import process_time

def spin():
    while process_time() < 2.1: pass

def answer(message):
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
"""


@needs_bubblewrap
@pytest.mark.parametrize("clocks", [True, False], ids=["clock", "ps"])
def test_cpu_time_is_told_from_outside(clocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of threads that have ended; and where the system has no clock of another process."""
    if not clocks:
        monkeypatch.setattr(sandbox_module, "time", Clockless())
    with Sandbox(SPINS, driver="echo.py", bounds=SPUN) as box:
        box.ask(None)
        assert 2e9 <= box.cpu_ns() <= 3.5e9


class Clockless:
    """`time` of a system that tells the CPU time of nobody else."""

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def clock_gettime_ns(self, clock: int) -> int:
        """As macOS says it."""
        raise OSError(22, f"no clock {clock}")


@needs_bubblewrap
def test_what_is_printed_is_in_the_log_of_practice_and_of_no_hidden_seed() -> None:
    """Who looks for a fault prints; a hidden seed shows nothing of itself."""
    lab = LABS["bitrate"]
    said: list[str] = []
    source = starter(lab).replace(
        "def choose(self, known):", "def choose(self, known):\n        print('SEEN', known.rung)"
    )
    run_alone(lab, source, (1,), told=said.append)
    assert any(one.startswith("it printed: SEEN ") for one in said) and len(said) < 20
    said.clear()
    run_alone(lab, source, (1,), hidden=True, told=said.append)
    assert "SEEN" not in "".join(said)


@needs_bubblewrap
def test_nothing_of_ours_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in our environment stays ours."""
    monkeypatch.setenv("REELWRIGHT_SECRET", "hunter2")
    found = answer("import os\nreturn dict(os.environ)")
    assert isinstance(found, dict) and "REELWRIGHT_SECRET" not in found and "HOME" not in found


@needs_bubblewrap
def test_nothing_is_left_when_it_is_ended(tmp_path: Path) -> None:
    """Neither process nor folder."""

    def ours() -> Iterator[str]:
        for entry in Path("/proc").iterdir():
            try:
                begun_here = f"PPid:\t{os.getpid()}\n" in (entry / "status").read_text()
                if begun_here and b"/lab/driver.py" in (entry / "cmdline").read_bytes():
                    yield entry.name
            except OSError:
                continue

    with Sandbox("def answer(message): return 1", driver="echo.py", bounds=SHORT) as box:
        assert box.ask(0) == 1
        assert list(ours())
    deadline_s = time.monotonic() + 60
    while list(ours()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert list(ours()) == []


@needs_bubblewrap
def test_nothing_is_left_when_it_is_killed_as_soon_as_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bubblewrap's own child is no orphan, however young it was."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def left() -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found += [entry.parent.name] if str(tmp_path).encode() in entry.read_bytes() else []
        return found

    with Sandbox("def answer(message): return 1", driver="echo.py", bounds=SHORT) as box:
        for wait_ms in range(60):
            time.sleep(wait_ms % 20 / 1000)
            box.restart()
    deadline_s = time.monotonic() + 60
    while left() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert left() == []


@needs_bubblewrap
def test_code_that_is_too_long_is_not_even_run() -> None:
    """A bound on what is written to disk."""
    with pytest.raises(Broken, match="more than"):
        Sandbox("#" * (1 << 20), driver="echo.py")


def test_without_bubblewrap_a_server_for_several_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """One person on loopback who has said so may; nobody else."""
    monkeypatch.setattr(sandbox_module, "bubblewrap_works", lambda: False)
    for people, loopback, agreed in ((2, True, True), (1, False, True), (1, True, False)):
        with pytest.raises(Refused, match="bubblewrap"):
            choose_confinement(people=people, loopback=loopback, agreed=agreed)
    assert choose_confinement(people=1, loopback=True, agreed=True) == "limits"


def test_with_limits_only_code_still_ends() -> None:
    """CPU time, memory and the wall clock bind it there too."""
    for body, error in (("while True: pass", "status"), ("x = bytearray(1 << 30)", "MemoryError")):
        with (
            pytest.raises(Broken, match=error),
            Sandbox(f"def answer(message):\n    {body}", driver="echo.py", bounds=SPUN, confinement="limits") as box,
        ):
            box.ask(None)


@needs_bubblewrap
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="a kernel that tells how long a process queued")
def test_who_was_given_no_processor_is_not_blamed() -> None:
    """Beside eight others on one processor: the machine fails, and not the code."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin, start_new_session=True) for _ in range(8)]  # Linux shares time out by session
    try:
        source = "def answer(message):\n    while True: pass\n"
        with Sandbox(source, driver="echo.py", bounds=Bounds(wall_s=6)) as box, pytest.raises(OSError, match="busy"):
            box.ask(None)
    finally:
        for one in others:
            one.kill()
            one.wait()
        os.sched_setaffinity(0, before)


@needs_bubblewrap
def test_what_starts_while_the_service_ends_is_ended() -> None:
    """A run that was between two seeds when all were killed goes no further."""
    ending = threading.Event()
    known = sandbox_module.ENDING.set(ending)
    try:
        with Sandbox("def answer(message):\n    return message\n", driver="echo.py", bounds=SHORT) as box:
            assert box.ask(1) == 1
            ending.set()
            with pytest.raises(Broken, match="the service ends"):
                box.restart()
        fresh = Sandbox("def answer(message):\n    return message\n", driver="echo.py", bounds=SHORT)
        with pytest.raises(Broken, match="the service ends"), fresh:
            raise AssertionError("it started")
        assert fresh._process is not None and fresh._process.poll() is not None
    finally:
        sandbox_module.ENDING.reset(known)
