"""Media as other systems see it: packages of CMAF segments under content-hash names, and the jobs that make them.

MediaError
├── BadSource    Terminal, 422    the file cannot be used; the message says what it is and what to do
└── SourceAway   Transient, 503   the file is not where it was
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import msgspec

from reelwright.kernel.errors import Terminal, Transient
from reelwright.kernel.ids import AssetId, PlayableId


class BadSource(Terminal):
    """The source cannot be used; the message says what it is and what to do about it."""

    status = 422
    slug = "bad-source"


class SourceAway(Transient):
    """The source is not where it was: its disk is away, or it was renamed and the library has not been looked at."""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """One CMAF segment: an object of `bytes` bytes that lasts `duration` ticks of its track's timescale."""

    name: str
    duration: int
    bytes: int


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition: its initialisation segment, then media segments that follow each other without a gap."""

    id: str
    """Stable within the package: `v540-h264`, `a-en-aac`, …"""
    kind: Literal["video", "audio"]
    codec: str
    """RFC 6381, as in `avc1.64001f` or `mp4a.40.2`."""
    timescale: int
    init: str
    segments: tuple[Segment, ...]
    peak_bps: int
    """Highest bit rate of any segment."""
    average_bps: int
    width: int = 0
    height: int = 0
    frame_rate: tuple[int, int] = (0, 1)
    language: str = "und"
    label: str = ""
    channels: int = 0
    sample_rate: int = 0
    default: bool = False


class TextTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A WebVTT file for the whole playable."""

    id: str
    language: str
    label: str
    name: str
    forced: bool = False
    default: bool = False


class Sprites(msgspec.Struct, frozen=True, kw_only=True):
    """Trick-play pictures: JPEG sheets of `columns` x `rows` tiles, one tile every `interval_s`, row by row."""

    names: tuple[str, ...]
    columns: int
    rows: int
    tile_width: int
    tile_height: int
    interval_s: float


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be played of one asset, as published so far."""

    asset_id: AssetId
    playable_id: PlayableId
    complete: bool
    """False while rungs are still growing: players then get an EVENT playlist."""
    duration_s: float
    """Of the whole source, also while incomplete."""
    tracks: tuple[Track, ...]
    texts: tuple[TextTrack, ...] = ()
    sprites: Sprites | None = None

    @property
    def folder(self) -> str:
        """The object folder that holds everything of this asset; media URLs are signed for it."""
        return asset_folder(self.asset_id)


def asset_folder(asset_id: AssetId) -> str:
    """Where an asset's objects live."""
    return f"assets/{asset_id}"


ENDED = ("done", "failed", "cancelled", "away")
"""Stages in which nobody works on an encode any more."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an encode is."""

    asset_id: AssetId
    playable_id: PlayableId
    source_name: str
    stage: Literal["queued", "probing", "encoding", "packaging", "done", "failed", "cancelled", "away"]
    """`away` ended for want of its source; it begins again by itself once that is back."""
    percent: float
    speed: float | None = None
    """Seconds of film per second of time."""
    eta_s: float | None = None
    problem: str = ""
    updated_ms: int = 0
    backlog: bool = False
    """Whether it waits until all that somebody asked for is done."""


class RenditionPublished(Protocol):
    """Port, bound in `app` to the catalogue (and later to fill and purge): more of an asset can be played."""

    def __call__(
        self,
        *,
        package: Package | None,
        playable_id: PlayableId,
        state: Literal["encoding", "watchable", "ready", "failed"],
        still: str = "",
        poster: str = "",
        backdrop: str = "",
        problem: str = "",
    ) -> None:
        """Called in the worker, in a thread; may be called again with the same arguments."""
        ...


class MediaClient(Protocol):
    """What other systems may ask."""

    async def ingest(
        self,
        *,
        playable_id: PlayableId,
        path: Path,
        subtitles: tuple[tuple[str, str, str, bool], ...] = (),
        backlog: bool = False,
    ) -> AssetId:
        """Queue `path` for encoding; subtitles are (path, language, label, forced). Same file, same asset.

        `backlog` waits until all that somebody asked for is done.
        """
        ...

    async def get_package(self, asset_id: AssetId) -> Package:
        """What can be played now. Raises NotFound."""
        ...

    async def get_package_name(self, asset_id: AssetId) -> str:
        """The object that holds what can be played now. Raises NotFound."""
        ...

    async def list_progress(self, *, limit: int = 100) -> list[Progress]:
        """Encodes at work, those that wait, then those that ended; at most `limit` unfinished and `limit` ended."""
        ...
