"""Settings of events, section `[events]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class EventsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How events are logged."""

    bus: Annotated[
        str,
        Meta(
            pattern=r"^(kafka://[^/]+(/[A-Za-z0-9._-]+)?)?$",
            description="Where events lie until the lake has them: `kafka://host:9092/prefix` (extra `kafka`); "
            "empty is a log on disk of each process.",
        ),
    ] = ""
    segment_bytes: Annotated[int, Meta(ge=4096, description="Size at which a log segment is closed.")] = 64 << 20
    waiting_bytes: Annotated[
        int, Meta(ge=65536, description="Bytes that may wait for the disk before senders are told to come later.")
    ] = 32 << 20
