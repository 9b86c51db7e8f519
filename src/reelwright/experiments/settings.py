"""Settings of experiments, section `[experiments]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class ExperimentsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How changes reach every process."""

    look_s: Annotated[
        float, Meta(gt=0, description="Seconds between two looks at the configuration, and at steps of ramps.")
    ] = 2.0
    measure_s: Annotated[
        float,
        Meta(gt=0, description="Seconds between two rounds of measuring what runs and watching its guardrails."),
    ] = 60.0
    calibrate_s: Annotated[
        float,
        Meta(gt=0, description="Seconds between two rounds of A/A tests, which show whether ours can be trusted."),
    ] = 86_400.0
    calibrate_viewers: Annotated[int, Meta(ge=1, description="Viewers that a round of A/A tests takes at most.")] = (
        20_000
    )
    source: Annotated[
        Literal["database", "lake"],
        Meta(description="Where viewers' days are read from: the projections, or the lake's events (extra `lake`)."),
    ] = "database"
    exposures: Annotated[
        int, Meta(ge=1, description="First exposures that are remembered, so that each is reported once.")
    ] = 200_000
