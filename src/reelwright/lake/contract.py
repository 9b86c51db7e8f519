"""The lake as other systems see it: tables, answers, and what can go wrong.

LakeError
├── Raced          Transient, 503   another committer was first; read the table again
├── NotReadable    Terminal, 422    the question cannot be answered: wrong SQL, or not a question
└── TookTooLong    Terminal, 408    the question needed more time, memory or room than it may have
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from reelwright.events.core.frame import Position
from reelwright.kernel.errors import Terminal, Transient


class Raced(Transient):
    """Another committer was first; nothing was changed."""


class NotReadable(Terminal):
    """The question is no single SELECT, or names what is not there."""

    status = 422
    slug = "not-readable"


class TookTooLong(Terminal):
    """The question was stopped: it needed more time, memory or room than one may have."""

    status = 408
    slug = "took-too-long"


class LakeFile(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of a table's snapshot."""

    path: str
    day: int
    """Days since the epoch; every row of a file counts for one day."""
    rows: int
    size_bytes: int
    first_id: str = ""
    last_id: str = ""
    """Bounds of the column `id`, at most too wide; empty where the table has none."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A table as of its last commit."""

    table: str
    files: tuple[LakeFile, ...] = ()
    offsets: dict[str, Position] = {}
    """How far each source's log is in it."""
    computed: dict[str, int] = {}
    """For tables that are computed: rows of `events` a day (ISO date) when it was computed."""
    committed_ms: int = 0
    snapshot_id: int = 0

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(file.rows for file in self.files)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, of which lake, and what it may cost."""

    sql: str
    lake: str
    warehouse: str
    """The folder of the tables' files, the only one that SQL may read."""
    events: str
    memory_mb: int
    rows: int


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """Why there is no answer."""

    says: str
    too_much: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """What a question found."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    truncated: bool = False
    """There were more rows than may be answered."""
    took_ms: int = 0


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How a table is doing."""

    table: str
    says: str
    rows: int
    files: int
    size_bytes: int
    days: int
    committed_ms: int


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """An hour and source of which the books do not agree."""

    hour: int
    source: str
    kind: Literal["lost", "doubled", "unanswered"]
    count: int
    says: str


@runtime_checkable  # handlers are given it by name, and its type is checked
class LakeClient(Protocol):
    """What other systems may ask."""

    async def ask(self, sql: str) -> Answer:
        """Answer one SELECT over tables and hot tail. Raises NotReadable, TookTooLong."""
        ...

    def freshness(self) -> list[Freshness]:
        """Every table, with when it was committed last."""
        ...
