"""Lab: which edge serves each session of an evening, beside the cheapest flow that knew all of them before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reelwright.cdn.core.steering import EdgeState, rank
from reelwright.cdn.core.steering_replay import Evening, Priced, Steered, Steering, steer_evening
from reelwright.practice.adapters.sandbox import Bounds
from reelwright.practice.contract import Broken
from reelwright.practice.labs.drawing import picture
from reelwright.practice.labs.lab import Decider, Judged, Lab, Prediction
from reelwright.practice.labs.objects import DRIVER, Remote, own

EVENING = Evening(regions=12, edges=6, sessions=1200, replan=100, drained=True)
EVENINGS, MOST_REGRET = 8, 0.04
BRIEF = """\
Write `class Steering`, what the control plane does: `plan(self, demand_bps, edges)` and
`rank(self, region, edges, bps)`.

`plan` is called before the evening and after every 100 sessions with the demand by region that is expected from now
on (10 % wrong). `rank` is called for each session and returns names of edges, the best first: the session goes there
and stays. An edge has `name`, `capacity_bps`, `load_bps`, `state` (`"ok"`, or `"draining"`: nobody new may go there)
and `costs`, by region what a bit from here costs. All that is wanted is 85 % of what the edges can carry, so that the
cheap ones fill up, and halfway one begins to drain.

It passes when over eight evenings no session goes to an edge that is full or drains, and the evenings cost on average
at most 4 % more than the cheapest flow that knew from the beginning who would come.
"""


class Asked:
    """The person's steering; an answer that is none is told as that."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def plan(self, demand_bps: Mapping[str, float], edges: Sequence[EdgeState]) -> None:
        """Let them plan."""
        self._remote.call("plan", dict(demand_bps), list(edges))

    def rank(self, region: str, edges: Sequence[EdgeState], bps: float) -> Sequence[str]:
        """Their order. Raises Broken."""
        answer = self._remote.call("rank", region, list(edges), bps)
        if not isinstance(answer, list) or not all(isinstance(one, str) for one in answer):
            raise Broken(f"rank returns names of edges, got {str(answer)[:80]}")
        return answer


def judge(decider: Decider, seed: int) -> Judged:
    """Some evenings through the replay that `reelwright bench cdn` measures our own steering with."""
    found = []
    for number in range(EVENINGS):
        asked: Steering = Asked(Remote(decider, f"evening {number}", "Steering"))
        found.append(steer_evening(EVENING, np.random.default_rng([seed, number]), asked))
    regret = sum(one.regret for one in found) / EVENINGS
    wrong = sum(len(one.wrong) for one in found)
    reason = picture = ""
    at = next((number for number, one in enumerate(found) if one.wrong), -1)
    if at >= 0:
        first = found[at].wrong[0]
        reason = (
            f"evening {at + 1}, session {first.session + 1} in {first.region}: sent to {first.edge or 'nobody'}, "
            f"though {first.why}; {wrong} of {EVENINGS * EVENING.sessions:,} sessions went wrong"
        )
    elif regret > MOST_REGRET:
        at = max(range(EVENINGS), key=lambda number: found[number].regret)
        reason = (
            f"{regret:.1%} more than the cheapest flow, more than {MOST_REGRET:.1%}; the dearest was evening "
            f"{at + 1} with {found[at].regret:.1%}"
        )
    if reason:
        picture = _draw(found[at], at + 1)
    return Judged(
        passed=not reason, reason=reason, picture=picture,
        measures={"regret": regret, "worst_regret": max(one.regret for one in found), "went_wrong": float(wrong)},
    )  # fmt: skip


def _draw(one: Steered, evening: int) -> str:
    """How full each edge is at the end, beside the cheapest flow."""
    rows = []
    for at, (name, load) in enumerate(one.loads.items()):
        y = 20 + 26 * at
        kind = "wrong" if any(placed.edge == name for placed in one.wrong) else "allowed"
        rows.append(
            f'<text x="20" y="{y + 12}">{name}</text><rect class="{kind}" x="60" y="{y}" '
            f'width="{480 * min(1.1, load):.1f}" height="8"/><rect class="batch" x="60" y="{y + 9}" '
            f'width="{480 * min(1.1, one.best_loads[name]):.1f}" height="6"/>'
        )
    return picture(
        f"Evening {evening}: how full each edge is at the end, and below it in the cheapest flow; the line is all "
        "of its capacity",
        f'{"".join(rows)}<path class="axis" d="M540 14V176"/>',
        height=180,
        across="share of capacity used",
        key={"allowed": "yours", "wrong": "viewers sent there wrongly", "batch": "cheapest flow", "axis": "full"},
    )


class Nearest:
    """The textbook's: the cheapest edge that has room, as DNS by geography does."""

    def plan(self, demand_bps: Mapping[str, float], edges: Sequence[EdgeState]) -> None:
        """Nothing is planned."""

    def rank(self, region: str, edges: Sequence[EdgeState], bps: float) -> Sequence[str]:
        """By cost alone."""
        return [one.edge.name for one in rank(region, edges, bps=bps)]


class LeastLoaded(Nearest):
    """The textbook's load balancer."""

    def rank(self, region: str, edges: Sequence[EdgeState], bps: float) -> Sequence[str]:  # noqa: ARG002
        """By load alone."""
        return [
            one.name for one in sorted(edges, key=lambda one: (one.state != "ok", one.load_bps / one.capacity_bps))
        ]


def _policy(make: Callable[[], Steering]) -> Callable[[], Decider]:
    return lambda: own(Steering=make)


LAB = Lab(
    id="steering",
    title="Which edge serves whom, when the near ones fill up",
    brief=BRIEF,
    driver=DRIVER,
    judge=judge,
    policies={
        "reelwright": _policy(Priced),
        "textbook, the nearest with room": _policy(Nearest),
        "textbook, the least loaded": _policy(LeastLoaded),
    },
    predicts=Prediction(
        asks="What does the nearest edge with room cost beyond the cheapest flow, as a share (0.1 is 10 %)?",
        measure="regret",
        policy="textbook, the nearest with room",
    ),
    shows=(("design", 5), ("scale", 4), ("reliability", 4)),
    bounds=Bounds(cpu_s=40, wall_s=110),
)
