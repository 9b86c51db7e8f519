"""Load shedding by simulation, beside other policies."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from reelwright.kernel.bench import Row
from reelwright.limits.replay import POLICIES, scenarios, shed


def shed_rows() -> Iterator[Row]:
    """The frozen scenarios in a simulation, beside the same arrivals under other policies."""
    found = {policy: _shed_worst(policy) for policy in POLICIES}
    ours, peers = found["ours"], {name: one for name, one in found.items() if name != "ours"}
    best = max(peers, key=lambda name: peers[name].success)
    told = (
        ("user_initiated", "success of what people wait for in the 12x spike", "success", "", ">=", 0.999),
        ("p99", "p99 of it in the spike / unloaded p99", "p99", "times", "<=", 2.0),
        ("recovery", "until it is as unloaded after the spike", "recovery_s", "s", "<=", 10),
        ("fairness", "Jain's index of tenants, one of whom asks for ten times as much", "fairness", "", ">=", 0.99),
    )
    for row, what, field, unit, op, goal in told:
        note = "; ".join(f"{name} {getattr(one, field):.3f}" for name, one in peers.items())
        yield Row(
            id=f"shed.{row}",
            what=what,
            value=round(getattr(ours, field), 4),
            unit=unit,
            op=op,  # type: ignore[arg-type]
            goal=goal,
            peer=best,
            peer_value=round(getattr(peers[best], field), 4),
            note=f"simulated, the worse of two spikes; {note}",
        )


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """The worst of the scenarios of one policy."""

    success: float
    p99: float
    recovery_s: float
    fairness: float


def _shed_worst(policy: str) -> Worst:
    known = scenarios()
    spikes = [shed(scenario, policy, seed=1) for scenario in known.values() if scenario.spike]
    greedy = shed(known["greedy_tenant"], policy, seed=1)
    return Worst(
        success=min(run.success["play"] for run in spikes),
        p99=max(run.p99_ms["play"] / run.unloaded_p99_ms for run in spikes),
        recovery_s=max(run.recovery_s for run in spikes),
        fairness=greedy.fairness,
    )
