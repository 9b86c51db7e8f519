"""Settings of the CDN, section `[cdn]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from reelwright.kernel.errors import Invalid


class CdnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an edge listens, where it fetches, how much it keeps."""

    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the edge.")] = 8001
    processes: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Processes of this edge on its port: one owns the cache, the others send what it holds.",
        ),
    ] = 1
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
    ] = "foresight"
    access_log: Annotated[
        bool, Meta(description="Log each answer beside the cache, for `reelwright cdn replay`; two files of 64 MB.")
    ] = False
    idle_s: Annotated[float, Meta(gt=0, description="Seconds an idle connection is kept.")] = 75.0
    request_s: Annotated[float, Meta(gt=0, description="Seconds a client has to send its request.")] = 10.0
    stall_s: Annotated[
        float, Meta(gt=0, description="Seconds without progress after which a client that does not read is dropped.")
    ] = 30.0
    connections: Annotated[int, Meta(ge=1, description="Connections a process serves at once; more are closed.")] = (
        20_000
    )
    name: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,47})?$",
            description="Name of this edge, unique among all; empty makes one from the data folder's.",
        ),
    ] = ""
    control: Annotated[
        str,
        Meta(description="URL of the service that this edge registers with; the service's own edge finds it alone."),
    ] = ""
    advertise: Annotated[
        str, Meta(description="URL under which viewers reach this edge, where it is not the service's host and port.")
    ] = ""
    capacity_mbps: Annotated[
        float, Meta(gt=0, description="Megabits per second that this edge may serve; steering fills it to 97 %.")
    ] = 1000.0
    costs: Annotated[
        tuple[str, ...],
        Meta(
            description="`region=cost` of a gigabit from here; a region that is not named is not served, `*` is all."
        ),
    ] = ("*=1",)
    regions: Annotated[
        str, Meta(description="CSV file of `prefix,region` lines, by which viewers' addresses become regions.")
    ] = ""
    heartbeat_s: Annotated[float, Meta(ge=0.2, le=60, description="Seconds between two reports of an edge.")] = 2.0
    steering_ttl_s: Annotated[
        int, Meta(ge=1, le=3600, description="Seconds after which a player asks for its steering document again.")
    ] = 30
    fill_window: Annotated[
        str,
        Meta(
            pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
            description="Local time of an edge between which it may be filled, as 02:00-14:00.",
        ),
    ] = "02:00-14:00"
    fill_mbps: Annotated[
        float, Meta(ge=0, description="Megabits per second that a fill may take; 0 fills nothing ahead.")
    ] = 100.0
    fill_share: Annotated[
        float, Meta(ge=0, le=0.95, description="Share of the cache that fills may use; the rest is for what comes.")
    ] = 0.7


def read_regions(path: str) -> dict[str, str]:
    """Regions by prefix, from lines of `prefix,region`; empty where no file is named. Raises Invalid."""
    if not path:
        return {}
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise Invalid(f"cdn.regions: {path} cannot be read: {error}") from error
    pairs = [line.partition(",") for line in lines if line.strip() and not line.startswith("#")]
    return {prefix.strip(): region.strip() for prefix, comma, region in pairs if comma and region.strip()}
