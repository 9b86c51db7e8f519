"""Confinement of the programs that read hostile files: bubblewrap where it works, limits everywhere."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")


KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


def bare_environ() -> dict[str, str]:
    """The environment for a confined program: no password of a database or store is in it."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def confined(command: list[str], *, readable: list[Path], writable: list[Path]) -> list[str]:
    """`command` without network, seeing only the system, Python, `readable` and (for writing) `writable`."""
    program = bubblewrap()
    if program is None:
        return command
    options = ["--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108
    places = [*map(Path, _SYSTEM), Path(sys.prefix), Path(sys.base_prefix), Path(command[0]).resolve(), *readable]
    for place in places:
        if place.exists():
            options += ["--ro-bind", str(place), str(place)]
    for place in writable:
        options += ["--bind", str(place), str(place)]
    return [program, *options, "--", *command]


@functools.cache
def bubblewrap() -> str | None:
    """The path of bubblewrap where it can make namespaces; many containers forbid that."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    trial = [program, "--unshare-all", "--ro-bind", "/", "/", "--", "true"]
    try:
        works = subprocess.run(trial, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if works else None
