"""`reelwright bench limits`: what a decision costs, alone, through Redis and at the door, beside the peers.

Method: CPU time of this process (`process_time`), contenders taken in turn for several rounds, the best round of each
counted, since whatever else runs on the machine only ever adds. Peers come from the dependency group `peers`
(`make peers`); a row whose peer or engine is missing says so and has no value. Each contender makes one decision on
one key that is admitted; ours is always the whole one (allowed, remaining, wait, reset).
"""

from __future__ import annotations

from collections.abc import Iterator

from reelwright.kernel.bench import Row, measured
from reelwright.limits.benches.door import door
from reelwright.limits.benches.in_process import in_process
from reelwright.limits.benches.lease import lease
from reelwright.limits.benches.outage import outage
from reelwright.limits.benches.redis_exact import redis_exact
from reelwright.limits.benches.shed import shed_rows
from reelwright.limits.benches.skew import skew


def rows(only: str = "") -> Iterator[Row]:
    """All rows, or those whose id starts with `only`."""
    parts = (
        ("in_process", in_process),
        ("redis_exact", redis_exact),
        ("door", door),
        ("lease", lease),
        ("skew", skew),
        ("outage", outage),
        ("shed", shed_rows),
    )
    yield from measured(parts, only)
