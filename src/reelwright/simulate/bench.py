"""`reelwright bench simulate`, and the rows `decides` of `reelwright bench experiments`: what decides faster.

All scenarios are in `core/scenarios.py`; they were written before a figure was seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from reelwright.kernel.bench import Row, measured
from reelwright.simulate.core.designs import canaries, cuped_differences, interleave, population
from reelwright.simulate.core.scenarios import CANARIES, CANARY_LOOKS, POPULATION, RANKERS
from reelwright.simulate.replay import abr


def rows(only: str = "") -> Iterator[Row]:
    """All rows, or those whose id starts with `only`."""
    yield from measured((("decides", decides), ("abr", abr)), only)


def decides() -> Iterator[Row]:
    """Interleaving beside a split test; CUPED beside its theory; canaries beside a test of fixed size."""
    found = interleave()
    yield Row(
        id="decides.interleaving",
        what="viewers that A/B needs / viewers that interleaving needs, 80 % power, the two rankers of the home page",
        value=round(found.split / found.interleaved, 1) if found.agree else 0.0,
        unit="times",
        op=">=",
        goal=20,
        note=f"A/B {found.split:,.0f} viewers, interleaved {found.interleaved:,.0f}; {found.metric} {found.gain:+.2%}"
        f", {found.share:.0%} prefer the better; {RANKERS.viewers} viewers for {RANKERS.days} days simulated",
    )
    days = population()
    differences = cuped_differences(days)
    worst = max(differences, key=lambda name: differences[name])
    yield Row(
        id="decides.cuped",
        what=f"saving of the sample less the theoretical rho², worst of {len(differences)} metrics: {worst}",
        value=round(differences[worst], 4),
        unit="",
        op="<=",
        goal=0.03,
        note=f"one week before, one after, of {POPULATION.viewers} simulated viewers",
    )
    stopped = canaries(days)
    yield Row(
        id="decides.false_stops",
        what=f"A/A canaries stopped at any of {CANARY_LOOKS} looks",
        value=round(stopped.false_stops, 4),
        unit="",
        op="<=",
        goal=0.05,
        note=f"{CANARIES} canaries; of those with +5 % stalls {stopped.stops:.0%} are stopped",
    )
    yield Row(
        id="decides.stop_sessions",
        what="sessions until a canary that adds 5 % stalls is stopped (median) / sessions that 80 % power needs",
        value=round(stopped.stop_sessions / stopped.power_sessions, 3),
        unit="times",
        op="<=",
        goal=1.0,
        note=f"{stopped.stop_sessions:,.0f} and {stopped.power_sessions:,.0f} sessions; {stopped.within:.0%} within",
    )
