"""Where objects stand in their packages: what stream they belong to, and what comes after them.

An object's name says nothing, its package all. A package that lies below the root is read once, beside the loop, when
somebody who says who they are (CMCD) asks for an object of its folder; what is known serves the cache's policy, which
foresees what sessions want next, and CMSD-Static.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from reelwright.cdn.ports import ManifestMaker, Stream
from reelwright.kernel.errors import Invalid
from reelwright.kernel.telemetry import logger

OBJECTS_MOST = 300_000
"""Of all folders together; the longest unused folder goes first."""
AGAIN_S = 60.0
"""After which a folder without a package is looked at again."""
log = logger(__name__)


class Places:
    """What is known of objects. Belongs to one event loop."""

    def __init__(self, root: Path, make: ManifestMaker, monotonic_ns: Callable[[], int]) -> None:
        self._root = root
        self._make = make
        self._monotonic_ns = monotonic_ns
        self._folders: OrderedDict[str, dict[str, tuple[Stream, int]]] = OrderedDict()
        self._objects = 0
        self._looked_ns: dict[str, int] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    def find(self, name: str) -> tuple[Stream, int] | None:
        """The stream of an object and its place there; None where that is not known, or not yet."""
        folder = name[: name.rfind("/")]
        known = self._folders.get(folder)
        if known is not None:
            self._folders.move_to_end(folder)
            return known.get(name)
        last_ns, now_ns = self._looked_ns.get(folder), self._monotonic_ns()
        if folder not in self._reading and (last_ns is None or now_ns - last_ns > AGAIN_S * 1e9):
            if len(self._looked_ns) > 10_000:
                self._looked_ns.clear()
            self._looked_ns[folder] = now_ns
            self._reading[folder] = asyncio.get_running_loop().create_task(self._learn(folder))
        return None

    def stream_of(self, name: str) -> tuple[str, int]:
        """As the cache's policy wants it: a name and a number; empty and -1 where that is not known."""
        found = self.find(name)
        if found is None or found[0].kind not in ("v", "a"):
            return "", -1
        return f"{name[: name.rfind('/')]}/{found[0].id}", found[1]

    def forget(self, meant: Callable[[str], bool]) -> None:
        """What was purged may be another when it is back."""
        for folder in [folder for folder, known in self._folders.items() if any(meant(name) for name in known)]:
            self._objects -= len(self._folders.pop(folder))
            self._looked_ns.pop(folder, None)

    async def _learn(self, folder: str) -> None:
        try:
            found = await asyncio.to_thread(self._read, folder)
        except (OSError, Invalid) as error:
            log.warning("a package cannot be read", folder=folder, problem=str(error))
            found = {}
        finally:
            self._reading.pop(folder, None)
        if not found:
            return
        self._folders[folder] = found
        self._objects += len(found)
        while self._objects > OBJECTS_MOST and len(self._folders) > 1:
            self._objects -= len(self._folders.popitem(last=False)[1])

    def _read(self, folder: str) -> dict[str, tuple[Stream, int]]:
        packages = sorted((self._root / folder).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        if not packages:
            return {}
        streams = self._make(packages[-1].read_bytes()).streams()
        return {name: (stream, at) for stream in streams for at, name in enumerate(stream.names)}


def cmsd_static(stream: Stream, at: int) -> str:
    """The value of CMSD-Static (CTA-5006) of an object: type, bitrate, duration, on demand, the next object.

    `sf` is left out: the same segments are HLS's and DASH's.
    """
    said = [f"ot={stream.kind}", "st=v"]
    if stream.kbps:
        said.append(f"br={stream.kbps}")
    if stream.ms:
        said.append(f"d={stream.ms[at]}")
    if stream.kind in ("v", "a") and at + 1 < len(stream.names):
        said.append(f'nor="{quote(stream.names[at + 1].rpartition("/")[2])}"')
    return ",".join(said)
