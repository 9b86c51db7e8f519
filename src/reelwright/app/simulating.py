"""`reelwright experiments simulate`: it stands above experiments, for it drives every system that decides."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from reelwright.experiments.cli import lines_of
from reelwright.kernel.errors import NotFound
from reelwright.kernel.terminal import console

if TYPE_CHECKING:
    from reelwright.simulate.core.loop import Outcome


def simulate_experiments(
    scenario: Annotated[str, typer.Argument(help="quiet, or harm.")] = "quiet",
    viewers: Annotated[int | None, typer.Option(min=2, max=100_000, help="Another number of viewers.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=365, help="Another number of days.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed; the same gives the same figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try the product's own experiments on a simulated audience: networks, regions, faults, the real decisions."""
    from reelwright.simulate.core.loop import run
    from reelwright.simulate.core.scenarios import SCENARIOS

    known = SCENARIOS.get(scenario)
    if known is None:
        raise NotFound(f"no scenario {scenario[:60]!r}; there are {', '.join(SCENARIOS)}")
    asked = {"viewers": viewers, "days": days, "seed": seed}
    changed = msgspec.structs.replace(known, **{name: value for name, value in asked.items() if value is not None})
    began = time.perf_counter()
    outcome = run(changed)
    if as_json:
        told = {"plays": outcome.plays, "events": outcome.events, "stopped": outcome.stopped}
        print(json.dumps({"scenario": changed.key, **told, "cards": msgspec.to_builtins(outcome.cards)}))
        return
    _print(outcome, time.perf_counter() - began)


def _print(outcome: Outcome, took_s: float) -> None:
    scenario = outcome.scenario
    console.print(f"{scenario.key}: {scenario.says}")
    console.print(
        f"{scenario.viewers} viewers, {scenario.days} days, seed {scenario.seed}: "
        f"{outcome.plays:,} plays in {took_s:.1f} s. Simulated; it predicts no real audience.",
        highlight=False,
    )
    for card in outcome.cards:
        ended = outcome.stopped.get(card.experiment)
        when = "" if ended is None else f" Stopped by a guardrail after day {ended + 1}."
        console.print(f"\n{card.experiment}: {card.verdict}{when}")
        console.print(lines_of(card))
