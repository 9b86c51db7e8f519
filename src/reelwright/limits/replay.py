"""The decisions of limits in made-up worlds and over recorded traffic: the same step functions that serve requests.

`leases`, `skewed` and `shed` are seeded simulations on `kernel.simulation`; `try_limits` says what limits would have
done.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Protocol

import msgspec
import yaml

from reelwright.kernel.errors import Invalid
from reelwright.kernel.simulation import Network, Simulation, WrongClock
from reelwright.limits.contract import Limit, Slice
from reelwright.limits.core.adaptive import Aimd, Gradient2, Seen, Vegas, average_rtt
from reelwright.limits.core.algorithms import compiled
from reelwright.limits.core.lease import Lease, bound, give_back, take
from reelwright.limits.core.shedding import WINDOW_LEAST, WINDOW_NS, Gate
from reelwright.limits.core.step import Rule, State
from reelwright.limits.core.store_time import TICK_NS, TICKS_A_SECOND, ServerTime, StoreClock

MS = 10**6
S = 10**9


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong on the way between nodes and store."""

    lost: float = 0.0
    doubled: float = 0.0
    slowest_ns: int = 2 * MS
    partition: bool = False
    crash: bool = False


class LeaseRun(msgspec.Struct, frozen=True, kw_only=True):
    """A simulation of nodes with leases."""

    spent: tuple[tuple[int, int], ...]
    """(when, how much), in true time."""
    calls: tuple[int, ...]
    """By node."""
    worst: float
    """The fullest window of all lengths looked at, over the theorem's bound."""


class Holder(Protocol):
    """What a node decides with: `core.lease.Lease`, or what somebody else wrote in its place."""

    answered: bool
    ends_ns: int

    def spend(self, now_ns: int, cost: int) -> bool:
        """Take `cost` of what is held, if it still holds."""
        ...

    def may_call(self, now_ns: int) -> bool:
        """Whether the store may be asked for more."""
        ...

    def call(self, now_ns: int) -> int:
        """Begin a call: how many tokens to ask for."""
        ...

    def granted(self, sent_ns: int, now_ns: int, tokens: int, wait_ns: int, since: int = 0) -> tuple[int, int]:
        """The store's answer to the call of `sent_ns`: what goes back, and the tick of its grant."""
        ...

    def rest(self) -> tuple[int, int]:
        """Let go of what is held."""
        ...


def leases(
    limit: Limit, *, seed: int, nodes: int, hold_ns: int, span_ns: int, offered_a_s: float | Sequence[float],
    faults: Faults, make: Callable[[int, int], Holder] = Lease,
) -> LeaseRun:  # fmt: skip
    """Nodes that press on one limit by leases, while messages are lost, doubled and late, and nodes die.

    `offered_a_s` is what each node is asked for in a second: one figure, or one a node.
    """
    world = Simulation(seed)
    network = Network(world, most_ns=faults.slowest_ns, lost=faults.lost, doubled=faults.doubled)
    store = _GrantingStore(world, limit)
    crowd = [_LeasingNode(world, network, store, limit, hold_ns, f"node {number}", make) for number in range(nodes)]
    offered = [offered_a_s] * nodes if isinstance(offered_a_s, int | float) else offered_a_s
    for node, a_s in zip(crowd, offered, strict=True):
        world.every(max(1, round(S / a_s)), node.request, until_ns=span_ns)
    if faults.partition:
        world.at(span_ns // 3, lambda: network.cut(crowd[0].name))
        world.at(span_ns * 2 // 3, lambda: network.heal(crowd[0].name))
    if faults.crash:
        world.every(span_ns // 4, crowd[-1].crash, until_ns=span_ns)
    world.run(span_ns)
    spent = tuple(sorted(event for node in crowd for event in node.spent))
    return LeaseRun(spent=spent, calls=tuple(node.calls for node in crowd), worst=worst_of(spent, limit, hold_ns))


def worst_of(spent: Sequence[tuple[int, int]], limit: Limit, hold_ns: int) -> float:
    """The fullest window over the theorem's L·(W + H) + b, for windows from H/4 to the whole span."""
    span_ns = spent[-1][0] - spent[0][0] + 1 if spent else 1
    worst, window_ns = 0.0, max(1, hold_ns // 4)
    while window_ns <= 2 * span_ns:
        most = bound(limit.count, limit.period_ns, limit.most, window_ns, hold_ns)
        worst = max(worst, fullest_window(spent, window_ns) / most)
        window_ns *= 2
    return worst


def fullest_window(events: Sequence[tuple[int, int]], window_ns: int) -> int:
    """The most that any half-open window of this length holds; events in order of time. O(n)."""
    most = inside = start = 0
    for when, much in events:
        inside += much
        while events[start][0] <= when - window_ns:
            inside -= events[start][1]
            start += 1
        most = max(most, inside)
    return most


class _GrantingStore:
    def __init__(self, world: Simulation, limit: Limit) -> None:
        self._world = world
        self._rule: Rule = compiled(limit)
        self._rate = limit.count, limit.period_ns
        self._state: State = self._rule.empty

    def grant(self, want: int) -> tuple[int, int]:
        """How much is granted, and the wait."""
        self._state, granted, wait_ns = take(self._rule, self._state, self._world.now_ns, want)
        return granted, wait_ns

    def take_back(self, tokens: int, since_ns: int) -> None:
        """What a node did not spend."""
        self._state = give_back(self._rule, self._state, self._world.now_ns, tokens, since_ns, self._rate)


class _LeasingNode:
    def __init__(
        self, world: Simulation, network: Network, store: _GrantingStore, limit: Limit, hold_ns: int, name: str,
        make: Callable[[int, int], Holder],
    ) -> None:  # fmt: skip
        self._world = world
        self._network = network
        self._store = store
        self._most = limit.most
        self._hold_ns = hold_ns
        self._clock = WrongClock(world, skew_ns=world.random.randint(-2 * S, 2 * S), drift=1e-5)
        self._make = make
        self._lease = make(hold_ns, limit.most)
        self.name = name
        self.spent: list[tuple[int, int]] = []
        self.calls = 0
        self._waiting = 0

    def request(self) -> None:
        """Somebody asks."""
        now_ns = self._clock.monotonic_ns()
        if self._lease.spend(now_ns, 1):
            self.spent.append((self._world.now_ns, 1))
        elif self._lease.may_call(now_ns):
            self._waiting = 1
            self._call(now_ns)
        elif not self._lease.answered:
            self._waiting += 1

    def crash(self) -> None:
        """The process dies with what it holds, and starts anew."""
        self._lease = self._make(self._hold_ns, self._most)

    def _call(self, sent_ns: int) -> None:
        lease, want = self._lease, self._lease.call(sent_ns)
        self.calls += 1

        def ask() -> None:
            granted, wait_ns = self._store.grant(want)
            since_ns = self._world.now_ns
            self._network.send("store", self.name, lambda: answer(granted, wait_ns, since_ns))

        def answer(granted: int, wait_ns: int, since_ns: int) -> None:
            now_ns = self._clock.monotonic_ns()
            self._give_back(lease.granted(sent_ns, now_ns, granted, wait_ns, since_ns))
            self._world.at(max(1, lease.ends_ns - now_ns), lambda: self._end(lease))
            waiting, self._waiting = self._waiting, 0
            for _ in range(waiting):
                if self._lease.spend(self._clock.monotonic_ns(), 1):
                    self.spent.append((self._world.now_ns, 1))

        self._network.send(self.name, "store", ask)

    def _end(self, lease: Holder) -> None:
        if lease is self._lease and self._clock.monotonic_ns() >= lease.ends_ns:
            self._give_back(lease.rest())

    def _give_back(self, over: tuple[int, int]) -> None:
        if over[0]:
            self._network.send(self.name, "store", lambda: self._store.take_back(*over), once=True)


class SkewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A simulation of nodes and a store whose clocks are wrong."""

    worst_window: float
    """The fullest true window over the limit."""
    least_minute: float
    """The least that any whole minute admitted, over what the limit allows a minute."""
    share: float
    """The largest deviation of a node's part from an equal one."""


def skewed(
    limit: Limit, *, seed: int, skews_ns: Sequence[int], steps_ns: Sequence[int], minutes: int, offered_a_s: float
) -> SkewRun:
    """Nodes with these skews at one store, whose own clock steps so often, evenly spread over the time."""
    world = Simulation(seed)
    network = Network(world)
    server = WrongClock(world, skew_ns=1_700_000_000 * S)
    store = _DecidingStore(world, server, limit)
    crowd = [_AskingNode(world, network, store, WrongClock(world, skew_ns=skew)) for skew in skews_ns]
    span_ns = minutes * 60 * S
    for number, step_ns in enumerate(steps_ns, start=1):
        world.at(span_ns * number // (len(steps_ns) + 1), lambda step_ns=step_ns: server.step(step_ns))  # type: ignore[misc]
    for node in crowd:
        node.offer(offered_a_s, span_ns)
    world.run(span_ns)
    admitted = sorted((when, 1) for node in crowd for when in node.admitted)
    minute = [0] * minutes
    for when, _ in admitted:
        minute[when // (60 * S)] += 1
    equal = len(admitted) / len(crowd)
    return SkewRun(
        worst_window=fullest_window(admitted, limit.period_ns) / limit.count,
        least_minute=min(minute[1:]) * limit.period_ns / (limit.count * 60 * S),
        share=max(abs(len(node.admitted) - equal) for node in crowd) / equal,
    )


class _DecidingStore:
    def __init__(self, world: Simulation, clock: WrongClock, limit: Limit) -> None:
        self._world = world
        self._wall = clock
        self._clock = StoreClock()
        self._rule = compiled(limit, TICKS_A_SECOND)
        self._state: State = self._rule.empty

    def decide(self, bounds: tuple[int, int]) -> tuple[bool, int]:
        """Whether one is admitted, and the store's time."""
        now = self._clock.read(self._wall.wall_ns() // TICK_NS, bounds)
        self._state, allowed, *_ = self._rule.step(self._state, now, 1)
        return allowed, now


class _AskingNode:
    def __init__(self, world: Simulation, network: Network, store: _DecidingStore, clock: WrongClock) -> None:
        self._world = world
        self._network = network
        self._store = store
        self._clock = clock
        self._time = ServerTime(0.04)
        self.admitted: list[int] = []

    def offer(self, offered_a_s: float, until_ns: int) -> None:
        """Ask at random times, so often a second."""

        def ask() -> None:
            if self._world.now_ns < until_ns:
                self._request()
                self._world.at(round(self._world.random.expovariate(offered_a_s) * S), ask)

        ask()

    def _request(self) -> None:
        sent_ns = self._clock.monotonic_ns()
        bounds = self._time.bounds(sent_ns)

        def at_store() -> None:
            allowed, ticks = self._store.decide(bounds)
            if allowed:
                self.admitted.append(self._world.now_ns)
            self._network.send(
                "store", "node", lambda: self._time.told(ticks, "", sent_ns, self._clock.monotonic_ns())
            )

        self._network.send("node", "store", at_store)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one kind."""

    name: str
    priority: int
    tenants: int
    rate: float


class Spike(msgspec.Struct, frozen=True, kw_only=True):
    """When a stream comes so many times as often."""

    stream: str
    times: float
    from_s: float
    to_s: float


class Slow(msgspec.Struct, frozen=True, kw_only=True):
    """When a request takes so many times as long."""

    times: float
    from_s: float
    to_s: float


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server, and what comes to it."""

    says: str
    workers: int
    mean_ms: float
    sigma: float
    deadline_ms: float
    seconds: float
    streams: tuple[Stream, ...]
    spike: Spike | None = None
    slow: Slow | None = None


class Shed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests of one policy in one scenario."""

    success: dict[str, float]
    """By stream, the part answered in time while it was busiest."""
    p99_ms: dict[str, float]
    """By stream, of what was answered while it was busiest."""
    unloaded_p99_ms: float
    recovery_s: float
    """After the spike, until the last second in which the most important stream was worse than unloaded."""
    fairness: float
    """Jain's index over the tenants of the most important priority."""
    served: int


POLICIES = ("none", "aimd", "vegas", "gradient2", "ours")


def scenarios() -> dict[str, Scenario]:
    """The frozen scenarios of load shedding."""
    text = resources.files("reelwright.limits.core").joinpath("shed_scenarios.yaml").read_text("utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, Scenario])


def shed(scenario: Scenario, policy: str, *, seed: int) -> Shed:
    """One policy in one scenario."""
    world = Simulation(seed)
    server = _Server(world, scenario, policy)
    for stream in scenario.streams:
        server.offer(stream)
    world.run(round(scenario.seconds * S) + 5 * S)
    return server.told()


class _Call:
    __slots__ = ("at_ns", "begun_ns", "done_ns", "stream", "tenant")

    def __init__(self, at_ns: int, stream: Stream, tenant: int) -> None:
        self.at_ns = at_ns
        self.stream = stream
        self.tenant = tenant
        self.begun_ns = 0
        self.done_ns = 0


class _Server:
    """Workers behind a policy."""

    def __init__(self, world: Simulation, scenario: Scenario, policy: str) -> None:
        self._world = world
        self._scenario = scenario
        self._free = scenario.workers
        self._inside: deque[_Call] = deque()
        self._calls: list[_Call] = []
        self._gate = Gate(priorities=2) if policy == "ours" else None
        self._peer = _Peer(policy)
        # of a log-normal with this mean
        self._mu = math.log(scenario.mean_ms * MS) - scenario.sigma**2 / 2

    def offer(self, stream: Stream) -> None:
        """Let requests come, at random times."""
        dice, spike = self._world.random, self._scenario.spike
        end_ns = round(self._scenario.seconds * S)

        def arrive() -> None:
            if self._world.now_ns >= end_ns:
                return
            self._enter(_Call(self._world.now_ns, stream, dice.randrange(stream.tenants)))
            rate, now_s = stream.rate, self._world.now_ns / S
            if spike and spike.stream == stream.name and spike.from_s <= now_s < spike.to_s:
                rate *= spike.times
            self._world.at(round(dice.expovariate(rate) * S), arrive)

        arrive()

    def _enter(self, call: _Call) -> None:
        self._calls.append(call)
        if self._gate is None:
            if self._peer.admits():
                self._begin(call)
            return
        tenant = f"{call.stream.name} {call.tenant}"
        entry, _ = self._gate.enter(self._world.now_ns, priority=call.stream.priority, tenant=tenant, item=call)
        if entry == "begins":
            self._begin(call)

    def _begin(self, call: _Call) -> None:
        call.begun_ns = self._world.now_ns
        if self._free:
            self._work(call)
        else:
            self._inside.append(call)

    def _work(self, call: _Call) -> None:
        self._free -= 1
        took_ns = self._world.random.lognormvariate(self._mu, self._scenario.sigma)
        slow, now_s = self._scenario.slow, self._world.now_ns / S
        if slow and slow.from_s <= now_s < slow.to_s:
            took_ns *= slow.times
        self._world.at(round(took_ns), lambda: self._done(call))

    def _done(self, call: _Call) -> None:
        now_ns = self._world.now_ns
        call.done_ns = now_ns
        self._free += 1
        if self._inside:
            self._work(self._inside.popleft())
        rtt_ns = now_ns - call.begun_ns
        late = now_ns - call.at_ns > self._scenario.deadline_ms * MS
        if self._gate is None:
            self._peer.ended(now_ns, rtt_ns, late)
            return
        begins, _ = self._gate.leave(now_ns, rtt_ns=rtt_ns, dropped=late)
        for one in begins:
            self._begin(one)

    def told(self) -> Shed:
        """What became of them."""
        scenario = self._scenario
        spike = scenario.spike
        from_s, to_s = (spike.from_s, spike.to_s) if spike else (5.0, scenario.seconds)
        busy = [call for call in self._calls if from_s <= call.at_ns / S < to_s]
        names = [stream.name for stream in scenario.streams]
        by_stream = {name: [call for call in busy if call.stream.name == name] for name in names}
        return Shed(
            success={name: _part(calls, self._in_time) for name, calls in by_stream.items()},
            p99_ms={name: _p99_ms([c for c in calls if c.done_ns]) for name, calls in by_stream.items()},
            unloaded_p99_ms=self._unloaded_p99_ms(),
            recovery_s=self._recovery_s(to_s) if spike else 0.0,
            fairness=self._fairness(busy),
            served=sum(1 for call in self._calls if self._in_time(call)),
        )

    def _in_time(self, call: _Call) -> bool:
        return bool(call.done_ns) and call.done_ns - call.at_ns <= self._scenario.deadline_ms * MS

    def _unloaded_p99_ms(self) -> float:
        return math.exp(self._mu + 2.326347874 * self._scenario.sigma) / MS

    def _recovery_s(self, spike_ends_s: float) -> float:
        worst, first = 0.0, self._scenario.streams[0].name
        after = [c for c in self._calls if c.stream.name == first and c.at_ns / S >= spike_ends_s]
        for second in range(int(self._scenario.seconds - spike_ends_s)):
            calls = [c for c in after if second <= c.at_ns / S - spike_ends_s < second + 1]
            good = _part(calls, self._in_time) >= 0.999 and _p99_ms([c for c in calls if c.done_ns]) <= (
                2 * self._unloaded_p99_ms()
            )
            worst = worst if good else second + 1.0
        return worst

    def _fairness(self, busy: list[_Call]) -> float:
        served: dict[str, int] = {}
        for call in busy:
            if call.stream.priority == 0:
                tenant = f"{call.stream.name} {call.tenant}"
                served[tenant] = served.get(tenant, 0) + self._in_time(call)
        return jain(list(served.values()))


class _Peer:
    """A concurrency limit without priorities, or none at all."""

    def __init__(self, policy: str) -> None:
        made = {"aimd": Aimd, "vegas": Vegas, "gradient2": Gradient2}
        if policy not in POLICIES:
            raise Invalid(f"a policy is one of {', '.join(POLICIES)}, got {policy!r}")
        self._limit: Aimd | Vegas | Gradient2 | None = made[policy]() if policy in made else None
        self._inflight = self._busiest = 0
        self._window_ns = 0
        self._rtts: list[int] = []
        self._dropped = False

    def admits(self) -> bool:
        """Whether one more may begin."""
        if self._limit is not None and self._inflight >= self._limit.limit:
            return False
        self._inflight += 1
        self._busiest = max(self._busiest, self._inflight)
        return True

    def ended(self, now_ns: int, rtt_ns: int, dropped: bool) -> None:
        """One has ended."""
        if isinstance(self._limit, Aimd):
            self._limit = self._limit.sample(Seen(rtt_ns, self._inflight, dropped))
        elif self._limit is not None:
            self._rtts.append(rtt_ns)
            self._dropped = self._dropped or dropped
            if now_ns - self._window_ns >= WINDOW_NS and len(self._rtts) >= WINDOW_LEAST:
                self._limit = self._limit.sample(Seen(average_rtt(self._rtts), self._busiest, self._dropped))
                self._window_ns, self._rtts, self._dropped, self._busiest = now_ns, [], False, self._inflight
        self._inflight -= 1


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index: 1 where all get the same, 1/n where one gets all."""
    most = max(shares, default=0.0)
    if not most:
        return 1.0
    parts = [share / most for share in shares]  # whose squares are numbers, however small or large the shares are
    return sum(parts) ** 2 / (len(parts) * sum(part * part for part in parts))


def _part(calls: Sequence[_Call], good: Callable[[_Call], bool]) -> float:
    return sum(1 for call in calls if good(call)) / len(calls) if calls else 1.0


def _p99_ms(calls: Sequence[_Call]) -> float:
    times = sorted(call.done_ns - call.at_ns for call in calls)
    return times[len(times) * 99 // 100] / MS if times else 0.0


class Request(msgspec.Struct, frozen=True):
    """One recorded request."""

    at_s: float
    key: str
    cost: int = 1


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What limits would have done."""

    requests: int
    admitted: int
    denied: int
    by_limit: dict[str, int]
    """Requests that each limit would have denied."""
    worst_keys: tuple[tuple[str, int], ...]
    """Whose requests would have been denied most often."""
    slices: tuple[Slice, ...] = ()
    """The same by parts of the time, where these were asked for."""


def try_limits(limits: Sequence[Limit], trace: Iterable[Request], *, slices: int = 0, slice_s: float = 60.0) -> Tried:
    """Run `limits` over recorded traffic, by its own times; also told in `slices` parts of `slice_s` from 0 s on.

    Raises Invalid where times go back.
    """
    rules = [compiled(limit) for limit in limits]
    states: dict[str, list[State]] = {}
    by_limit, by_key = {limit.name: 0 for limit in limits}, dict[str, int]()
    requests = admitted = 0
    last_ns = 0
    parts = [[0, 0] for _ in range(slices)]
    for request in trace:
        now_ns = round(request.at_s * S)
        if now_ns < last_ns:
            raise Invalid(f"a trace is in order of time; {request.at_s} s comes after {last_ns / S} s")
        last_ns, requests = now_ns, requests + 1
        state = states.setdefault(request.key, [rule.empty for rule in rules])
        stepped = [rule.step(one, now_ns, request.cost) for rule, one in zip(rules, state, strict=True)]
        passes = all(one[1] for one in stepped)
        if parts:
            parts[min(slices - 1, int(request.at_s / slice_s))][not passes] += 1
        if passes:
            admitted += 1
            states[request.key] = [one[0] for one in stepped]
            continue
        by_key[request.key] = by_key.get(request.key, 0) + 1
        for limit, one in zip(limits, stepped, strict=True):
            by_limit[limit.name] += not one[1]
    worst = tuple(sorted(by_key.items(), key=lambda item: (-item[1], item[0]))[:20])
    return Tried(
        requests=requests,
        admitted=admitted,
        denied=requests - admitted,
        by_limit=by_limit,
        worst_keys=worst,
        slices=tuple(Slice(*part) for part in parts),
    )
