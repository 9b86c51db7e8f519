"""The whole service: memory of its idle processes, its start and its stop."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.kernel.bench import Row
from reelwright.kernel.processes import free_port, pss_kb, tree

IDLE_S = 60


def idle_memory() -> Iterator[Row]:
    """All processes of `reelwright serve`, with nothing to do."""
    with tempfile.TemporaryDirectory() as text, _service(Path(text)) as process:
        time.sleep(IDLE_S)
        pss = {pid: pss_kb(pid) for pid in tree(process.pid)}
    yield Row(
        id="idle_memory",
        what=f"PSS of all processes of serve, {IDLE_S} s after ready",
        value=round(sum(pss.values()) / 1000, 1),
        unit="MB",
        op="<=",
        goal=450,
        note=f"{len(pss)} processes",
    )


def restart() -> Iterator[Row]:
    """Stop and start again, with live streams open when it is told to stop."""
    with tempfile.TemporaryDirectory() as text:
        with _service(Path(text)):
            pass
        began = time.monotonic()
        with _service(Path(text)) as process:
            ready_s = time.monotonic() - began
            began = time.monotonic()
            process.terminate()
            process.wait()
    yield Row(
        id="restart.ready", what="start on known data until ready", value=round(ready_s, 2), unit="s", op="<=", goal=5
    )
    yield Row(id="restart.stop", what="stop", value=round(time.monotonic() - began, 2), unit="s", op="<=", goal=5)


@contextmanager
def _service(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`reelwright serve`, ready."""
    settings = {
        "REELWRIGHT_DATA": str(data / "data"),
        "REELWRIGHT_PORT": str(free_port()),
        "REELWRIGHT_CDN_PORT": str(free_port()),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "reelwright.app.serve"], env={**os.environ, **settings}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    while line := process.stdout.readline():
        if b"is ready" in line:
            break
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
