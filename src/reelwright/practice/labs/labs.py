"""The labs there are, by id."""

from __future__ import annotations

from reelwright.practice.labs import distributed_limiter, exactly_once, experiment_readout, make_it_fast, token_bucket
from reelwright.practice.labs.lab import Lab

LABS: dict[str, Lab] = {
    lab.id: lab
    for lab in (token_bucket.LAB, distributed_limiter.LAB, exactly_once.LAB, experiment_readout.LAB, make_it_fast.LAB)
}
