"""`reelwright lake`: look at the tables, and look after them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table as Shown

from reelwright.events.adapters.reader import LogReader
from reelwright.kernel.clock import SystemClock, utc
from reelwright.kernel.errors import Invalid, MissingExtra
from reelwright.lake.contract import Answer
from reelwright.lake.core.rows import day_number
from reelwright.lake.service import LakeService, is_installed
from reelwright.lake.settings import LakeSettings

if TYPE_CHECKING:
    from reelwright.lake.jobs import Keeper

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
    typer.echo(f"{open_keeper(data).commit_all()} events are new in the lake")


@app.command()
def compute(
    data: Data = DATA,
    first: Annotated[
        str, typer.Option(help="First day to compute anew, as 2026-11-30; none: what has changed.")
    ] = "",
    last: Annotated[str, typer.Option(help="Last day to compute anew; none: the first alone.")] = "",
    engine: Annotated[str, typer.Option(help="`duckdb`, or a Spark master such as `local[2]`.")] = "duckdb",
) -> None:
    """Compute sessions, quality of experience, popularity, exposures and metric facts."""
    days = range(parse_day(first), parse_day(last or first) + 1) if first else None
    keeper = open_keeper(data, LakeSettings(engine=engine))
    keeper.commit_all()
    typer.echo(f"{keeper.compute(days)} days were computed")


def parse_day(text: str) -> int:
    """Days since the epoch of a date. Raises Invalid."""
    try:
        return day_number(datetime.date.fromisoformat(text))
    except ValueError as error:
        raise Invalid(f"a day looks like 2026-11-30, got {text!r}") from error


def open_keeper(data: Path, settings: LakeSettings | None = None) -> Keeper:
    """What keeps the lake in a data folder."""
    if not is_installed():
        raise MissingExtra("lake", "keeping a lake")
    from reelwright.lake.jobs import Keeper

    folder = data.resolve()
    events = LogReader(folder / "events")
    return Keeper(folder / "lake", events=events, settings=settings or LakeSettings(), clock=SystemClock())
