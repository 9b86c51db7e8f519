"""The labs there are, by id."""

from __future__ import annotations

from reelwright.practice.labs import (
    bitrate,
    cache_policy,
    cold_start,
    distributed_limiter,
    exactly_once,
    experiment_readout,
    fill,
    incident_day,
    ladder,
    make_it_fast,
    ranker,
    steering,
    token_bucket,
)
from reelwright.practice.labs.lab import Lab

_ALL = (
    token_bucket,
    distributed_limiter,
    cache_policy,
    fill,
    steering,
    bitrate,
    ladder,
    ranker,
    cold_start,
    exactly_once,
    experiment_readout,
    incident_day,
    make_it_fast,
)
LABS: dict[str, Lab] = {one.LAB.id: one.LAB for one in _ALL}
