"""Events as other systems see them: what is reported, how it is answered, and what was made of it.

EventsError
└── Backlogged   Transient, 429   the log is not keeping up; send the batch again after `retry_after_s`
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Transient
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, SessionId, TitleId

EventType = Literal[
    "page_view", "impression", "play", "heartbeat", "stop", "seek", "quality_change", "stall", "error",
    "search", "thumb", "list_change", "exposure", "edge_access", "decision", "download", "cmcd",
]  # fmt: skip
MAX_BATCH = 500
MAX_EVENT_BYTES = 16 << 10


class Backlogged(Transient):
    """The log is not keeping up; send the batch again later."""

    status = 429
    slug = "backlogged"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that happened, of any type and known version: what readers of the log see."""

    id: EventId
    """Made by the client; the same id twice is one event."""
    type: EventType
    at_ms: int
    """Client's wall clock, milliseconds since the epoch; corrected and bounded by the collector."""
    version: int = 1
    session_id: SessionId | None = None
    title_id: TitleId | None = None
    playable_id: PlayableId | None = None
    position_s: float | None = None
    """Position in the playable, for play, heartbeat, stop, seek, stall."""
    data: dict[str, Any] = {}
    """What else this type carries, as `core/schema.py` has it; see docs/reference/events.md."""


class TallyHour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device says of the events that it made in one hour; neither number ever falls."""

    hour: Annotated[int, Meta(ge=0, le=1 << 31, description="hours since the epoch, as the events' ids tell it")]
    made: Annotated[int, Meta(ge=0, le=1 << 31, description="events that the device made")]
    done: Annotated[
        int, Meta(ge=0, le=1 << 31, description="of these, those it keeps no longer: judged by us, or given up")
    ]


class Tally(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device says it has sent, against which is held what came."""

    sender: Annotated[
        str,
        Meta(pattern="^[0-9a-hjkmnp-tv-z]{26}$", description="one device and profile, made up by the device"),
    ]
    hours: Annotated[list[TallyHour], Meta(max_length=48, description="those that changed since the last batch")] = []


class SentHour(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of what devices say they sent, beside what came."""

    hour: int
    """Hours since the epoch, by the devices' clocks."""
    synthetic: bool
    senders: int
    made: int
    done: int
    """Kept by no device any more."""
    stored: int
    failed: int
    missing: int
    """Done, and neither stored nor refused, minutes after it was told."""
    missing_senders: int

    @property
    def waiting(self) -> int:
        """Still on devices, or on the way."""
        return max(0, self.made - self.stored - self.failed - self.missing)


class StoredBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Events as they lie in the log, one record a batch: with who sent them, and when they came."""

    events: list[Event]
    profile_id: ProfileId | None
    received_ms: int
    source: str
    """The process that wrote it."""
    synthetic: bool = False
    tally: Tally | None = None
    """What the device said it had sent so far."""
    refused: dict[int, int] = {}
    """By the hour in which they were made, how many more events of this batch were refused."""
    skew_ms: int | None = None
    """Where the events' times are as the clients told them: what must be added to them, before they are bounded."""


class FailedEvent(msgspec.Struct, frozen=True):
    """What was sent and could not be stored."""

    raw: bytes
    reason: str


class FailedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Refused events as they lie in the log `<source>-failed`."""

    events: list[FailedEvent]
    received_ms: int
    profile_id: ProfileId | None = None
    synthetic: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer for one event of a batch."""

    id: str
    status: Literal["stored", "duplicate", "failed"]
    reason: str = ""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a profile that is seen for the first time, and what it adds to what was known."""

    profile_id: ProfileId
    synthetic: bool
    event: Event
    watched_s: float = 0.0
    """Seconds of a film watched since the event before."""
    viewed: bool = False
    """Whether enough has been watched now to be a view: true once in every stretch that becomes one."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """How far a profile is in a playable: the projection behind resume, history and continue watching."""

    playable_id: PlayableId
    title_id: TitleId
    position_s: float
    duration_s: float
    finished: bool
    last_ms: int


class View(msgspec.Struct, frozen=True):
    """A profile began a title on some day, far enough to count."""

    profile_id: ProfileId
    title_id: TitleId
    at_ms: int


@runtime_checkable  # handlers are given it by name, and its type is checked
class EventsClient(Protocol):
    """What other systems may tell and ask; the collector may run in this process or apart."""

    def take(self, size_bytes: int) -> AbstractContextManager[None]:
        """Room for a request of this size while it is read and stored. Raises Backlogged where there is none."""
        ...

    async def record_array(
        self,
        array: msgspec.Raw,
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        sent_ms: int | None = None,
        keep_failed: bool = True,
        source: str = "",
        tally: Tally | None = None,
    ) -> list[Verdict]:
        """Store a client's events, a JSON array, sent when its clock said `sent_ms`; each gets a verdict of its own.

        Raises Invalid where that is no array, or has more than MAX_BATCH events.
        """
        ...

    async def record_raw(
        self,
        raws: Sequence[msgspec.Raw],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        keep_failed: bool = True,
        source: str = "",
    ) -> list[Verdict]:
        """The same for events one by one, some of which may be no JSON; what is refused need not be kept again."""
        ...

    async def record(
        self,
        events: list[Event],
        *,
        profile_id: ProfileId | None,
        synthetic: bool = False,
        now_ms: int | None = None,
        source: str = "",
    ) -> list[Verdict]:
        """Store events durably; returns after fdatasync. `now_ms` is for imports with given times.

        The ledger counts them under `source`; under the process that stored them where none is given.
        """
        ...

    async def get_position(self, profile_id: ProfileId, playable_id: PlayableId) -> Watched | None:
        """Where this profile stopped."""
        ...

    async def list_watched(
        self, profile_id: ProfileId, *, limit: int = 200, before: tuple[int, PlayableId] | None = None
    ) -> list[Watched]:
        """What the profile has watched, latest first; `before` is (last_ms, playable_id) of the last one seen."""
        ...

    async def count_views(self, *, since_ms: int, until_ms: int) -> dict[TitleId, int]:
        """Viewer-distinct starts per title in the window."""
        ...

    async def list_views(self, *, since_ms: int, limit: int) -> list[View]:
        """Views of all profiles, latest first, at most `limit`."""
        ...

    async def list_thumbs(self, profile_id: ProfileId) -> dict[TitleId, int]:
        """The profile's last judgement of each title: 1 up, -1 down."""
        ...

    async def list_saved(self, profile_id: ProfileId) -> list[TitleId]:
        """The profile's own list, latest first."""
        ...

    async def list_ledger(self, *, hours: int = 48) -> list[dict[str, Any]]:
        """What was stored in the last hours, per hour and source, synthetic events apart."""
        ...

    async def list_sent(self, *, hours: int = 48) -> list[SentHour]:
        """What devices say they sent in the last hours, beside what came."""
        ...

    async def catch_up(self) -> None:
        """Wait until what this process has stored can be asked for, half a second at most."""
        ...
