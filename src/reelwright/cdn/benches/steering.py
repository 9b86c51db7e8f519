"""Steering by simulation: what it costs beyond the optimum, and how soon sessions leave an edge that goes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reelwright.cdn.contract import EdgeReport, Viewing
from reelwright.cdn.control import ControlPlane
from reelwright.cdn.core.steering_replay import Evening, Priced, steer_evening
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.bench import Row
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.keys import KeyRing

STEERING_SEEDS = (21, 22, 23)
MOVED_SESSIONS, MOVED_TTL_S, MOVED_SEGMENT_S = 100, 30, 4.0


def steering() -> Iterator[Row]:
    """Sessions steered one by one as they come, beside the cheapest flow that knew all of them before."""
    found = [steer_evening(Evening(), np.random.default_rng(seed), Priced()) for seed in STEERING_SEEDS]
    yield Row(
        id="steering.regret",
        what="cost of sessions steered online beyond the minimum-cost flow's, worst of the seeds",
        value=round(max(one.regret for one in found), 4),
        unit="share",
        op="<=",
        goal=0.02,
        note=f"24 regions, 10 edges, 85 % of capacity wanted, forecast wrong by 10 %, "
        f"planned again after every {Evening().replan} sessions; {len(found)} seeds",
    )
    yield Row(
        id="steering.overloaded",
        what="edges above capacity at any time",
        value=sum(one.overloaded for one in found),
        unit="edges",
        op="==",
        goal=0,
    )


def moved() -> Iterator[Row]:
    """An edge is drained, and one is killed, under sessions that play by their steering documents."""
    with tempfile.TemporaryDirectory() as text:
        found = asyncio.run(_moved(Path(text)))
    yield Row(
        id="steering.moved",
        what="time until no session uses an edge that was drained or killed / (one TTL + one segment), worst",
        value=round(max(found.values()), 3),
        unit="share",
        op="<=",
        goal=1.0,
        note=f"{MOVED_SESSIONS} sessions, 3 edges, the control plane on SQLite, virtual time: a document each "
        f"TTL of {MOVED_TTL_S} s, a segment each {MOVED_SEGMENT_S} s, one that fails is fetched by the next pathway; "
        + ", ".join(f"{name} {value:.2f}" for name, value in found.items()),
    )


async def _moved(folder: Path) -> dict[str, float]:
    found = {}
    for how in ("drain", "kill"):
        database = Database(f"sqlite:///{folder}/{how}.sqlite")
        database.migrate(["reelwright.cdn"])
        clock = VirtualClock()
        settings = CdnSettings(steering_ttl_s=MOVED_TTL_S)
        plane = ControlPlane(database=database, clock=clock, keys=KeyRing.generate(), settings=settings)
        found[how] = await _move(plane, clock, how) / (MOVED_TTL_S + MOVED_SEGMENT_S)
        database.close()
    return found


async def _move(plane: ControlPlane, clock: VirtualClock, how: str) -> float:
    """Seconds until the last segment is asked for at the edge that goes."""
    chance = np.random.default_rng(41)
    costs = {"near": 1.0, "mid": 2.0, "far": 3.0}
    phases = chance.uniform(0, MOVED_TTL_S, MOVED_SESSIONS), chance.uniform(0, MOVED_SEGMENT_S, MOVED_SESSIONS)
    orders: list[list[str]] = [[] for _ in range(MOVED_SESSIONS)]
    last_s, began_s, step_s = 0.0, MOVED_TTL_S + 5.0, 0.5
    steps = int((began_s + 2 * MOVED_TTL_S) / step_s)
    for step in range(steps):
        now_s = step * step_s
        gone = now_s >= began_s
        if gone and now_s - began_s < step_s and how == "drain":
            await plane.drain("near", on=True, by="bench")
        if step % 4 == 0:
            for name, cost in costs.items():
                if not (gone and how == "kill" and name == "near"):
                    report = EdgeReport(boot=name, url=f"http://{name}", capacity_bps=1e12, costs={"*": cost})
                    await plane.report(name, report)
        for number in range(MOVED_SESSIONS):
            if not orders[number] or _due(now_s, phases[0][number], MOVED_TTL_S, step_s):
                current = orders[number][0] if orders[number] else ""
                viewing = Viewing(
                    session_id=f"s{number}", viewer=f"v{number}", folder="assets/a", bps=5e6, address="10.0.0.1",
                    token=f"t{number}", current=current,
                )  # fmt: skip
                orders[number] = [name for name, _ in (await plane.steer(viewing)).edges]
            if gone and _due(now_s, phases[1][number], MOVED_SEGMENT_S, step_s) and orders[number][0] == "near":
                last_s = now_s + step_s - began_s
                if how == "kill":
                    orders[number] = orders[number][1:] or orders[number]
        clock.advance(step_s)
    return last_s


def _due(now_s: float, phase_s: float, every_s: float, step_s: float) -> bool:
    return (now_s - phase_s) % every_s < step_s
