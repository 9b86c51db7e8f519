"""Recorded traffic: bounded, whole by key, the same however many processes wrote it."""

from __future__ import annotations

import pytest

from reelwright.limits import parse_limits
from reelwright.limits.core.traffic import Counts, Recording, Seen, each, is_kept, merged, requests_of
from reelwright.limits.replay import Request, try_limits


def recording(asks: list[tuple[int, str]], most: int = 1000) -> Recording:
    """A minute in which keys asked the limit `api` at these ticks."""
    found = Recording(most)
    for tick, key in asks:
        found.ask(tick, "api", key)
    return found


def test_what_was_recorded_is_given_back_in_order() -> None:
    """Of two processes and two minutes; another limit's requests are not among it."""
    one, other = recording([(5, "a"), (5, "a"), (599, "b")]), recording([(2, "c")])
    other.ask(2, "pages", "c")
    asked, halved = requests_of([(7, one.traffic()), (7, other.traffic()), (6, other.traffic())], "api", 100)
    assert halved == 0
    one_by_one = list(each(asked))
    assert [key for _, key in one_by_one] == ["c", "c", "a", "a", "b"]
    assert [at_s for at_s, _ in one_by_one] == pytest.approx([360.2, 420.2, 420.5, 420.5, 479.9])


def test_more_than_there_is_room_for_leaves_out_whole_keys() -> None:
    """Memory is bounded; of a key that is kept, every request is there."""
    asks = [(tick, f"key {number}") for tick in range(4) for number in range(500)]
    traffic = recording(asks, most=400).traffic()
    assert traffic.halved > 0 and 0 < len(traffic.asked) <= 400
    by_key: dict[int, int] = {}
    for _, _, key, much in traffic.asked:
        by_key[key] = by_key.get(key, 0) + much
    assert set(by_key.values()) == {4}
    assert all(is_kept(key, traffic.halved) for key in traffic.keys)


def test_a_replay_of_too_much_takes_fewer_keys_and_says_so() -> None:
    """The same keys of all minutes, also of a minute that had kept them all."""
    minute = recording([(0, f"key {number}") for number in range(1000)]).traffic()
    thin = recording([(0, f"key {number}") for number in range(1000)], most=300).traffic()
    asked, halved = requests_of([(0, minute), (1, thin)], "api", 10_000)
    assert halved == thin.halved and len(asked) == 2 * len(thin.asked)
    fewer, more = requests_of([(0, minute), (1, thin)], "api", 100)
    assert more > halved and len(fewer) <= 100


def test_processes_are_counted_together() -> None:
    """Counts add up, and so do denials of a key that both saw."""
    both = [Seen(counts={"api": Counts(3, 1)}, hot={"a": 1}), Seen(counts={"api": Counts(1, 2, 3, 4)}, hot={"a": 2})]
    told = merged([*both, Seen(counts={"pages": Counts(1)}, hot={"b": 1})])
    assert told.counts == {"api": Counts(4, 3, 3, 4), "pages": Counts(1)} and told.hot == {"a": 3, "b": 1}
    assert told.counts["api"].asked == 14 and both[0].counts["api"] == Counts(3, 1)


def test_a_trial_is_told_by_parts_of_the_time() -> None:
    """What the parts admitted and denied is what all did."""
    trace = [Request(at_s, "a") for at_s in (0.0, 1.0, 2.0, 59.0, 61.0, 170.0, 400.0)]
    tried = try_limits(parse_limits("2/minute window"), trace, slices=3, slice_s=60)
    assert [(one.admitted, one.denied) for one in tried.slices] == [(2, 2), (1, 0), (2, 0)]
    assert sum(one.admitted for one in tried.slices) == tried.admitted
