"""Which buckets of a layer belong to whom: a free list, so that a change moves only what it frees or takes."""

from __future__ import annotations

from collections.abc import Iterable

from reelwright.experiments.contract import BUCKETS, BadConfiguration, Ranges


def ranges_of(buckets: Iterable[int]) -> Ranges:
    """Buckets as half-open ranges, in their order."""
    ranges: list[list[int]] = []
    for bucket in buckets:
        if ranges and ranges[-1][1] == bucket:
            ranges[-1][1] += 1
        else:
            ranges.append([bucket, bucket + 1])
    return tuple((start, end) for start, end in ranges)


def buckets_of(ranges: Ranges) -> list[int]:
    """Every bucket of the ranges, in their order."""
    return [bucket for start, end in ranges for bucket in range(start, end)]


def resize(own: Ranges, taken: Iterable[Ranges], count: int) -> Ranges:
    """`own` with `count` buckets: grows at its end into what nobody has taken, and shrinks from there.

    Whoever stays keeps their bucket, and takes part before those who come (`first_of`). Raises BadConfiguration where
    the layer has too few free ones.
    """
    held = buckets_of(own)
    if count <= len(held):
        return ranges_of(held[: max(count, 0)])
    used = {bucket for ranges in taken for bucket in buckets_of(ranges)}.union(held)
    free = [bucket for bucket in range(BUCKETS) if bucket not in used]
    missing = count - len(held)
    if missing > len(free):
        raise BadConfiguration([f"the layer is overcommitted: {missing} more buckets wanted, {len(free)} are free"])
    return ranges_of(held + free[:missing])


def first_of(own: Ranges, share: float) -> Ranges:
    """The first `share` of the buckets, rounded up: what takes part at a step of a ramp."""
    held = buckets_of(own)
    return ranges_of(held[: min(len(held), -int(-share * len(held) // 1))])
