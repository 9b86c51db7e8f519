"""What the supervisor writes down for people: which processes run, and each death with what was done about it."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec

from reelwright.kernel.files import replace_file
from reelwright.kernel.operations import Incident, ProcessState

KEEP = 500


def explain_exit(code: int) -> tuple[str, str]:
    """Why a process ended and what to do, from its exit code as asyncio gives it (negative: signal)."""
    if code == -signal.SIGKILL:
        return (
            "killed (SIGKILL): by a person, or by the kernel when memory ran out",
            "If this repeats, look for 'Out of memory' in `dmesg` and give the machine more memory.",
        )
    if code < 0:
        name = signal.Signals(-code).name
        return f"ended by {name}", "If this repeats, send the log of that minute with a report of the fault."
    return f"ended by itself with exit code {code}", "The last lines of the log before this time say why."


def write_processes(folder: Path, processes: list[ProcessState]) -> None:
    """Publish the table of processes, atomically."""
    _replace(folder / "processes.json", msgspec.json.encode(processes))


def write_incidents(folder: Path, incidents: list[Incident]) -> None:
    """Publish the newest incidents, oldest first, atomically."""
    _replace(folder / "incidents.json", msgspec.json.encode(incidents[-KEEP:]))


def read_incidents(folder: Path) -> list[Incident]:
    """All incidents still kept, oldest first."""
    try:
        return msgspec.json.decode((folder / "incidents.json").read_bytes(), type=list[Incident])
    except (FileNotFoundError, msgspec.MsgspecError):
        return []


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data)
