"""Load shedding: adaptive limits by the foreign cases, guaranteed parts, fair queues, patient clients."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.limits.cases import S, cases

from reelwright.kernel.errors import Invalid
from reelwright.limits.core.adaptive import (
    Aimd,
    Average,
    Gradient,
    Gradient2,
    Seen,
    Vegas,
    average_rtt,
    log10_root,
    percentile_rtt,
    square_root,
)
from reelwright.limits.core.client import RetryBudget, Throttle, pause_ns
from reelwright.limits.core.fair import FairQueue, RoundRobin, Waiting
from reelwright.limits.core.partitions import Partitions
from reelwright.limits.core.shedding import Gate, cpu_threshold
from reelwright.limits.replay import jain, scenarios, shed

MS = 10**6


def seen(sample: dict[str, Any]) -> Seen:
    """A sample of the table."""
    return Seen(sample["rtt_ns"], sample["inflight"], sample["dropped"])


def test_aimd_and_vegas_are_netflixes() -> None:
    """Each sample of its tests leaves the limit that they expect."""
    table = cases("netflix_concurrency_limits.json")
    for case in table["aimd"]["cases"]:
        config = {"least": case["config"].get("min_limit", 20), "most": case["config"].get("max_limit", 200)}
        aimd = Aimd(limit=case["config"]["initial_limit"], **config)
        for sample in case["samples"]:
            aimd = aimd.sample(seen(sample))
            assert aimd.limit == sample["limit_after"], case["name"]
        assert case.get("limit", aimd.limit) == aimd.limit or case["name"] == "testDefault"
    for case in table["vegas"]["cases"]:
        vegas = vegas_of(case["config"])
        for sample in case["samples"]:
            vegas = vegas.sample(seen(sample))
            assert vegas.limit == sample["limit_after"], case["name"]


def vegas_of(config: dict[str, Any]) -> Vegas:
    """Vegas as a case configures it."""
    options: dict[str, Any] = {}
    for name in ("alpha", "beta"):
        if name in config:
            options[name] = lambda _limit, value=config[name]: value
    if config.get("decrease") == "limit / 2":
        options["decrease"] = lambda limit: limit / 2
    return Vegas(
        estimate=config["initial_limit"],
        most=config["max_limit"],
        smoothing=config.get("smoothing", 1.0),
        **options,
    )


def test_netflixes_functions_averages_and_windows() -> None:
    """Decades, roots, the average with its warm-up, and what a window of requests took."""
    table = cases("netflix_concurrency_limits.json")
    log10, root = table["functions"]
    assert [log10_root(limit) for limit, _ in log10["values"]] == [value for _, value in log10["values"]]
    assert [square_root(limit) for limit, _ in root["values"]] == [value for _, value in root["values"]]
    told, average = table["exp_avg"], Average(window=100, warmup=10)
    for value, expected in zip(told["add"], told["value_after_each"], strict=True):
        average = average.add(value)
        assert average.value == pytest.approx(expected, abs=told["tolerance"])
    assert average.add(told["then"]["add"]).value == pytest.approx(16.2, abs=0.1)
    for window in table["sample_windows"]:
        rtts = window["rtt_ns"]
        tracked = average_rtt(rtts) if window["kind"] == "average" else percentile_rtt(rtts, window["p"])
        assert tracked == window["tracked_rtt_ns"], window


def test_netflixes_partitions() -> None:
    """Parts are guaranteed, and what others leave may be borrowed."""
    for case in cases("netflix_concurrency_limits.json")["partitioned"]["cases"]:
        if "bypass" in case or "threads_per_partition" in case:
            continue
        partitions = Partitions(case["limit"], case["partitions"])
        for name, value in case.get("partition_limits", {}).items():
            assert partitions.guaranteed[name] == value
        for step in case.get("ops", ()):
            run(partitions, step, case["name"])


def run(partitions: Partitions, step: dict[str, Any], name: str) -> None:
    """One step of a case."""
    for _ in range(step.get("times", 1)):
        if step["op"] == "acquire":
            assert partitions.acquire(step["partition"]) == step["granted"], name
        elif step["op"] == "release":
            partitions.release(step["partition"])
        else:
            partitions.set_limit(step["limit"])
    for kind, value in step.get("partition_limits", {}).items():
        assert partitions.guaranteed[kind] == value
    for kind, value in step.get("inflight", {}).items():
        assert (partitions.total if kind == "total" else partitions.held[kind]) == value, name


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=200),
)
def test_what_others_borrow_keeps_nobody_from_its_part(limit: int, steps: list[tuple[str, bool]]) -> None:
    """Whoever holds less than its part is admitted, and no more is held than the limit and what was lent."""
    partitions = Partitions(limit, {"a": 0.3, "b": 0.6})
    for kind, gives in steps:
        if gives and partitions.held[kind]:
            partitions.release(kind)
            continue
        part = partitions.held[kind] < partitions.guaranteed[kind]
        admitted = partitions.acquire(kind)
        assert admitted or not part
        assert partitions.total <= limit + max(partitions.guaranteed.values())
    assert partitions.total == sum(partitions.held.values())


def test_parts_that_are_more_than_all_are_refused() -> None:
    """A guarantee that cannot be kept is none."""
    with pytest.raises(Invalid, match="at most 1"):
        Partitions(10, {"a": 0.7, "b": 0.7})


def test_our_gradient_does_not_drift_where_netflixes_does() -> None:
    """A service for thirty at once that is always asked for more: theirs rises to its bound, ours stays near."""

    def takes_ns(limit: int) -> int:
        return round(20 * MS * max(1.0, limit / 30))

    theirs, ours = Gradient2(), Gradient()
    for _ in range(3000):
        theirs = theirs.sample(Seen(takes_ns(theirs.limit), theirs.limit))
        ours = ours.sample(Seen(takes_ns(ours.limit), ours.limit))
    assert theirs.limit >= 190, "the defect that this one corrects"
    assert 30 <= ours.limit <= 45


def test_a_service_that_has_become_slower_for_good_is_believed() -> None:
    """Three times as slow: the limit falls, finds that less does not help, and comes back."""
    ours = Gradient()

    def run(slower: float, windows: int) -> int:
        nonlocal ours
        for _ in range(windows):
            took_ns = round(20 * MS * slower * max(1.0, ours.limit / 30))
            ours = ours.sample(Seen(took_ns, ours.limit))
        return ours.limit

    assert run(1.0, 500) >= 30
    assert run(3.0, 600) >= 30


@given(st.lists(st.tuples(st.integers(1, 10**10), st.integers(0, 500), st.booleans()), max_size=100))
def test_every_limit_stays_within_its_bounds(samples: list[tuple[int, int, bool]]) -> None:
    """Whatever is measured."""
    aimd, vegas, theirs, ours = Aimd(), Vegas(), Gradient2(), Gradient()
    for rtt_ns, inflight, dropped in samples:
        one = Seen(rtt_ns, inflight, dropped)
        aimd, vegas, theirs, ours = aimd.sample(one), vegas.sample(one, 0.5), theirs.sample(one), ours.sample(one)
        assert 20 <= aimd.limit <= 200 and 1 <= vegas.limit <= 1000
        assert 20 <= theirs.limit <= 200 and 4 <= ours.limit <= 1000


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1), st.data())
def test_tenants_that_want_more_than_their_turn_get_the_same(wants: dict[str, int], data: st.DataObject) -> None:
    """However much each asks and in whatever order: served counts differ by one while all still wait."""
    queue = RoundRobin(most=10_000)
    arrivals = data.draw(st.permutations([name for name, count in wants.items() for _ in range(count)]))
    for number, name in enumerate(arrivals):
        assert queue.push(Waiting(number, name, number)) is None
    served = dict.fromkeys(wants, 0)
    for _ in range(len(wants) * min(wants.values())):
        waiting = queue.pop(0)
        assert waiting is not None
        served[waiting.tenant] += 1
    assert max(served.values()) - min(served.values()) <= 1
    rest = [queue.pop(0) for _ in range(sum(wants.values()) - sum(served.values()))]
    assert None not in rest and queue.pop(0) is None and queue.size == 0


def test_a_full_queue_sheds_the_oldest_of_the_longest() -> None:
    """A greedy tenant pushes out its own."""
    queue = RoundRobin(most=5)
    for number in range(4):
        queue.push(Waiting(number, "greedy", number))
    assert queue.push(Waiting(9, "small", "s")) is None
    pushed = queue.push(Waiting(10, "greedy", 10))
    assert pushed is not None and (pushed.tenant, pushed.item) == ("greedy", 0)
    assert queue.size == 5


def test_who_waited_too_long_is_shed_and_sooner_when_the_queue_never_empties() -> None:
    """An interval of patience, and the target's once it has been full for longer; then the newest come first."""
    queue = FairQueue(priorities=1, target_ns=5 * MS, interval_ns=100 * MS)
    queue.push(0, Waiting(0, "t", "first"))
    queue.push(0, Waiting(60 * MS, "t", "second"))
    assert queue.shed(100 * MS) == []
    assert [one.item for one in queue.shed(101 * MS)] == ["first", "second"], (
        "it is overloaded, and shows less patience"
    )
    for number in range(3):
        queue.push(0, Waiting(200 * MS + number, "t", number))
    first = queue.pop(201 * MS)
    queue.push(0, Waiting(310 * MS, "t", "new"))
    late = queue.pop(311 * MS)
    assert first is not None and first.item == 0 and late is not None and late.item == "new"


def test_the_important_come_first_and_the_others_still_come() -> None:
    """Of a hundred turns a few are for those who matter less."""
    queue = FairQueue(priorities=2, share=0.1)
    for number in range(200):
        queue.push(number % 2, Waiting(number, "t", number % 2))
    turns = [one.item for one in (queue.pop(500) for _ in range(100)) if one]
    assert turns.count(0) == 90 and turns.count(1) == 10


def test_a_gate_begins_holds_back_and_lets_in() -> None:
    """Up to the limit at once; then by priority as others leave; CPU sheds the less important at the door."""
    gate = Gate(limit=Gradient(estimate=4.0), priorities=2)
    entries = [gate.enter(0, priority=1, tenant="t", item=number)[0] for number in range(6)]
    assert entries == ["begins"] * 4 + ["waits"] * 2
    assert gate.enter(1, priority=0, tenant="u", item="important")[0] == "waits"
    begins, out = gate.leave(2, rtt_ns=MS)
    assert begins == ["important"] and out == []
    assert gate.inflight == 4
    gate.cpu = 0.85
    assert gate.enter(3, priority=1, tenant="t", item=9) == ("shed", [])
    assert gate.enter(3, priority=0, tenant="t", item=9)[0] == "waits"
    assert cpu_threshold(2, 3) < cpu_threshold(1, 3) < cpu_threshold(0, 3)


def test_a_client_stops_pressing_on_a_service_that_refuses_it() -> None:
    """While one of K is accepted nothing is refused; without accepts nearly all, and later it tries again."""
    throttle, now = Throttle(), 0
    for _ in range(100):
        now += 10 * MS
        assert not throttle.refuses(now, 0.0)
        throttle.accepted(now)
    refused = 0
    for number in range(1000):
        now += 10 * MS
        refused += throttle.refuses(now, (number % 100) / 100)
    assert 500 < refused < 950
    assert not throttle.refuses(now + 300 * S, 0.0), "what happened long ago is forgotten"


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=200))
def test_retries_are_a_part_of_requests(steps: list[tuple[int, bool]]) -> None:
    """Never more than the first ten, a tenth of the requests, and one a second."""
    budget, now, requests, retries = RetryBudget(), 0, 0, 0
    for gap_ns, retry in steps:
        now += gap_ns
        if retry:
            budget, may = budget.retry(now)
            retries += may
        else:
            budget, requests = budget.requested(now), requests + 1
        assert retries <= 10 + 0.1 * requests + now / S + 1e-6


def test_a_pause_is_never_shorter_than_the_service_asked() -> None:
    """Retry-After is honoured, with jitter on top; without it, jitter doubles."""
    assert pause_ns(0, 7.0, 0.0) == 7 * S and pause_ns(0, 7.0, 0.5) > 7 * S
    assert pause_ns(3, None, 1.0) == 8 * pause_ns(0, None, 1.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
@example([1.7575307618092055e-159] * 2)
@example([5e-324])
@example([1e308] * 2)
def test_jains_index_is_between_one_nth_and_one(shares: list[float]) -> None:
    """Equal shares are 1."""
    assert 1 / len(shares) - 1e-9 <= jain(shares) <= 1 + 1e-9
    assert jain([3.0] * len(shares)) == pytest.approx(1)


def test_in_the_spike_those_who_press_play_are_served() -> None:
    """The frozen scenario, shortened: ours against a limit without priorities, on the same arrivals."""
    from msgspec.structs import replace

    scenario = scenarios()["prefetch_spike"]
    assert scenario.spike is not None
    short = replace(scenario, seconds=12, spike=replace(scenario.spike, from_s=4, to_s=8))
    ours, theirs = shed(short, "ours", seed=1), shed(short, "gradient2", seed=1)
    assert ours.success["play"] >= 0.999 and theirs.success["play"] < 0.8
    assert ours.p99_ms["play"] <= 2 * ours.unloaded_p99_ms
    assert ours.recovery_s == 0 and ours.fairness >= 0.99
    assert ours.served >= 0.97 * theirs.served, "and no work is wasted for it"
    with pytest.raises(Invalid, match="a policy is one of"):
        shed(short, "hope", seed=1)
