"""Every type of event, one struct each, in the version that is written now; and those that were written before.

A type and its version name one struct. A change that old events do not fit is a new version: the old struct moves to
`_BEFORE` with the step that turns its data into the next version's, so that what devices and logs still hold stays
readable. `docs/reference/events.md` and the front end's `event-types.ts` are written from here. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reelwright.events.contract import EventType

Id = Annotated[str, Meta(min_length=26, max_length=26)]
"""26 characters of Crockford's base 32."""
Name = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Ms = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=1 << 31)]
Bps = Annotated[float, Meta(ge=0, le=1e12)]
Score = Annotated[float, Meta(ge=-1e15, le=1e15)]
Share = Annotated[float, Meta(ge=0, le=1)]
Whole = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
Report = Annotated[str, Meta(min_length=1, max_length=4000)]


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What a type carries besides the fields that all have."""


class Typed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False, tag_field="type"):
    """What every event says."""

    id: Annotated[
        Id, Meta(description="made by the client; the same id twice is one event, and the first one counts")
    ]
    at_ms: Annotated[
        Whole,
        Meta(
            description="the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` "
            "shows; a time in the future, or more than 30 days old, becomes the time of arrival"
        ),
    ]
    version: Annotated[Literal[1], Meta(description="version of the type; 1 where it is left out")] = 1
    session_id: Annotated[Id | None, Meta(description="the playback session, where there is one")] = None
    title_id: Annotated[Id | None, Meta(description="the title that it is about")] = None
    playable_id: Annotated[Id | None, Meta(description="the film or episode that it is about")] = None
    position_s: Annotated[Seconds | None, Meta(description="seconds into the playable")] = None


class OfTitle(Typed, frozen=True, kw_only=True, gc=False):
    """About a title."""

    title_id: Annotated[Id, Meta(description="the title that it is about")]


class OfPlayable(OfTitle, frozen=True, kw_only=True, gc=False):
    """About a playable of a title."""

    playable_id: Annotated[Id, Meta(description="the film or episode that it is about")]


class PageViewData(Data, frozen=True, kw_only=True, gc=False):
    """What `page_view` carries."""

    page: Annotated[Name, Meta(description="which page, by its path or name")]


class PageView(Typed, frozen=True, kw_only=True, gc=False, tag="page_view"):
    """A page was shown."""

    data: PageViewData


class ImpressionData(Data, frozen=True, kw_only=True, gc=False):
    """What `impression` carries."""

    row: Annotated[Name, Meta(description="the row's key")]
    position: Annotated[Count, Meta(description="place in the row, 0 the first")]
    row_index: Annotated[Count | None, Meta(description="the row's place on the page, 0 the uppermost")] = None
    page: Annotated[Name | None, Meta(description="which page")] = None
    policy: Annotated[Name | None, Meta(description="what ranked it, with its version")] = None
    propensity: Annotated[Share | None, Meta(description="probability that the policy put it there")] = None


class Impression(OfTitle, frozen=True, kw_only=True, gc=False, tag="impression"):
    """A title was shown in a row."""

    data: ImpressionData


class PlayData(Data, frozen=True, kw_only=True, gc=False):
    """What `play` carries."""

    duration_s: Annotated[Seconds | None, Meta(description="how long the playable is")] = None
    start_ms: Annotated[Ms | None, Meta(description="request to first frame")] = None
    engine: Annotated[Name | None, Meta(description="what plays it")] = None


class Play(OfPlayable, frozen=True, kw_only=True, gc=False, tag="play"):
    """Playback began."""

    data: PlayData = PlayData()


class ProgressData(Data, frozen=True, kw_only=True, gc=False):
    """What `heartbeat` and `stop` carry."""

    duration_s: Annotated[Seconds | None, Meta(description="how long the playable is")] = None
    watched_ms: Annotated[Ms | None, Meta(description="played since the session began, stalls apart")] = None
    stalls: Annotated[Count | None, Meta(description="stalls since the session began")] = None
    stalled_ms: Annotated[Ms | None, Meta(description="waited in stalls since the session began")] = None
    start_ms: Annotated[Ms | None, Meta(description="request to first frame")] = None
    bitrate_bps: Annotated[Bps | None, Meta(description="average of what was played")] = None
    edge: Annotated[Name | None, Meta(description="the edge that serves it")] = None
    device: Annotated[Name | None, Meta(description="kind of device")] = None


class Heartbeat(OfPlayable, frozen=True, kw_only=True, gc=False, tag="heartbeat"):
    """The player is at `position_s`; its sums make good for heartbeats that were lost."""

    data: ProgressData = ProgressData()


class Stop(OfPlayable, frozen=True, kw_only=True, gc=False, tag="stop"):
    """The player was closed."""

    data: ProgressData = ProgressData()


class SeekData(Data, frozen=True, kw_only=True, gc=False):
    """What `seek` carries."""

    duration_s: Annotated[Seconds | None, Meta(description="how long the playable is")] = None
    from_s: Annotated[Seconds | None, Meta(description="where the viewer came from")] = None


class Seek(OfPlayable, frozen=True, kw_only=True, gc=False, tag="seek"):
    """The viewer jumped to `position_s`."""

    data: SeekData = SeekData()


class QualityChangeData(Data, frozen=True, kw_only=True, gc=False):
    """What `quality_change` carries."""

    bitrate_bps: Annotated[Bps, Meta(description="of the rendition that plays now")]
    height: Annotated[Count | None, Meta(description="its picture's height")] = None
    duration_s: Annotated[Seconds | None, Meta(description="how long the playable is")] = None


class QualityChange(OfPlayable, frozen=True, kw_only=True, gc=False, tag="quality_change"):
    """Another rendition plays."""

    data: QualityChangeData


class StallData(Data, frozen=True, kw_only=True, gc=False):
    """What `stall` carries."""

    ms: Annotated[Ms, Meta(description="how long")]
    duration_s: Annotated[Seconds | None, Meta(description="how long the playable is")] = None


class Stall(OfPlayable, frozen=True, kw_only=True, gc=False, tag="stall"):
    """Playback waited for data, and goes on."""

    data: StallData


class ErrorData1(Data, frozen=True, kw_only=True, gc=False):
    """What `error` in version 1 carries."""

    code: Name
    message: Text = ""
    duration_s: Seconds | None = None


class Error1(Typed, frozen=True, kw_only=True, gc=False, tag="error"):
    """Version 1: told only when the player gave up."""

    data: ErrorData1


class ErrorData(Data, frozen=True, kw_only=True, gc=False):
    """What `error` carries."""

    code: Annotated[Name, Meta(description="what kind of error")]
    fatal: Annotated[bool, Meta(description="whether the player gave up")]
    message: Annotated[Text, Meta(description="what it said")] = ""
    duration_s: Annotated[Seconds | None, Meta(description="how long the playable is")] = None


class Error(Typed, frozen=True, kw_only=True, gc=False, tag="error"):
    """The player gave up, or told of a problem."""

    version: Annotated[Literal[2], Meta(description="2")]  # type: ignore[assignment]
    data: ErrorData


class DownloadData(Data, frozen=True, kw_only=True, gc=False):
    """What `download` carries."""

    state: Annotated[Name, Meta(description="what became of it")]
    size_bytes: Annotated[Whole | None, Meta(description="how large it is on the device")] = None


class Download(OfTitle, frozen=True, kw_only=True, gc=False, tag="download"):
    """A title was kept on the device, or removed from it."""

    data: DownloadData


class SearchData(Data, frozen=True, kw_only=True, gc=False):
    """What `search` carries."""

    text: Annotated[Text, Meta(description="what was looked for")]
    results: Annotated[Count | None, Meta(description="how many were found")] = None


class Search(Typed, frozen=True, kw_only=True, gc=False, tag="search"):
    """The viewer looked for something."""

    data: SearchData


class ThumbData(Data, frozen=True, kw_only=True, gc=False):
    """What `thumb` carries."""

    value: Annotated[Literal[-1, 0, 1], Meta(description="1 up, -1 down, 0 neither")]


class Thumb(OfTitle, frozen=True, kw_only=True, gc=False, tag="thumb"):
    """A judgement of a title."""

    data: ThumbData


class ListChangeData(Data, frozen=True, kw_only=True, gc=False):
    """What `list_change` carries."""

    saved: Annotated[bool, Meta(description="on the list, or off it")]


class ListChange(OfTitle, frozen=True, kw_only=True, gc=False, tag="list_change"):
    """The viewer's list changed."""

    data: ListChangeData


class Picked(Data, frozen=True, kw_only=True, gc=False):
    """What one of two rankers put on an interleaved page."""

    cell: Annotated[Name, Meta(description="whose pick they are")]
    title_ids: Annotated[Annotated[list[Id], Meta(max_length=500)], Meta(description="the titles")]


class ExposureData(Data, frozen=True, kw_only=True, gc=False):
    """What `exposure` carries."""

    experiment: Annotated[Name, Meta(description="the experiment's key")]
    cell: Annotated[Name | None, Meta(description="the cell that the viewer is in")] = None
    layer: Annotated[Name | None, Meta(description="the experiment's layer")] = None
    reason: Annotated[Name | None, Meta(description="why this cell")] = None
    picks: Annotated[
        Annotated[list[Picked], Meta(max_length=2)],
        Meta(description="of an interleaving experiment: what the page showed, by the ranker that picked it"),
    ] = []
    hour: Annotated[
        Count | None, Meta(description="of a switchback: the hour, since the epoch, that is in the cell")
    ] = None


class Exposure(Typed, frozen=True, kw_only=True, gc=False, tag="exposure"):
    """An experiment's cell made a difference to the viewer for the first time."""

    data: ExposureData


class EdgeAccessData(Data, frozen=True, kw_only=True, gc=False):
    """What `edge_access` carries."""

    edge: Annotated[Name, Meta(description="the edge")]
    object: Annotated[Name, Meta(description="the object's content-hash name")]
    status: Annotated[Count, Meta(description="HTTP status")]
    size_bytes: Annotated[Whole, Meta(description="bytes of the body that were sent")]
    cache: Annotated[Literal["hit", "miss"] | None, Meta(description="whether the edge held it")] = None
    kind: Annotated[
        Literal["hit", "content", "health", "steering", "policy"] | None,
        Meta(description="hit, or the class of the miss: why the nearest edge did not serve it whole"),
    ] = None
    decision: Annotated[
        Id | None, Meta(description="the `decision` of steering that made the URL, by the signature in it")
    ] = None
    ms: Annotated[Ms | None, Meta(description="request to last byte")] = None


class EdgeAccess(Typed, frozen=True, kw_only=True, gc=False, tag="edge_access"):
    """An edge served bytes."""

    data: EdgeAccessData


class Alternative(Data, frozen=True, kw_only=True, gc=False):
    """What might have been chosen."""

    id: Annotated[Name, Meta(description="what might have been chosen")]
    score: Annotated[Score | None, Meta(description="how it was judged")] = None


class DecisionData(Data, frozen=True, kw_only=True, gc=False):
    """What `decision` carries."""

    system: Annotated[Name, Meta(description="limits, experiments, cdn, media, recommend, …")]
    policy_version: Annotated[Name, Meta(description="the policy and its version")]
    input: Annotated[
        Text, Meta(description="what it was decided on, or a reference to it, so that it can be replayed")
    ]
    choice: Annotated[Name, Meta(description="what was chosen")]
    alternatives: Annotated[
        Annotated[list[Alternative], Meta(max_length=200)],
        Meta(description="what might have been chosen, the choice included"),
    ] = []
    reason: Annotated[Text, Meta(description="why")] = ""
    propensity: Annotated[Share | None, Meta(description="probability of the choice under the policy")] = None


class Decision(Typed, frozen=True, kw_only=True, gc=False, tag="decision"):
    """A system decided something."""

    data: DecisionData


class CmcdData(Data, frozen=True, kw_only=True, gc=False):
    """What `cmcd` carries."""

    mode: Annotated[Literal["query", "header", "event"], Meta(description="how the player sends it")]
    text: Annotated[
        Report,
        Meta(description="the query's `CMCD`, decoded; or the header fields, one a line; or the event's report"),
    ]


class Cmcd(Typed, frozen=True, kw_only=True, gc=False, tag="cmcd"):
    """Common Media Client Data, version 1 or 2, as any player reports it (CTA-5004); `core/cmcd.py` reads it.

    Readers of the log find `mode`, `v` and `keys`: the standard's keys in the standard's units.
    """

    data: CmcdData


AnyEvent = (
    PageView | Impression | Play | Heartbeat | Stop | Seek | QualityChange | Stall | Error | Download | Search | Thumb
    | ListChange | Exposure | EdgeAccess | Decision | Cmcd
)  # fmt: skip
Step = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Turns the data of one version into that of the next."""


class Before(msgspec.Struct, frozen=True):
    """An earlier version of a type."""

    kind: type[Typed]
    step: Step


_BEFORE: Mapping[tuple[str, int], Before] = {
    ("error", 1): Before(Error1, lambda data: {**data, "fatal": True}),
}


def tag_of(kind: type[Typed]) -> str:
    """The type's name."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def version_of(kind: type[Typed]) -> int:
    """The version that a struct is of."""
    hint = next(field.type for field in msgspec.structs.fields(kind) if field.name == "version")
    hint = get_args(hint)[0] if getattr(hint, "__metadata__", ()) else hint
    version = get_args(hint)[0]
    assert isinstance(version, int)
    return version


class _Head(msgspec.Struct, frozen=True, gc=False):
    type: str | UnsetType = UNSET
    version: int = 1


class Schema:
    """The types that are known, each in the version that is written now, and the versions before."""

    def __init__(
        self,
        kinds: tuple[type[Typed], ...] = get_args(AnyEvent),
        before: Mapping[tuple[str, int], Before] = _BEFORE,
    ) -> None:
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        self._array = msgspec.json.Decoder(list[union])
        self._before = before
        self.current = {tag_of(kind): version_of(kind) for kind in kinds}
        every = {(tag_of(kind), version_of(kind)): kind for kind in kinds}
        every.update({key: one.kind for key, one in before.items()})
        self.kinds: Mapping[tuple[str, int], type[Typed]] = every
        self._decoders = {key: msgspec.json.Decoder(kind) for key, kind in every.items()}

    def read_array(self, array: bytes | msgspec.Raw) -> list[Typed]:
        """A JSON array of events, all of the versions that are written now. Raises msgspec's errors."""
        found: list[Typed] = self._array.decode(array)
        return found

    def read(self, raw: bytes | msgspec.Raw) -> Typed:
        """One event of any known version. Raises msgspec's errors, with the versions that are known."""
        head = _HEAD.decode(raw)
        if not isinstance(head.type, str) or head.type not in self.current:
            known = ", ".join(sorted(self.current))
            raise msgspec.ValidationError(f"type: {known} are known here, got {str(head.type)[:60]!r}")
        decoder = self._decoders.get((head.type, head.version))
        if decoder is None:
            known = ", ".join(str(version) for kind, version in sorted(self.kinds) if kind == head.type)
            raise msgspec.ValidationError(
                f"version: {head.type} is known here in version {known}, got {head.version}"
            )
        return decoder.decode(raw)

    def before_of(self, kind: str) -> list[tuple[str, int]]:
        """The versions of a type that were written before."""
        return [key for key in self._before if key[0] == kind]

    def upcast(self, kind: str, version: int, data: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """An event's data as the version that is written now has it."""
        while (before := self._before.get((kind, version))) is not None:
            version, data = version + 1, before.step(data)
        return version, data


_HEAD = msgspec.json.Decoder(_Head)
SCHEMA = Schema()
assert set(SCHEMA.current) == set(get_args(EventType)), "contract.EventType and the schema name the same types"
