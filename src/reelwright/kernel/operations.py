"""What people are told about the running service: its processes, their deaths, the health of its parts.

The supervisor writes, Studio and `/readyz` read; the structs stand here because both sides of that need them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import msgspec

from reelwright.kernel.system import Health


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """One child of the supervisor, now."""

    name: str
    state: Literal["starting", "ready", "restarting", "stopped"]
    pid: int
    since_ms: int
    restarts: int
    address: str = ""


def read_processes(folder: Path) -> list[ProcessState]:
    """The supervisor's table as last published in its run folder; empty when none has run there."""
    try:
        return msgspec.json.decode((folder / "processes.json").read_bytes(), type=list[ProcessState])
    except (FileNotFoundError, msgspec.MsgspecError):
        return []


def own_url(data: Path) -> str:
    """URL of the web process that serves this data folder on this machine; empty where none does."""
    known = read_processes(data / "run")
    return next((one.address for one in known if one.name == "web" and one.state == "ready"), "")


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A process ended when nobody had asked it to."""

    at_ms: int
    process: str
    pid: int
    why: str
    done: str
    advice: str
    back_ms: int | None = None
    """When it was ready again; None while it is not."""


@runtime_checkable  # handlers are given it by name, and its type is checked
class Operations(Protocol):
    """What pages may ask about the running service."""

    def processes(self) -> Sequence[ProcessState]:
        """The processes of this machine's supervisor; empty when there is none."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """Deaths of processes that are still remembered, the newest first."""
        ...

    async def health(self) -> Sequence[Health]:
        """One line a system, within about a second however ill a part is."""
        ...
