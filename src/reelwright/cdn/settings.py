"""Settings of the CDN, section `[cdn]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class CdnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an edge listens, where it fetches, how much it keeps."""

    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the edge.")] = 8001
    upstreams: Annotated[
        tuple[str, ...],
        Meta(
            description="Edges or shields to fetch from, in order of preference; empty serves the media store itself."
        ),
    ] = ()
    spread: Annotated[
        bool, Meta(description="Share the objects among the upstreams by rendezvous hashing, as shields do.")
    ] = False
    cache_bytes: Annotated[
        int, Meta(ge=1_000_000, description="Disk budget of the cache, for an edge that fetches.")
    ] = 10_000_000_000
    eviction: Annotated[
        Literal["lru", "sieve", "s3fifo", "wtinylfu", "gdsf", "foresight"],
        Meta(description="What a full cache gives up; `reelwright cdn replay` compares them on a trace of yours."),
    ] = "s3fifo"
    access_log: Annotated[
        bool, Meta(description="Log each answer beside the cache, for `reelwright cdn replay`; two files of 64 MB.")
    ] = False
    idle_s: Annotated[float, Meta(gt=0, description="Seconds an idle connection is kept.")] = 75.0
    request_s: Annotated[float, Meta(gt=0, description="Seconds a client has to send its request.")] = 10.0
    stall_s: Annotated[
        float, Meta(gt=0, description="Seconds without progress after which a client that does not read is dropped.")
    ] = 30.0
    connections: Annotated[int, Meta(ge=1, description="Connections served at once; more are closed.")] = 20_000
