"""What a process reports of its load is what it has sent since it reported last."""

from __future__ import annotations

from reelwright.cdn.core.load import Load


def test_load_is_of_the_time_between_two_looks() -> None:
    """In bits a second; a count that began anew, and two looks at one moment, are no load."""
    load = Load()
    seen = [load.bps(1_000, 0), load.bps(3_000, 2 * 10**9), load.bps(0, 3 * 10**9), load.bps(9, 3 * 10**9)]
    assert seen == [0.0, 8_000.0, 0.0, 0.0]
