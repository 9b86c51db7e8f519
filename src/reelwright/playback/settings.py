"""Settings of playback, section `[playback]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class PlaybackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long signatures and sessions last."""

    media_url_s: Annotated[
        int, Meta(ge=60, description="Seconds a media URL is good; heartbeats renew it silently.")
    ] = 6 * 3600
    session_days: Annotated[
        int, Meta(ge=1, le=60, description="Days after which a playback session without heartbeat is over.")
    ] = 7
    heartbeat_s: Annotated[int, Meta(ge=5, le=120, description="Seconds between two heartbeats of a player.")] = 15
