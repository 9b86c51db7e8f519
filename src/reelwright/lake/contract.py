"""The lake as other systems see it: tables, answers, and what can go wrong.

LakeError
├── Raced          Transient, 503   another committer was first; read the table again
├── NotReadable    Terminal, 422    the question cannot be answered: wrong SQL, or not a question
└── TookTooLong    Terminal, 408    the question needed more time, memory or room than it may have
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from reelwright.events.contract import EventsClient, SentHour
from reelwright.events.core.frame import Position
from reelwright.kernel.errors import Terminal, Transient
from reelwright.kernel.ids import ProfileId


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

    sql: tuple[str, ...]
    """Asked one after the other, of the same state."""
    lake: str
    warehouse: str
    """URL of the folder of the tables' files, the only one that SQL may read."""
    events: str
    memory_mb: int
    within_s: float
    rows: int
    form: Literal["rows", "csv", "parquet"] = "rows"
    tables: tuple[str, ...] = ()
    """Those that it names, where that is known beforehand; else it may name any."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """Why there is no answer."""

    says: str
    too_much: bool = False


class Answers(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """One answer a question."""

    answers: list[Answer]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a question found; as a file it has a `body` in place of rows."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    truncated: bool = False
    """There were more rows than may be answered."""
    took_ms: int = 0
    body: bytes = b""


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How a table is doing."""

    table: str
    says: str
    rows: int
    files: int
    size_bytes: int
    days: int
    committed_ms: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of one source."""

    hour: int
    """Hours since the epoch."""
    source: str
    synthetic: bool
    received: int
    """Answered with a verdict."""
    acknowledged: int
    """Stored for the first time, as the projections count."""
    duplicate: int
    failed: int
    stored: int
    """In the lake, the log behind it included."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """An hour whose books do not agree."""

    hour: int
    kind: Literal["lost", "uncounted", "missing"]
    count: int
    says: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The account of some hours, reconciled."""

    entries: list[Entry]
    gaps: list[Gap]
    sent: list[SentHour] = []
    """What devices say they sent, beside what came of it."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A refused event that is not stored by now."""

    id: str
    received_ms: int
    source: str
    event_id: str | None
    reason: str
    raw: str
    profile_id: str | None
    synthetic: bool


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of sending refused events again."""

    stored: int
    duplicate: int
    failed: int


Chart = Literal["quality", "devices", "edges", "titles", "funnel", "experiments"]
"""The product's own charts."""


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of experience of some sessions."""

    sessions: int
    started: int
    start_p50_ms: float | None
    start_p95_ms: float | None
    stall_ratio: float | None
    """Seconds stalled over seconds played and stalled."""
    stalls_an_hour: float | None
    bitrate_bps: float | None
    failed: int
    """Sessions with an error and without a picture."""
    watched_s: float


class QualityReport(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of experience over some days, synthetic viewers left out."""

    first: str
    last: str
    by: str
    total: Quality
    days: list[tuple[str, Quality]]
    groups: list[tuple[str, Quality]]
    funnel: list[tuple[str, int]]


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """A profile that is being taken out of everything, or has been."""

    digest: str
    """SHA-256 of the profile's id: what is kept of it."""
    asked_ms: int
    done_ms: int | None
    says: str
    """What still holds it, as of the last try."""


@runtime_checkable  # handlers are given it by name, and its type is checked
class LakeClient(Protocol):
    """What other systems may ask."""

    @property
    def is_kept(self) -> bool:
        """Whether events become tables here."""
        ...

    def expect_questions(self) -> None:
        """Somebody may ask soon: get ready, beside all else. Costs a process and its second once in five minutes."""
        ...

    async def ask(self, sql: str) -> Answer:
        """Answer one SELECT over tables and hot tail. Raises NotReadable, TookTooLong."""
        ...

    async def export(self, sql: str, form: Literal["csv", "parquet"]) -> Answer:
        """Answer one SELECT as a file in `body`. Raises NotReadable, TookTooLong."""
        ...

    async def chart(self, chart: Chart, first: str, last: str) -> Answer:
        """What one of the product's own charts shows, from day to day (ISO dates). Raises Invalid, TookTooLong."""
        ...

    async def export_chart(self, chart: Chart, first: str, last: str, form: Literal["csv", "parquet"]) -> Answer:
        """The same as a file in `body`."""
        ...

    def freshness(self) -> list[Freshness]:
        """Every table, with when it was committed last."""
        ...

    async def reconcile(
        self, acknowledged: Sequence[Mapping[str, Any]], sent: Sequence[SentHour], *, hours: int = 48
    ) -> Ledger:
        """The events' own ledger, and what devices say they sent, beside what the lake holds."""
        ...

    async def list_refused(self, *, limit: int = 200, after: Refused | None = None) -> list[Refused]:
        """Refused events that are not stored by now, newest first; with `after`, those that follow it."""
        ...

    async def replay(self, events: EventsClient) -> Replayed:
        """Send refused events again, as they came; what is stored already stays one event."""
        ...

    async def quality(self, *, first: str, last: str, by: str) -> QualityReport:
        """Quality of experience from day to day (ISO dates), by `edge`, `device` or `title`."""
        ...

    async def erase(self, profile_id: ProfileId) -> Erasure:
        """Have a profile taken out of tables, logs, refused events and projections; a worker does it."""
        ...

    async def list_erasures(self, *, limit: int = 50) -> list[Erasure]:
        """Erasures, the latest first."""
        ...

    async def export_profile(self, profile_id: ProfileId, form: Literal["json", "parquet"]) -> bytes:
        """A ZIP of everything that is known of a profile, a file a table. Raises TookTooLong."""
        ...
