"""Settings of limits, section `[limits]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LimitsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often each door may be used; limits look like `100/minute burst 20; 5000/day`."""

    sign_in: Annotated[str, Meta(description="Sign-in, set-up and PIN attempts of one address.")] = (
        "20/minute burst 10"
    )
    api: Annotated[str, Meta(description="API calls of one person, or of one address without one.")] = (
        "1200/minute burst 400"
    )
    events: Annotated[str, Meta(description="Event batches of one profile.")] = "240/minute burst 120"
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
