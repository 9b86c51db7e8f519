"""Playback as other systems see it: a session is one viewer playing one playable on one device."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from reelwright.kernel.ids import PlayableId, SessionId, TitleId


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """What the player can do, as it says itself; a missing answer is taken as no."""

    codecs: tuple[str, ...] = ()
    """Prefixes that MediaSource supports: `avc1`, `av01`, `mp4a`, `opus`."""
    max_height: int = 2160
    mse: bool = True
    name: str = ""
    steers: bool = False
    """It changes edges itself, by the list that heartbeats bring; its manifests then name the best edge only."""


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/playback/sessions`."""

    playable_id: PlayableId
    device: Device = Device()


class TextOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A subtitle track, below the media base."""

    name: str
    language: str
    label: str
    default: bool = False


class ThumbnailOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Trick-play sheets, below the media base; see media's Sprites."""

    names: tuple[str, ...]
    columns: int
    rows: int
    tile_width: int
    tile_height: int
    interval_s: float


class NextPlayable(msgspec.Struct, frozen=True, kw_only=True):
    """What follows: the next episode."""

    playable_id: PlayableId
    name: str
    url: str


class PlaybackSession(msgspec.Struct, frozen=True, kw_only=True):
    """All that a player needs. Manifests name segments below the first of `media_bases`."""

    id: SessionId
    playable_id: PlayableId
    title_id: TitleId
    name: str
    duration_s: float
    resume_s: float
    complete: bool
    """False while the title still encodes: play the HLS then."""
    hls_url: str
    dash_url: str
    """Answers once the title is whole."""
    media_bases: tuple[str, ...]
    """Signed URL prefixes, one an edge, best first; a heartbeat returns fresh ones."""
    expires_s: int
    """When the signatures end, seconds since the epoch."""
    edge_hls_url: str = ""
    """The HLS playlist that the best edge makes by itself, also while this service is away; signed until `expires_s`.
    Empty while no edge is registered, or the title still encodes."""
    edge_dash_url: str = ""
    """The same for DASH."""
    tracks: int = 0
    """How many the manifests name now; while the title encodes there come more."""
    heartbeat_s: int = 20
    start_share: float = 1.0
    """The share of the estimated throughput that the first quality is chosen from; an experiment may set it."""
    texts: tuple[TextOffer, ...] = ()
    thumbnails: ThumbnailOffer | None = None
    next: NextPlayable | None = None


class Felt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a player may tell with a heartbeat: edges, by their URL, that served it since the last and that failed."""

    worked: Annotated[list[str], Meta(max_length=8)] = []
    failed: Annotated[list[str], Meta(max_length=8)] = []


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /api/v1/playback/sessions/{id}/heartbeat` answers with fresh signatures."""

    media_bases: tuple[str, ...]
    expires_s: int
    complete: bool
    tracks: int
    """How many the manifests name now; a player that knows fewer of them loads them again."""
    thumbnails: ThumbnailOffer | None
    """None until the title is whole."""
