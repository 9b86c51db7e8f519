"""Bounds of a child process: this very file takes them upon itself, and becomes the program that is to have them.

`prlimit` would do the same, but macOS has none; and between fork and exec of a threaded process nothing is safe.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

_KINDS = ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")


def bounded(*, cpu_s: int, memory_bytes: int, file_bytes: int, files: int) -> list[str]:
    """What to write before a command, so that it has these bounds and leaves no core file.

    Cost: the start of an interpreter, 15 ms. macOS bounds no memory.
    """
    return [interpreter(), "-I", "-S", "-B", __file__, *map(str, (cpu_s, memory_bytes, file_bytes, files, 0))]


def interpreter() -> str:
    """Python itself, outside of any virtual environment: it finds the standard library and no package."""
    return str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())


def _become(limits: list[str], command: list[str]) -> None:
    for kind, most in zip(_KINDS, map(int, limits), strict=True):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, kind), (most, most))
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    _become(sys.argv[1 : 1 + len(_KINDS)], sys.argv[1 + len(_KINDS) :])
