"""Processes of this machine as benchmarks start and weigh them: ports, CPU, memory. What is weighed needs Linux."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None, *, most_s: float = 20) -> None:
    """Until something listens on a port. Raises AssertionError after `most_s`, or once the process has ended."""
    until = time.monotonic() + most_s
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{process.args!r} ended, and listens on no port")
        if time.monotonic() > until:
            raise AssertionError(f"nothing listens on port {port}")
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """What a process has started itself."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tree(pid: int) -> list[int]:
    """A process, and all that came of it."""
    found = [pid]
    for child in children(pid):
        found += tree(child)
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of CPU that processes have used until now, to the system's tick."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_kb(pid: int) -> int:
    """Memory of a process; of pages that several share, its part."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])
