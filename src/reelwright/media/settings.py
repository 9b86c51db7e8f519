"""Settings of media, section `[media]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class MediaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How sources are encoded."""

    codecs: Annotated[
        tuple[Literal["h264", "av1"], ...],
        Meta(min_length=1, description="Codecs of the ladder: `h264` comes with AAC, `av1` with Opus."),
    ] = ("h264",)
    ladder: Annotated[
        Literal["table", "fitted"],
        Meta(
            description="Rungs: `table` is the same for every title; `fitted` tries each out first, which takes "
            "encodes of some seconds in every size, and leaves out what nobody sees."
        ),
    ] = "table"
    preset: Annotated[
        Literal["ultrafast", "veryfast", "medium"], Meta(description="Speed against size of the encoder.")
    ] = "veryfast"
    threads: Annotated[
        int, Meta(ge=1, le=64, description="Threads of an encoder; pinned, since the result depends on it.")
    ] = 2
    concurrency: Annotated[int, Meta(ge=1, le=64, description="Titles that one worker encodes at once.")] = 1
