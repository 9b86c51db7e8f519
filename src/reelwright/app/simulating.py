"""`reelwright experiments simulate`: it stands above experiments, for it drives every system that decides."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from reelwright.kernel.errors import NotFound

if TYPE_CHECKING:
    from reelwright.simulate.core.loop import Outcome

console = Console()


def simulate_experiments(
    scenario: Annotated[str, typer.Argument(help="quiet, or harm.")] = "quiet",
    viewers: Annotated[int, typer.Option(min=2, max=100_000, help="Another number of viewers.")] = 0,
    days: Annotated[int, typer.Option(min=1, max=365, help="Another number of days.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed; the same gives the same figures.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try the product's own experiments on a simulated audience: networks, regions, faults, the real decisions."""
    from reelwright.simulate.core.loop import run
    from reelwright.simulate.core.scenarios import SCENARIOS

    known = SCENARIOS.get(scenario)
    if known is None:
        raise NotFound(f"no scenario {scenario[:60]!r}; there are {', '.join(SCENARIOS)}")
    asked = {"viewers": viewers, "days": days, "seed": seed}
    changed = msgspec.structs.replace(known, **{name: value for name, value in asked.items() if value})
    began = time.perf_counter()
    outcome = run(changed)
    if as_json:
        told = {"plays": outcome.plays, "events": outcome.events, "stopped": outcome.stopped}
        print(json.dumps({"scenario": changed.key, **told, "cards": msgspec.to_builtins(outcome.cards)}))
        return
    _print(outcome, time.perf_counter() - began)


def _print(outcome: Outcome, took_s: float) -> None:
    scenario = outcome.scenario
    console.print(f"{scenario.key}: {scenario.says}", highlight=False)
    console.print(
        f"{scenario.viewers} viewers, {scenario.days} days, seed {scenario.seed}: "
        f"{outcome.plays:,} plays in {took_s:.1f} s. Simulated; it predicts no real audience.",
        highlight=False,
    )
    if not outcome.cards:
        sys.exit(0)
    table = Table("experiment", "metric", "cell", "control", "value", "effect", "interval", "state", box=None)
    for card in outcome.cards:
        for line in card.lines:
            now = line.now
            table.add_row(
                card.experiment,
                line.metric,
                line.cell,
                "–" if line.control is None else f"{line.control:.4g}",
                "–" if line.value is None else f"{line.value:.4g}",
                "–" if now is None else f"{now.estimate:+.1%}",
                "–" if now is None else f"{now.low:+.1%} to {now.high:+.1%}",
                line.state,
            )
    console.print(table)
    for card in outcome.cards:
        ended = outcome.stopped.get(card.experiment)
        when = "" if ended is None else f" Stopped by a guardrail after day {ended + 1}."
        console.print(f"{card.experiment}: {card.verdict}{when}", highlight=False)
