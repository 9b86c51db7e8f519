"""Settings of limits, section `[limits]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LimitsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often each door may be used; limits look like `100/minute burst 20; 5000/day`."""

    sign_in: Annotated[
        str, Meta(description="Sign-in, set-up, password and PIN attempts of one address that fail.")
    ] = "20/minute burst 60"
    api: Annotated[str, Meta(description="API calls of one person, or of one address without one.")] = (
        "1200/minute burst 400"
    )
    events: Annotated[
        str, Meta(description="Event batches of one profile; each 32 KiB of a long one count as one more.")
    ] = "240/minute burst 120"
    pages: Annotated[str, Meta(description="Pages and pictures of one person, or of one address.")] = (
        "3000/minute burst 1500"
    )
    rules: Annotated[
        str,
        Meta(description="YAML file of limits in place of the four above; read again when it changes."),
    ] = ""
    store: Annotated[
        str,
        Meta(
            description="Where counters are: `memory://`, `sqlite:///path`, `postgresql://…`, `redis://host`, "
            "or the nodes of a cluster as `redis+cluster://host:port,host:port`."
        ),
    ] = "memory://"
    nodes: Annotated[
        int, Meta(ge=1, description="Web processes that share the store, until they have heard of each other.")
    ] = 1
    keys: Annotated[int, Meta(ge=100, description="Counters kept in memory.")] = 200_000
    lease_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60_000,
            description="Milliseconds that a process may hold a slice of a limit that it took from a Redis store, "
            "to spend it without asking; 0 asks the store for every request.",
        ),
    ] = 0
    history_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=24 * 31,
            description="Hours for which the database keeps what limits did and who asked when; 0 keeps nothing.",
        ),
    ] = 48
    decisions: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="One decision in so many becomes a `decision` event, with what it was decided on; 0 keeps "
            "none. Only of counters in memory.",
        ),
    ] = 1000
    shed: Annotated[
        bool, Meta(description="Turn requests away when more come than can be answered in time; playing comes first.")
    ] = True
    inflight_least: Annotated[
        int, Meta(ge=1, le=10_000, description="Requests that are worked on at once however slow they are.")
    ] = 16
    inflight_most: Annotated[
        int, Meta(ge=1, le=10_000, description="Requests that are worked on at once however fast they are.")
    ] = 400
