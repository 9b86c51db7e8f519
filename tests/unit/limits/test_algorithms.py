"""Every algorithm against an exact oracle that remembers everything, and against what it promises."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.limits.cases import S, cases

from reelwright.limits.contract import ALGORITHMS, NEVER, Algorithm, Limit
from reelwright.limits.core.algorithms import compiled, decide
from reelwright.limits.core.step import Rule

Events = list[tuple[int, int]]
ACTIONS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=120)
COUNTS = st.integers(1, 12)
PERIODS = st.integers(12, 60)
PLAIN: tuple[Algorithm, ...] = ("gcra", "leaky", "fixed", "counter", "window", "log")


def limit(count: int, period: int, algorithm: Algorithm = "gcra", burst: int = 0, cells: int = 60) -> Limit:
    """A limit whose period is counted in ticks of 1 ns."""
    return Limit(name="x", count=count, period_ns=period, algorithm=algorithm, burst=burst, cells=cells)


def admitted(rule: Rule, actions: Events) -> Events:
    """When what was admitted: `actions` are (gap, cost)."""
    now, state, found = 0, rule.empty, []
    for gap, cost in actions:
        now += gap
        state, allowed, *_ = rule.step(state, now, cost)
        if allowed and cost:
            found.append((now, cost))
    return found


def worst_window(events: Events, period: int) -> int:
    """The most that any half-open window of one period holds."""
    return max((sum(cost for at, cost in events if start <= at < start + period) for start, _ in events), default=0)


@given(COUNTS, PERIODS, st.integers(1, 12), ACTIONS)
def test_the_token_bucket_is_a_bucket_of_exact_fractions(
    count: int, period: int, burst: int, actions: Events
) -> None:
    """Tokens drip at one per interval up to the burst; nothing is lost or gained by rounding."""
    rule, state = compiled(limit(count, period, burst=burst)), 0
    interval, now, tokens, last = Fraction(period, count), 0, Fraction(burst), 0
    for gap, cost in actions:
        now += gap
        tokens, last = min(Fraction(burst), tokens + Fraction(now - last, interval)), now
        state, allowed, remaining, wait, reset = rule.step(state, now, cost)
        assert allowed == (tokens >= cost)
        tokens -= cost if allowed else 0
        assert remaining == int(tokens)
        assert reset == ceil((burst - tokens) * interval)
        if not allowed:
            assert wait == (NEVER if cost > burst else ceil((cost - tokens) * interval))


@given(COUNTS, PERIODS, ACTIONS)
def test_the_log_is_the_sliding_window_itself(count: int, period: int, actions: Events) -> None:
    """A request is admitted exactly where the last period holds room for it."""
    rule = compiled(limit(count, period, "log"))
    now, state = 0, rule.empty
    kept: list[tuple[int, int]] = []
    for gap, cost in actions:
        now += gap
        used = sum(one for at, one in kept if now - at < period)
        state, allowed, remaining, _, _ = rule.step(state, now, cost)
        assert allowed == (used + cost <= count)
        if allowed and cost:
            kept.append((now, cost))
        assert remaining == count - used - (cost if allowed else 0)


@given(COUNTS, PERIODS, st.integers(1, 20), ACTIONS)
def test_no_window_ever_holds_more_than_the_exact_window_allows(
    count: int, period: int, cells: int, actions: Events
) -> None:
    """Not in any window, however it lies and however coarse the cells are; and the state stays small."""
    rule = compiled(limit(count, period, "window", cells=cells))
    assert worst_window(admitted(rule, actions), period) <= count
    now, state = 0, rule.empty
    for gap, cost in actions:
        now += gap
        state = rule.step(state, now, cost)[0]
        assert len(state) <= 2 * min(count, cells + 1)


@given(COUNTS, PERIODS, st.integers(1, 12), ACTIONS)
def test_no_window_holds_more_than_rate_and_burst(count: int, period: int, burst: int, actions: Events) -> None:
    """The bound of the token bucket, and of the leaky one, holds for every window."""
    for algorithm in ("gcra", "leaky"):
        rule = compiled(limit(count, period, algorithm, burst=burst))
        assert worst_window(admitted(rule, actions), period) <= count + burst


@given(COUNTS, PERIODS, st.integers(1, 12), ACTIONS)
def test_what_leaves_a_leaky_bucket_is_evenly_spaced(count: int, period: int, burst: int, actions: Events) -> None:
    """Whoever waits as told is one interval behind the one before, and never behind more than the queue."""
    rule, interval = compiled(limit(count, period, "leaky", burst=burst)), Fraction(period, count)
    now, state, free = 0, rule.empty, Fraction(0)
    for gap, _ in actions:
        now += gap
        state, allowed, _, wait, _ = rule.step(state, now, 1)
        if allowed:
            assert wait == max(0, ceil(free - now)) <= ceil((burst - 1) * interval)
            free = max(free, Fraction(now)) + interval


@given(COUNTS, PERIODS, ACTIONS)
def test_a_fixed_window_counts_between_its_borders(count: int, period: int, actions: Events) -> None:
    """Each window of the clock holds at most its count, and exactly that under pressure."""
    rule = compiled(limit(count, period, "fixed"))
    now, state = 0, rule.empty
    used: dict[int, int] = {}
    for gap, cost in actions:
        now += gap
        state, allowed, remaining, wait, _ = rule.step(state, now, cost)
        before = used.get(now // period, 0)
        assert allowed == (before + cost <= count)
        used[now // period] = before + (cost if allowed else 0)
        assert remaining == count - used[now // period]
        assert allowed or cost > count or (now + wait) % period == 0


@given(COUNTS, PERIODS, ACTIONS)
def test_the_sliding_counter_weighs_the_window_before(count: int, period: int, actions: Events) -> None:
    """Its estimate is that of exact fractions, rounded up; so it never admits more than twice its count."""
    rule = compiled(limit(count, period, "counter"))
    now, state = 0, rule.empty
    used: dict[int, int] = {}
    for gap, cost in actions:
        now += gap
        index, rest = now // period, period - now % period
        estimate = used.get(index, 0) + Fraction(used.get(index - 1, 0) * rest, period)
        state, allowed, *_ = rule.step(state, now, cost)
        assert allowed == (estimate + cost <= count)
        used[index] = used.get(index, 0) + (cost if allowed else 0)


@given(COUNTS, PERIODS, st.lists(st.tuples(st.integers(0, 10), st.booleans()), max_size=100))
def test_no_more_is_held_at_once_than_there_are_slots(count: int, hold: int, actions: list[tuple[int, bool]]) -> None:
    """Slots that are given back are free at once; slots of the dead are free when their time is over."""
    rule = compiled(limit(count, max(hold, count), "concurrency"))
    hold, now, state = max(hold, count), 0, rule.empty
    ends: list[int] = []
    for gap, gives_back in actions:
        now += gap
        ends = sorted(end for end in ends if end > now)
        if gives_back and ends:
            state, ends = rule.settle(state, now, -1), ends[1:]
            continue
        state, allowed, remaining, wait, _ = rule.step(state, now, 1)
        assert allowed == (len(ends) < count)
        if allowed:
            ends.append(now + hold)
        else:
            assert wait == min(ends) - now
        assert remaining == count - len(ends)


@pytest.mark.parametrize("algorithm", [*PLAIN, "concurrency"])
@given(count=COUNTS, period=PERIODS, burst=st.integers(0, 12), actions=ACTIONS)
def test_retry_after_is_a_promise(algorithm: Algorithm, count: int, period: int, burst: int, actions: Events) -> None:
    """A refused request changes nothing, succeeds when it was told to come, and not a tick earlier."""
    burst = burst if algorithm in ("gcra", "leaky") else 0
    rule = compiled(limit(count, period, algorithm, burst=burst, cells=7))
    now, state = 0, rule.empty
    for gap, cost in actions:
        now += gap
        after, allowed, _, wait, reset = rule.step(state, now, cost)
        if not allowed:
            assert rule.step(after, now, 0)[2:] == rule.step(state, now, 0)[2:]
            if wait == NEVER:
                assert cost > (burst or count)
            else:
                assert rule.step(state, now + wait, cost)[1] and not rule.step(state, now + wait - 1, cost)[1]
        assert rule.step(after, now + reset, burst or count)[1], "after the reset, everything is there"
        state = after


@pytest.mark.parametrize("algorithm", [*PLAIN, "concurrency"])
@given(count=COUNTS, period=PERIODS, actions=ACTIONS)
def test_a_state_is_forgotten_only_when_it_says_nothing(
    algorithm: Algorithm, count: int, period: int, actions: Events
) -> None:
    """One lifetime after it was last touched, a state answers like a new one."""
    rule = compiled(limit(count, period, algorithm, cells=5))
    now, state = 0, rule.empty
    for gap, cost in actions:
        now += gap
        state = rule.step(state, now, cost)[0]
    later = now + rule.lifetime
    for cost in (0, 1, count):
        assert rule.step(state, later, cost)[1:] == rule.step(rule.empty, later, cost)[1:]


@pytest.mark.parametrize("algorithm", [*PLAIN, "concurrency"])
@given(count=COUNTS, period=PERIODS, gap=st.integers(0, 5), cost=st.integers(1, 4))
def test_what_is_given_back_can_be_taken_again(
    algorithm: Algorithm, count: int, period: int, gap: int, cost: int
) -> None:
    """A reservation that is refunded at once leaves as much as before it; a surcharge takes more than there is."""
    rule = compiled(limit(count, period, algorithm))
    state, allowed, *_ = rule.step(rule.empty, 1000, cost)
    if not allowed:
        return
    assert rule.used(state, 1000) == cost
    back = rule.settle(state, 1000, -cost)
    assert rule.step(back, 1000, 0)[2] == count
    charged = rule.settle(state, 1000, count)
    assert rule.used(charged, 1000) == cost + count, "what is over the limit is known too"
    assert rule.step(charged, 1000, 0)[2] == 0 and not rule.step(charged, 1000, 1)[1]


@given(COUNTS, PERIODS, st.integers(1, 12), ACTIONS, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4))))
def test_what_is_given_back_late_lets_no_window_hold_more(
    count: int, period: int, cells: int, actions: Events, refunds: Events
) -> None:
    """A refund takes away what would have been counted for the shortest time: never too much is admitted."""
    rule, now, state = compiled(limit(count, period, "window", cells=cells)), 0, ()
    used: Events = []
    back = iter(refunds)
    for gap, cost in actions:
        now += gap
        state, allowed, *_ = rule.step(state, now, cost)
        if not allowed or not cost:
            continue
        after, much = next(back, (0, 0))
        used.append((now, max(0, cost - much)))
        now += after
        state = rule.settle(state, now, -min(much, cost))
    assert worst_window(used, period) <= count


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_count_of_zero_admits_nothing_ever(algorithm: Algorithm) -> None:
    """Blocking is a limit like others; only looking is free."""
    rule = compiled(limit(0, 60 * S, algorithm))
    assert rule.step(rule.empty, 5, 1) == (0, False, 0, NEVER, 0)
    assert rule.step(rule.empty, 5, 0)[1]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=60), COUNTS, COUNTS)
def test_a_denied_request_is_charged_nowhere(actions: list[tuple[int, int, bool]], first: int, second: int) -> None:
    """Several limits decide as one: all are charged or none is; shadows are asked, told and never refuse."""
    rules = [compiled(limit(first, 40, "log")), compiled(limit(second, 25))]
    states, now = [rule.empty for rule in rules], 0
    for gap, cost, shadow in actions:
        now += gap
        alone = [rule.step(state, now, cost)[1] for rule, state in zip(rules, states, strict=True)]
        looked = [rule.step(state, now, 0)[2] for rule, state in zip(rules, states, strict=True)]
        after, outcomes = decide(rules, states, now, [cost, cost], [False, shadow])
        assert (after is not None) == (alone[0] and (alone[1] or shadow))
        assert [outcome[0] for outcome in outcomes] == alone
        if after is None:
            assert [outcome[1] for outcome in outcomes] == looked
        states = after or states


def test_the_gcra_table_of_throttled() -> None:
    """Sixteen requests on one key, to the millisecond."""
    table = cases("gcra_table.json")
    rate = table["quota"]["rate"]
    one = Limit(name="x", count=rate["count"], period_ns=rate["period_ms"] * 10**6, burst=table["quota"]["limit"])
    rule = compiled(one)
    state = rule.empty
    for row in table["rows"]:
        state, allowed, remaining, wait, reset = rule.step(state, row["at_ms"] * 10**6, row["volume"])
        said = {
            "limited": not allowed,
            "remaining": remaining,
            "reset_ms": reset / 10**6,
            "retry_after_ms": -1 if allowed or wait == NEVER else wait / 10**6,
        }
        assert said == {key: row[key] for key in said}, row


def test_without_burst_three_in_ten_milliseconds_come_one_after_another() -> None:
    """With three at once and three per 10 ms, each further request at once is the first that is refused."""
    rule, state, now = compiled(Limit(name="x", count=3, period_ns=10**7)), 0, 10**9
    for request in range(27):
        state, allowed, *_ = rule.step(state, now, 1)
        assert allowed == (request == 0 or request % 3 != 0)
        if not allowed:
            now += 10**7
            state = rule.step(state, now, 1)[0]  # it comes again, as it was told to


@pytest.mark.parametrize(("count", "gap_s", "seconds", "ideal"), [(30, 1.0, 119, 89), (90, 0.4, 119.6, 269)])
def test_no_token_is_lost_to_whole_seconds(count: int, gap_s: float, seconds: float, ideal: int) -> None:
    """throttled-py's token bucket admits 75 of 89 and 209 of 269 here: it floors the refill at each grant."""
    rule, state, total = compiled(Limit(name="x", count=count, period_ns=60 * S)), 0, 0
    for request in range(round(seconds / gap_s) + 1):
        state, allowed, *_ = rule.step(state, round(request * gap_s * S), 1)
        total += allowed
    assert total == ideal


@settings(max_examples=20)
@given(st.integers(1, 10**9), st.integers(1, 10**6), st.sampled_from(PLAIN))
def test_huge_rates_are_computed_exactly(count: int, seconds: int, algorithm: Algorithm) -> None:
    """Whole numbers do not overflow and do not round in the caller's favour."""
    one = Limit(name="x", count=count, period_ns=seconds * S, algorithm=algorithm)
    rule = compiled(one)
    state, allowed, remaining, _, _ = rule.step(rule.empty, 10**18, count)
    assert allowed and remaining == 0
    assert not rule.step(state, 10**18, 1)[1]
