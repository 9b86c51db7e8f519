"""The supervisor keeps processes running, and stops them all."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.service import free_port

from reelwright.app import supervisor
from reelwright.app.incidents import explain_exit, read_incidents
from reelwright.app.supervisor import (
    FIRST_BACK_OFF_S,
    LONGEST_BACK_OFF_S,
    STEADY_S,
    Child,
    Supervisor,
    next_back_off_s,
)
from reelwright.kernel.operations import read_processes
from reelwright.kernel.telemetry import exposition

pytestmark = pytest.mark.anyio

MEASURES = """
import os, time
from pathlib import Path
from reelwright.kernel.telemetry import gauge
gauge("own", "x").set(7)
Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], f"{os.getpid()}.set").touch()
time.sleep(60)
"""
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (sys.executable, "-c", "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")


async def _until(condition: object, *, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _ignores_sigterm(pid: int) -> bool:
    mask = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(mask.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def test_a_killed_process_is_restarted_and_the_incident_says_why(tmp_path: Path) -> None:
    """kill −9 of a child leads to a new one, and to an incident with cause, deed and advice."""
    task = asyncio.create_task(Supervisor([Child(name="one", argv=SLEEPER)], run_folder=tmp_path).run())
    await _until(lambda: [state for state in read_processes(tmp_path) if state.state == "ready"])
    first = read_processes(tmp_path)[0].pid
    os.kill(first, signal.SIGKILL)
    await _until(lambda: any(s.state == "ready" and s.pid != first for s in read_processes(tmp_path)))
    await _until(lambda: read_incidents(tmp_path)[0].back_ms is not None)
    incident = read_incidents(tmp_path)[0]
    assert (incident.process, incident.pid) == ("one", first)
    assert "SIGKILL" in incident.why and "restarted" in incident.done and incident.advice
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert not _alive(read_processes(tmp_path)[0].pid or first)


async def test_what_a_dead_process_measured_is_not_summed_with_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gauge of seconds since the epoch would lie in the year 2082 after the first restart."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    one = Child(
        name="one",
        argv=(sys.executable, "-c", MEASURES),
        environ={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
    )
    task = asyncio.create_task(Supervisor([one], run_folder=tmp_path / "run").run())
    await _until(lambda: list(tmp_path.glob("*.set")))
    os.kill(read_processes(tmp_path / "run")[0].pid, signal.SIGKILL)
    await _until(lambda: len(list(tmp_path.glob("*.set"))) == 2)
    assert b"reelwright_own 7.0" in exposition()
    os.kill(os.getpid(), signal.SIGTERM)
    await task


async def test_a_process_that_ignores_the_signal_is_killed_in_the_end(tmp_path: Path) -> None:
    """Stopping waits for a bounded time, then uses force."""
    task = asyncio.create_task(Supervisor([Child(name="mule", argv=STUBBORN)], run_folder=tmp_path).run())
    await _until(lambda: [state for state in read_processes(tmp_path) if state.state == "ready"])
    pid = read_processes(tmp_path)[0].pid
    await _until(lambda: _ignores_sigterm(pid))
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert not _alive(pid)
    assert read_processes(tmp_path)[0].state == "stopped"


ILL = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        well = Path(sys.argv[2]).exists()
        parts = [{"system": "a", "state": "ok"}]
        parts += [] if well else [{"system": "web", "state": "down", "says": "no scripts", "do": "make install"}]
        self.send_response(200 if well else 503)
        self.end_headers()
        self.wfile.write(json.dumps(parts).encode())
HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


async def test_who_waits_for_a_process_is_told_once_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that says nothing for ever helps nobody."""
    monkeypatch.setattr(supervisor, "LATE_S", 1.5)
    port, cure = free_port(), tmp_path / "cure"
    ill = Child(name="ill", argv=(sys.executable, "-c", ILL, str(port), str(cure)), port=port)
    with capture_logs() as told:
        task = asyncio.create_task(Supervisor([ill], run_folder=tmp_path).run())
        await _until(lambda: told)
        await asyncio.sleep(1.5)
        cure.touch()
        await _until(lambda: [state for state in read_processes(tmp_path) if state.state == "ready"])
    assert [line["lacks"] for line in told] == ["web: no scripts. make install"]
    os.kill(os.getpid(), signal.SIGTERM)
    await task


@pytest.mark.parametrize(
    ("last_s", "ran_s", "expected_s"),
    [
        (0, 0.1, FIRST_BACK_OFF_S),
        (1, 0.1, 2),
        (LONGEST_BACK_OFF_S, 0.1, LONGEST_BACK_OFF_S),
        (8, STEADY_S, FIRST_BACK_OFF_S),
    ],
)
async def test_back_off_doubles_and_starts_anew_after_a_steady_run(
    last_s: float, ran_s: float, expected_s: float
) -> None:
    """A process that falls at once is not restarted in a tight loop."""
    assert next_back_off_s(last_s, ran_s) == expected_s


async def test_an_exit_code_is_explained() -> None:
    """A person reads what happened, not a number alone."""
    assert "SIGSEGV" in explain_exit(-signal.SIGSEGV)[0]
    assert "exit code 3" in explain_exit(3)[0]


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """kill −9 of the supervisor leaves no process behind: the pipe that children hold closes."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from reelwright.app.supervisor import Child, Supervisor\n"
        "argv = (sys.executable, '-c', 'import asyncio; from reelwright.app.roles import serve;"
        " asyncio.run(serve(lambda stopping: stopping.wait()))')\n"
        f"asyncio.run(Supervisor([Child(name='c', argv=argv)], run_folder=Path({str(tmp_path)!r})).run())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])  # noqa: ASYNC220
    try:
        await _until(lambda: [state for state in read_processes(tmp_path) if state.state == "ready"])
        child = read_processes(tmp_path)[0].pid
        await asyncio.sleep(0.5)  # the child must have reached its pipe
    finally:
        parent.kill()
        parent.wait()
    await _until(lambda: not _alive(child))
