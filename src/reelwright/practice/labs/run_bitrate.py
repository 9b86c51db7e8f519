"""Run it: a ladder, a buffer and a start through the model of the player in `simulate`, over links that sag."""

from __future__ import annotations

from collections.abc import Mapping

from reelwright.practice.labs.bitrate import LEFT, PLAYS, SEGMENTS, links
from reelwright.practice.labs.run_it import SEED, Field, Simulated
from reelwright.simulate.core.peers import ByThroughput
from reelwright.simulate.core.playing import SEGMENT_S, BySegment, Play, even_sizes, play

LATE = 0.95


def _run_bitrate(numbers: Mapping[str, float]) -> dict[str, float]:
    """Every link of the lab, on the candidate's ladder and by their share of the throughput."""
    rungs_bps = _ladder(int(numbers["rungs"]), 1e6 * numbers["lowest_mbps"], 1e6 * numbers["highest_mbps"])
    plays = [
        play(
            BySegment(speeds, network.rtt_ms / 1000), rungs_bps, ByThroughput(numbers["safe_share"]),
            sizes_bits=even_sizes(rungs_bps, SEGMENTS), buffer_most_s=numbers["buffer_s"],
            starts_with_s=numbers["starts_with_s"],
        )
        for network, speeds in links(SEED)
    ]  # fmt: skip
    watched_s = len(plays) * SEGMENTS * SEGMENT_S
    return {
        "start_s": sorted(one.start_s for one in plays)[int(LATE * (len(plays) - 1))],
        "stalled_share": sum(sum(one.stalls_s) for one in plays) / watched_s,
        "shown_mbps": sum(rungs_bps[rung] for one in plays for rung in one.rungs) / len(plays) / SEGMENTS / 1e6,
        "changes_a_minute": sum(map(_changes, plays)) / (watched_s / 60),
    }


def _ladder(rungs: int, lowest_bps: float, highest_bps: float) -> tuple[float, ...]:
    """Rungs that are equally many times apart."""
    return tuple(lowest_bps * (highest_bps / lowest_bps) ** (at / (rungs - 1)) for at in range(rungs))


def _changes(one: Play) -> int:
    return sum(before != after for before, after in zip(one.rungs, one.rungs[1:], strict=False))


BITRATE = Simulated(
    id="bitrate",
    says=(
        f"{2 * PLAYS} plays of {SEGMENTS * SEGMENT_S / 60:g} minutes over DSL and mobile links that sag to "
        f"{LEFT:.0%} now and then, in segments of {SEGMENT_S:g} s, by throughput alone: the highest rung within a "
        "share of what the latest segments came with."
    ),
    design=(
        Field("rungs", "Rungs of the ladder, equally many times apart", 2, 30),
        Field("lowest_mbps", "Lowest rung, Mb/s", 0.05, 1),
        Field("highest_mbps", "Highest rung, Mb/s", 1, 100),
        Field("safe_share", "Share of the throughput that the player asks for", 0.05, 2),
        Field("buffer_s", "Most film in the buffer, s", SEGMENT_S, 300),
        Field("starts_with_s", "Film that is there before the first frame, s", 0, 60),
    ),
    estimates=(
        Field("start_s", "Start to first frame, 95th percentile, s", 0, 1e4),
        Field("stalled_share", "Share of the time for which the picture stands still", 0, 100, 0.01),
        Field("shown_mbps", "Bitrate shown, mean, Mb/s", 0, 100),
        Field("changes_a_minute", "Changes of rung a minute", 0, 15, 0.1),
    ),
    run=_run_bitrate,
    left_out={
        "start_s": "Segments before the first frame come one after the other, each after a round trip, and the "
        "slowest links decide.",
        "stalled_share": "A segment is chosen by the throughput that was; while a link sags only the buffer helps.",
        "shown_mbps": "Nobody is shown more than the highest rung, and what lies between two rungs is not used.",
        "changes_a_minute": "With many rungs every wobble of the estimate is a change.",
    },
)
