"""Leases, clocks and recorded traffic in a made-up world: the bounds hold whatever goes wrong there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.limits.cases import S, cases

from reelwright.kernel.errors import Invalid
from reelwright.limits.contract import Limit
from reelwright.limits.core.algorithms import compiled
from reelwright.limits.core.grammar import parse_limits
from reelwright.limits.core.lease import Lease, give_back, take
from reelwright.limits.core.shares import fair_share, proportional_share, share_of
from reelwright.limits.core.store_time import StoreClock
from reelwright.limits.replay import Faults, Request, fullest_window, leases, skewed, try_limits, worst_of

MS = 10**6
FAULTS = st.builds(
    Faults,
    lost=st.sampled_from([0.0, 0.1, 0.5]),
    doubled=st.sampled_from([0.0, 0.3]),
    slowest_ns=st.sampled_from([2 * MS, 30 * MS, 200 * MS]),
    partition=st.booleans(),
    crash=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([20, 50, 200]), FAULTS)
def test_leases_never_exceed_their_theorem(seed: int, nodes: int, hold_ms: int, faults: Faults) -> None:
    """L·(W + H) + b in every window, whatever is lost, doubled, late, cut off or dies."""
    limit = Limit(name="x", count=1000, period_ns=S, burst=100)
    run = leases(
        limit, seed=seed, nodes=nodes, hold_ns=hold_ms * MS, span_ns=2 * S, offered_a_s=2000.0, faults=faults
    )
    assert run.worst <= 1.0
    assert max(run.calls) <= 2 * 2 * S / (hold_ms * MS) + 2, "at most two calls per H per node"


def test_leases_use_what_there_is_and_little_when_there_is_little_to_do() -> None:
    """Under overload 99 % of the limit is spent; below it everybody is admitted."""
    limit = Limit(name="x", count=1000, period_ns=S, burst=100)
    options = {"seed": 3, "nodes": 4, "hold_ns": 50 * MS, "span_ns": 10 * S, "faults": Faults()}
    busy = leases(limit, offered_a_s=1000.0, **options)  # type: ignore[arg-type]
    assert len(busy.spent) >= 0.99 * 10_000
    calm = leases(limit, offered_a_s=200.0, **options)  # type: ignore[arg-type]
    assert len(calm.spent) >= 0.97 * 8000


def test_an_answer_that_comes_twice_or_late_gives_nothing() -> None:
    """A doubled grant is one grant; one that arrives after its time is none."""
    lease = Lease(50 * MS, 100)
    lease.call(0)
    lease.granted(0, 10 * MS, 5, 0)
    lease.granted(0, 11 * MS, 5, 0)
    assert [lease.spend(12 * MS, 1) for _ in range(6)] == [True] * 5 + [False]
    lease.call(100 * MS)
    lease.granted(100 * MS, 151 * MS, 5, 0)
    assert not lease.spend(151 * MS, 1)
    lease.call(200 * MS)
    lease.granted(200 * MS, 201 * MS, 5, 0)
    assert not lease.spend(250 * MS, 1), "what is not spent in time is lost"


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(1, 200),
    st.lists(st.tuples(st.sampled_from("tttswgw"), st.integers(1, 60), st.integers(0, 12 * MS)), max_size=80),
)
def test_what_is_given_back_never_makes_a_window_fuller(
    count: int, burst: int, acts: list[tuple[str, int, int]]
) -> None:
    """Grants are spent, kept or given back in any order and however late: the theorem holds of what is spent."""
    hold_ns, limit = 10 * MS, Limit(name="x", count=count, period_ns=50 * MS, burst=burst)
    rule, now_ns, spent = compiled(limit), 0, []
    state, held = rule.empty, list[tuple[int, int]]()
    for act, much, later_ns in acts:
        now_ns += later_ns
        if act == "t":
            state, granted, _ = take(rule, state, now_ns, much)
            held.append((granted, now_ns))
        elif act == "w":
            now_ns += later_ns
        elif held:
            tokens, since_ns = held.pop(much % len(held))
            if act == "s" and now_ns < since_ns + hold_ns:
                spent.append((now_ns, tokens))
            else:
                state = give_back(rule, state, now_ns, tokens, since_ns, (count, 50 * MS))
    spent += [(now_ns, tokens) for tokens, since_ns in held if now_ns < since_ns + hold_ns]
    assert worst_of(spent, limit, hold_ns) <= 1.0


@pytest.mark.parametrize("hoard", [1, 10, 50, 100])
def test_rotating_what_one_holds_hoards_nothing(hoard: int) -> None:
    """Taking anew just before giving back, until the bucket is full beside what is held: no window is fuller."""
    hold_ns, limit = 10 * MS, Limit(name="x", count=10, period_ns=10 * MS, burst=100)
    rule, now_ns = compiled(limit), 0
    state, held, since_ns = take(rule, rule.empty, 0, hoard)[0], hoard, 0
    for _ in range(40):
        now_ns += hold_ns // 2
        state, more, _ = take(rule, state, now_ns, hoard)
        state = give_back(rule, state, now_ns, held, since_ns, (10, 10 * MS))
        held, since_ns = more, now_ns
    _, rest, _ = take(rule, state, now_ns, 100)
    assert held + rest <= 100 + 10, "L·H + burst"


def test_what_an_idle_node_gives_back_another_can_take_at_once() -> None:
    """Ninety of a hundred unspent come back, less the ten that flowed in meanwhile; never more than was granted."""
    limit = Limit(name="x", count=10, period_ns=10 * MS, burst=100)
    rule = compiled(limit)
    state, granted, _ = take(rule, rule.empty, 0, 100)
    assert granted == 100 and take(rule, state, 10 * MS, 100)[1] == 10
    back = give_back(rule, state, 10 * MS, 90, 0, (10, 10 * MS))
    assert take(rule, back, 10 * MS, 100)[1] == 90
    assert give_back(rule, state, 10 * MS, 90, 20 * MS, (10, 10 * MS)) == state, "a grant of the future is none"
    assert give_back(rule, state, 200 * MS, 90, 0, (10, 10 * MS)) == state, "all of it has flowed in since"


@pytest.mark.parametrize("steps_s", [(3600.0,), (-3600.0,), (2.0, -2.0), (-3600.0, 3600.0, -2.0)])
def test_clocks_that_step_change_neither_windows_nor_shares(steps_s: tuple[float, ...]) -> None:
    """Nodes off by an hour, a store that steps: no true window above the limit, no minute starved, shares equal."""
    limit = Limit(name="x", count=100, period_ns=10 * S, algorithm="window", cells=240)
    run = skewed(
        limit,
        seed=5,
        skews_ns=[0, 2 * S, -2 * S, 3600 * S],
        steps_ns=[round(step * S) for step in steps_s],
        minutes=8,
        offered_a_s=20.0,
    )
    assert run.worst_window <= 1.0 and run.least_minute >= 0.95 and run.share <= 0.08


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.integers(0, 500)), min_size=1, max_size=50))
def test_the_stores_clock_never_goes_back_and_keeps_within_the_callers_bounds(steps: list[tuple[int, int]]) -> None:
    """A jump either way counts for no more than the caller's own clock allows."""
    clock, wall, true = StoreClock(), 10**9, 0
    last = first = clock.read(wall, (0, 0))
    for jump, passed in steps:
        wall, true = wall + jump + passed, true + passed
        now = clock.read(wall, (last + passed, last + passed + 40))
        assert last + passed <= now <= last + passed + 40
        last = now
    assert last - first <= true + 40 * len(steps)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 3)), max_size=40), st.integers(1, 60))
def test_the_fullest_window_is_found(gaps: list[tuple[int, int]], window: int) -> None:
    """The sweep over events finds what looking at every window finds."""
    now, events = 0, []
    for gap, much in gaps:
        now += gap
        events.append((now, much))
    expected = max(
        (sum(much for at, much in events if start <= at < start + window) for start, _ in events), default=0
    )
    assert fullest_window(events, window) == expected
    assert worst_of(events, Limit(name="x", count=10**6, period_ns=S), 100) <= 1


def test_shares_are_doormans() -> None:
    """Its worked examples and tests, for one client and for many behind one."""
    for case in cases("doorman_shares.json")["cases"]:
        if case["algorithm"] not in ("FAIR_SHARE", "PROPORTIONAL_SHARE") or not case["preloaded"]:
            continue
        divide = fair_share if case["algorithm"] == "FAIR_SHARE" else proportional_share
        clients = case["clients"]
        gets = divide(
            case["capacity"],
            [client["wants"] for client in clients],
            [client.get("subclients", 1) for client in clients],
        )
        assert gets == pytest.approx([client["gets"] for client in clients], abs=1e-6), case["name"]


@given(
    st.floats(0, 1000),
    st.lists(st.tuples(st.floats(0, 500), st.floats(0.5, 5)), min_size=1, max_size=8),
)
def test_no_share_exceeds_what_there_is_or_what_is_wanted(
    capacity: float, clients: list[tuple[float, float]]
) -> None:
    """And where there is enough, everybody gets what he wants."""
    wants, weights = [want for want, _ in clients], [weight for _, weight in clients]
    for divide in (fair_share, proportional_share):
        gets = divide(capacity, wants, weights)
        assert sum(gets) <= capacity * (1 + 1e-9) + 1e-9
        assert all(got <= want * (1 + 1e-9) + 1e-9 for got, want in zip(gets, wants, strict=True))
        if sum(wants) <= capacity:
            assert gets == pytest.approx(wants)


@given(
    st.integers(0, 1000),
    st.integers(0, 100),
    st.sampled_from(["gcra", "leaky", "window", "fixed"]),
    st.integers(1, 9),
)
def test_the_shares_of_all_nodes_are_no_more_than_the_limit(
    count: int, burst: int, algorithm: str, nodes: int
) -> None:
    """What does not divide is lost, not admitted twice."""
    limit = Limit(name="x", count=count, period_ns=60 * S, burst=burst, algorithm=algorithm)  # type: ignore[arg-type]
    share = share_of(limit, nodes)
    assert share.most * nodes <= limit.most
    assert share.count * nodes * limit.period_ns <= limit.count * share.period_ns


def test_limits_are_tried_on_recorded_traffic() -> None:
    """What would this rule have done yesterday: by limit, and by whom."""
    trace = [Request(second / 2, "a" if second % 2 else "b") for second in range(240)]
    tried = try_limits(parse_limits("30/minute burst 5; 50/hour", "x"), trace)
    assert (tried.requests, tried.admitted + tried.denied) == (240, 240)
    assert tried.by_limit["x-2"] > 0 and tried.by_limit["x-1"] > 0
    assert {key for key, _ in tried.worst_keys} == {"a", "b"}
    with pytest.raises(Invalid, match="order of time"):
        try_limits([], [Request(2, "a"), Request(1, "a")])
