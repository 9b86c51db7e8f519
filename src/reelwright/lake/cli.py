"""`reelwright lake`: look at the tables, and look after them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as Shown

from reelwright.kernel.clock import SystemClock, utc
from reelwright.lake.contract import Answer
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings

app = typer.Typer(help="The lake: events as tables.", no_args_is_help=True)
Data = Annotated[Path, typer.Option(help="The service's data folder.")]
DATA = Path("reelwright-data")


def open_service(data: Path, settings: LakeSettings | None = None) -> LakeService:
    """The lake in a data folder."""
    return LakeService(
        folder=data.resolve() / "lake",
        events=data.resolve() / "events",
        settings=settings or LakeSettings(),
        clock=SystemClock(),
    )


def shown(answer: Answer) -> Shown:
    """An answer as a table for a terminal."""
    table = Shown(*answer.columns, box=None)
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


@app.callback()
def lake() -> None:
    """The lake: events as tables."""


@app.command()
def tables(data: Data = DATA) -> None:
    """Print every table with its rows, files, days and last commit."""
    table = Shown("table", "rows", "files", "MB", "days", "committed", "what", box=None)
    for found in open_service(data).freshness():
        committed = utc(found.committed_ms * 1_000_000).isoformat(" ", "seconds") if found.committed_ms else "never"
        numbers = (f"{found.rows:,}", f"{found.files}", f"{found.size_bytes / 1e6:.1f}", f"{found.days}")
        table.add_row(found.table, *numbers, committed, found.says)
    Console().print(table)


@app.command()
def commit(data: Data = DATA) -> None:
    """Bring everything that was acknowledged into the tables now; also while a worker does the same."""
    from reelwright.events.adapters.reader import LogReader
    from reelwright.lake.jobs import Keeper

    folder = data.resolve()
    events = LogReader(folder / "events")
    keeper = Keeper(folder / "lake", events=events, settings=LakeSettings(), clock=SystemClock())
    typer.echo(f"{keeper.commit_all()} events are new in the lake")
