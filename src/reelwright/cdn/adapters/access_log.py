"""The edge's access log: one JSON document a request, which `reelwright cdn replay` reads back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from reelwright.cdn.contract import Access
from reelwright.kernel.telemetry import logger

FILE_BYTES_MOST = 64 << 20
log = logger(__name__)


class AccessLog:
    """Appends to `path`; past its size the file becomes `.1` and a new one begins, so that two are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failing = False

    def write(self, accesses: Iterable[Access]) -> None:
        """Append; what a full disk refuses is lost and said once, since serving comes first."""
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in accesses)
        if not lines:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(lines)
                full = file.tell() > FILE_BYTES_MOST
            if full:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.warning("the access log cannot be written; requests go unlogged", problem=str(error))
            self._failing = True
