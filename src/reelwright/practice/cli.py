"""`reelwright practice`: a stage in the terminal, and how well the grader agrees with the gold set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
import typer
from rich.console import Console

from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.settings import ServiceSettings, Source, database_url
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.contract import Role, Stage, Track, Turn
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.service import PracticeService

app = typer.Typer(help="Interviews: a stage in the terminal, the grader's agreement.", no_args_is_help=True)
console = Console()
LOCAL = "local"
"""The one person at this machine, as in the pages without an account."""


@app.command()
def start(
    stage: Annotated[Stage, typer.Option(help="Which stage of the loop.")] = "phone",
    role: Annotated[Role, typer.Option(help="senior, staff or senior_staff.")] = "senior",
    track: Annotated[Track, typer.Option(help="Which track chooses the questions.")] = "streaming",
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
) -> None:
    """Start a stage here; each answer ends with an empty line, and is judged and saved at once."""
    settings = Source.open().section("", ServiceSettings, data=str(data) if data else None)
    Path(settings.data).mkdir(parents=True, exist_ok=True)
    database = Database(database_url(settings))
    database.migrate(["reelwright.practice"])
    service = PracticeService(database=database, clock=SystemClock(), questions=load_questions(), grader=RuleGrader())
    anyio.run(_interview, service, stage, role, track)


@app.command()
def calibrate() -> None:
    """Measure the rule grader on the gold set: agreement, coverage, attacks."""
    from reelwright.practice.bench import rows

    for part in ("agreement", "attacks"):
        for row in rows(part):
            met = {True: "[green]met", False: "[red]not met", None: ""}[row.met]
            console.print(f"{row.id}  {row.value:g}  {row.op} {row.goal}  {met}  [dim]{row.note}")


async def _interview(service: PracticeService, stage: Stage, role: Role, track: Track) -> None:
    interview = await service.start(person=LOCAL, stage=stage, role=role, track=track)
    while interview.state != "finished":
        waiting = interview.turns[-1]
        console.print(f"\n{waiting.asks}", style="bold", markup=False, highlight=False)
        text = await anyio.to_thread.run_sync(_read_answer)
        if text is None:
            console.print(f"Saved. Go on with it at /practice/interviews/{interview.id}")
            return
        interview = await service.answer(person=LOCAL, interview_id=interview.id, turn=waiting.number, text=text)
        _tell(interview.turns[waiting.number])
    console.print(f"\nThis stage is finished, after {interview.elapsed_s // 60} minutes.")


def _read_answer() -> str | None:
    """Lines until an empty one; None when the input has ended."""
    lines: list[str] = []
    for line in sys.stdin:
        if not line.strip():
            return "\n".join(lines)
        lines.append(line.rstrip("\n"))
    return "\n".join(lines) if lines else None


def _tell(turn: Turn) -> None:
    for line in turn.feedback:
        sign = {"met": "[green]shown", "unmet": "[red]not found", "not_assessable": "[yellow]cannot be judged"}
        console.print(f"{sign[line.state]}[/] {line.dimension} {line.level}:", end=" ", highlight=False)
        console.print(line.says, markup=False, highlight=False)
        if line.quote:
            console.print(f"   “{line.quote}”", style="dim", markup=False, highlight=False)
        if line.drill:
            console.print(f"   {line.drill}", markup=False, highlight=False)
