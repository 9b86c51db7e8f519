"""What the lake needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reelwright.lake.contract import LakeFile
from reelwright.lake.core.tables import Table


class Engine(Protocol):
    """Runs one SELECT of the pipelines; every engine gives the same rows."""

    def run(self, sql: str, inputs: Mapping[str, Sequence[LakeFile]], into: Table) -> Any:
        """The rows as an Arrow table with the columns of `into`; `inputs` are the files of each table it reads."""
        ...

    def close(self) -> None:
        """Let go of the engine."""
        ...
