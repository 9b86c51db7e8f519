"""Lab: one limit over many nodes by leases, while clocks differ, messages are lost or doubled, nodes are cut off."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import msgspec

from reelwright.limits.contract import Limit
from reelwright.limits.core.lease import Lease
from reelwright.limits.replay import MS, Faults, LeaseRun, S, leases
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, flag, own, whole

LIMIT = Limit(name="all nodes together", count=160, period_ns=S, burst=160)
NODES, HOLD_NS, SPAN_NS = 5, 800 * MS, 5 * S
OFFERED_A_S = (150.0, 60.0, 20.0, 5.0, 3.0)
"""A crowd at one node, hardly anybody at another."""
SKEW_NS = 2**50
"""A monotonic clock begins anywhere."""
MOST_CALLS, MOST_UNUSED = 0.1, 0.6
TROUBLES = {
    "a quiet network": Faults(slowest_ns=20 * MS),
    "messages lost, doubled and late": Faults(lost=0.1, doubled=0.3, slowest_ns=150 * MS),
    "a node cut off for two seconds": Faults(slowest_ns=20 * MS, partition=True),
    "a node that dies and comes back": Faults(slowest_ns=60 * MS, doubled=0.1, crash=True),
}
BRIEF = """\
Write `class Lease`, the very class with which a node of the service spends a limit that it shares with others:
`__init__(self, hold_ns, most)`, `spend(self, now_ns, cost)`, `may_call(self, now_ns)`, `call(self, now_ns)`,
`granted(self, sent_ns, now_ns, tokens, wait_ns)`.

`spend` says whether a request passes. Where it does not, `may_call` says whether the store may be asked, and `call`
returns how many tokens to ask for (1 to `most`). The answer comes to `granted` with the time of its call, now, how
many tokens there are and, where there are none, how long to wait; it may be late, come twice or never. `now_ns` is
the node's own monotonic clock, which begins anywhere: none knows another's. A token is good for
`hold_ns` from the time at which it was asked for, not from when it came.

It passes when in four kinds of trouble no request passes without a token that is good and not yet spent, the store is
asked at most 0.1 times a request, and at most 60 % of what the limit allows goes unused.
"""


class Unbacked(msgspec.Struct, frozen=True):
    """A request that passed without a token."""

    when_ns: int
    node: str
    why: str


class Watched:
    """A lease whose spending is held against the grants that arrived: each token once, and only while it is good."""

    def __init__(self, remote: Remote, name: str, hold_ns: int, ahead_ns: int) -> None:
        self._remote, self._name, self._hold_ns = remote, name, hold_ns
        self._ahead_ns = ahead_ns
        """By which this node's clock differs from the first one's."""
        self._grants: list[list[int]] = []
        """[good until, tokens left], in the order of their calls."""
        self._known: set[int] = set()
        self._sent_ns: int | None = None
        self.answered = True
        self.ends_ns = 0
        self.spent = 0
        self.unbacked: list[Unbacked] = []

    def spend(self, now_ns: int, cost: int) -> bool:
        """Let the person's code decide, then find the token."""
        if not flag(self._remote.call("spend", now_ns + self._ahead_ns, cost), "spend"):
            return False
        self.spent += cost
        grant = next((one for one in self._grants if now_ns < one[0] and one[1] >= cost), None)
        if grant is not None:
            grant[1] -= cost
        else:
            late = any(one[1] >= cost for one in self._grants)
            self.unbacked.append(Unbacked(now_ns, self._name, "its tokens had ended" if late else "it held no token"))
        return True

    def may_call(self, now_ns: int) -> bool:
        """Whether the store may be asked."""
        return flag(self._remote.call("may_call", now_ns + self._ahead_ns), "may_call")

    def call(self, now_ns: int) -> int:
        """How many to ask for."""
        self._sent_ns, self.answered = now_ns, False
        return whole(self._remote.call("call", now_ns + self._ahead_ns), "call", least=1, most=LIMIT.most)

    def granted(self, sent_ns: int, now_ns: int, tokens: int, wait_ns: int, since: int = 0) -> tuple[int, int]:  # noqa: ARG002
        """An answer of the store, also one that comes twice or late; giving back is not part of the lab."""
        if sent_ns not in self._known:
            self._known.add(sent_ns)
            self._grants.append([sent_ns + self._hold_ns, tokens])
        self.answered = self.answered or sent_ns == self._sent_ns
        ahead = self._ahead_ns
        self._remote.call("granted", sent_ns + ahead, now_ns + ahead, tokens, wait_ns)
        self.ends_ns = sent_ns + self._hold_ns
        return 0, 0

    def rest(self) -> tuple[int, int]:
        """Nothing goes back."""
        return 0, 0


def judge(decider: Decider, seed: int) -> Judged:
    """The simulation that our own leases are measured in, in each kind of trouble."""
    wrong, reason, picture = 0, "", ""
    most_calls = most_unused = 0.0
    for trouble, faults in TROUBLES.items():
        watched: list[Watched] = []
        run = leases(
            LIMIT, seed=seed, nodes=NODES, hold_ns=HOLD_NS, span_ns=SPAN_NS, offered_a_s=OFFERED_A_S, faults=faults,
            make=_maker(decider, f"{trouble}|{seed}", watched),
        )  # fmt: skip
        calls = sum(run.calls) / (sum(OFFERED_A_S) * SPAN_NS / S)
        unused = max(0.0, 1 - len(run.spent) / (LIMIT.count * SPAN_NS / S + LIMIT.most))
        bad = [one for lease in watched for one in lease.unbacked]
        wrong += len(bad)
        most_calls, most_unused = max(most_calls, calls), max(most_unused, unused)
        told = _tell(bad, calls, unused, run)
        if told and not reason:
            reason, picture = f"{trouble}: {told}", _draw(run, bad, trouble)
    return Judged(
        passed=not reason, reason=reason, picture=picture,
        measures={"unbacked": float(wrong), "calls_per_request": most_calls, "unused_share": most_unused},
    )  # fmt: skip


def _maker(decider: Decider, trouble: str, watched: list[Watched]) -> Callable[[int, int], Watched]:
    numbers = count()
    chance = Random(f"distributed-limiter|{trouble}")  # noqa: S311 (repeatable, not secret)

    def make(hold_ns: int, most: int) -> Watched:
        name = f"lease {next(numbers)}"
        remote = Remote(decider, f"{trouble}, {name}", "Lease", hold_ns, most)
        watched.append(Watched(remote, name, hold_ns, chance.randrange(SKEW_NS)))
        return watched[-1]

    return make


def _tell(bad: list[Unbacked], calls: float, unused: float, run: LeaseRun) -> str:
    if bad:
        first = min(bad, key=lambda one: one.when_ns)
        return (
            f"{len(bad)} of {len(run.spent)} requests passed without a good token; the first at "
            f"{first.when_ns / MS:.1f} ms on its node's clock ({first.node}): {first.why}"
        )
    if calls > MOST_CALLS:
        return f"the store was asked {calls:.3f} times a request, more than {MOST_CALLS}"
    return f"{unused:.0%} of the limit went unused, more than {MOST_UNUSED:.0%}" if unused > MOST_UNUSED else ""


def _draw(run: LeaseRun, bad: list[Unbacked], trouble: str) -> str:
    """What passed in each tenth of a second against the limit, and when requests passed without a token."""
    bins = [0] * 80
    for when, much in run.spent:
        bins[min(79, when * 80 // SPAN_NS)] += much
    top = max(*bins, 1)
    fair = LIMIT.count * SPAN_NS / S / 80
    bars = "".join(
        f'<rect class="batch" x="{20 + 7 * at:.1f}" y="{150 - 120 * one / top:.1f}" width="6" '
        f'height="{120 * one / top:.1f}"/>'
        for at, one in enumerate(bins)
    )
    marks = "".join(
        f'<circle class="wrong" cx="{20 + 558 * min(1.0, one.when_ns / SPAN_NS):.1f}" cy="164" r="4"/>'
        for one in bad[:200]
    )
    line = 150 - 120 * min(1.0, fair / top)
    return picture(
        f"{trouble}: what passed in each tenth of a second, the limit as a line, and below it what passed "
        "without a token",
        f'{bars}<path class="axis" d="M20 {line:.1f}H580"/>{marks}',
        height=180,
        across=f"{SPAN_NS / S:g} s",
        up=f"requests in a tenth of a second, up to {top}",
        key={"batch": "passed", "axis": "the limit", "wrong": "passed without a token"},
    )


class PerRequest:
    """The textbook's central counter: every request asks the store."""

    def __init__(self, hold_ns: int, _most: int) -> None:
        self._hold_ns = hold_ns
        self._tokens = self._ends_ns = 0
        self._known: set[int] = set()

    def spend(self, now_ns: int, cost: int) -> bool:
        """Take the token that came."""
        if self._tokens < cost or now_ns >= self._ends_ns:
            return False
        self._tokens -= cost
        return True

    def may_call(self, _now_ns: int) -> bool:
        """Always."""
        return True

    def call(self, _now_ns: int) -> int:
        """One."""
        return 1

    def granted(self, sent_ns: int, _now_ns: int, tokens: int, _wait_ns: int) -> None:
        """Hold it for the request that waits."""
        if sent_ns not in self._known:
            self._known.add(sent_ns)
            self._tokens, self._ends_ns = tokens, sent_ns + self._hold_ns


class EqualShares(PerRequest):
    """The textbook's other way: each node has its part of the limit, and asks nobody."""

    def __init__(self, hold_ns: int, most: int) -> None:
        super().__init__(hold_ns, most)
        self._at_ns: int | None = None
        self._level = most / NODES

    def spend(self, now_ns: int, cost: int) -> bool:
        """A token bucket of a fifth."""
        passed = now_ns - (self._at_ns if self._at_ns is not None else now_ns)
        self._at_ns = now_ns
        self._level = min(LIMIT.most / NODES, self._level + passed * LIMIT.count / NODES / S)
        if self._level < cost:
            return False
        self._level -= cost
        return True

    def may_call(self, _now_ns: int) -> bool:
        """Never."""
        return False


def _policy(kind: Callable[..., Any]) -> Callable[[], Decider]:
    return lambda: own(Lease=kind)


LAB = Lab(
    id="distributed-limiter",
    title="One limit, five nodes, no common clock",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(Lease),
        "textbook, a call for each request": _policy(PerRequest),
        "textbook, equal shares": _policy(EqualShares),
    },
    predicts=Prediction(
        asks="How many times a request will your nodes ask the store, in the worst trouble?",
        measure="calls_per_request",
    ),
    shows=(("scale", 5), ("reliability", 4), ("correctness", 5)),
)
