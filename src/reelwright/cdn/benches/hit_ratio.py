"""Hit ratios of the eviction policies between LRU's and an all-knowing cache's, by replay of traces."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np

from reelwright.cdn.benches import CHECKOUT
from reelwright.cdn.core.traces import VodScenario, vod_trace, zipf_trace
from reelwright.cdn.replay import Trace, gap_closed, read_trace, replay_named
from reelwright.kernel.bench import Row

CAPACITIES = (0.05, 0.2)
"""Shares of all distinct bytes."""
TRACE_SEEDS = (11, 12)
ADAPTSIZE = CHECKOUT.parent / "shared" / "data" / "cdn" / "adaptsize" / "request.trace.xz"


def hit_ratio() -> Iterator[Row]:
    """How much of the way from LRU to an all-knowing cache the policies go, through the code that runs live."""
    gaps: dict[str, list[tuple[float, float]]] = {"vod": [], "other": []}
    worst = 0.0
    for kind, trace in _traces():
        for share in CAPACITIES:
            budget = int(trace.working_set_bytes() * share)
            lru, best, peer, ours = (
                replay_named(trace, name, budget).byte_miss_ratio for name in ("lru", "belady", "s3fifo", "foresight")
            )
            gaps[kind].append((gap_closed(lru, ours, best), gap_closed(lru, peer, best)))
            worst = max(worst, ours / lru)
    goals = {"vod": 0.55, "other": 0.35}
    for kind, found in gaps.items():
        yield Row(
            id=f"hit_ratio.{kind}_gap",
            what=f"mean share of the byte gap from LRU to Belady closed by foresight, {kind} traces",
            value=round(statistics.mean(ours for ours, _ in found), 3),
            unit="share",
            op=">=",
            goal=goals[kind],
            peer="S3-FIFO",
            peer_value=round(statistics.mean(peer for _, peer in found), 3),
            note="each: " + ", ".join(f"{ours:.2f}" for ours, _ in found),
        )
    yield Row(
        id="hit_ratio.worst_vs_lru",
        what="foresight's byte miss ratio / LRU's, worst trace",
        value=round(worst, 3),
        unit="ratio",
        op="<=",
        goal=1.01,
    )


def _traces() -> Iterator[tuple[str, Trace]]:
    """Generated from seeds that nothing was tuned on; the public web trace joins where it is beside the checkout."""
    for seed in TRACE_SEEDS:
        yield "vod", Trace(list(vod_trace(VodScenario(days=2), np.random.default_rng(seed))))
    yield "other", Trace(list(zipf_trace(100_000, 30_000, 0.8, np.random.default_rng(TRACE_SEEDS[0]))))
    if ADAPTSIZE.is_file():
        yield "other", read_trace(ADAPTSIZE, kind="csv")
