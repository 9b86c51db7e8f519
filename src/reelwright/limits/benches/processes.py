"""Processes that press on one limit at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO, cast

LEASE_START_NS = 200 * 10**6


def pressed_by_processes(function: Callable[[], None], arguments: Sequence[Sequence[str]]) -> list[bytes]:
    """What processes print that run a module's function and begin together; nothing where one cannot."""
    program = f"from {function.__module__} import {function.__name__} as press; press()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for given in arguments
    ]
    if not all(cast(IO[bytes], process.stdout).readline() for process in started):  # ready
        for process in started:
            process.kill()
            process.wait()
        return []
    begin = f"{time.monotonic_ns() + LEASE_START_NS}\n".encode()
    for process in started:
        cast(IO[bytes], process.stdin).write(begin)
        cast(IO[bytes], process.stdin).flush()
    return [process.communicate()[0] for process in started]
