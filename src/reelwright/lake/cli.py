"""`reelwright lake`: look at the tables, and look after them."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import RenderableType
from rich.table import Table as Shown
from rich.text import Text

from reelwright.events.adapters.bus import bus_of, open_reader
from reelwright.events.service import Projections
from reelwright.events.settings import EventsSettings
from reelwright.kernel.clock import SystemClock, utc
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid, MissingExtra
from reelwright.kernel.settings import ServiceSettings, Source, database_url, require_kept
from reelwright.kernel.terminal import console
from reelwright.lake.contract import Answer, Ledger
from reelwright.lake.core.rows import day_number
from reelwright.lake.service import LakeService, is_installed
from reelwright.lake.settings import LakeSettings

if TYPE_CHECKING:
    from reelwright.lake.jobs import Keeper

app = typer.Typer(help="The lake: events as tables.", no_args_is_help=True)
READABLE = 26
"""Characters of a column that have to be seen, where it has so many: an id is one word."""
Data = Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")]


class Place(msgspec.Struct, frozen=True):
    """Where a service keeps its events and tables, as it is configured."""

    data: Path
    bus: str
    settings: LakeSettings
    database: str


def find_place(data: Path | None, **overrides: Any) -> Place:
    """The service of the settings, or the one in `data`; `overrides` are for the section `[lake]`."""
    source = Source.open()
    service = source.section("", ServiceSettings, data=str(data) if data else None)
    folder = Path(service.data).resolve()
    bus = bus_of(source.section("events", EventsSettings), folder / "events")
    if "://" not in bus:  # then the log lies in the folder
        require_kept(service)
    return Place(
        data=folder,
        bus=bus,
        settings=source.section("lake", LakeSettings, **overrides),
        database=database_url(service),
    )


def open_service(data: Path | None, **overrides: Any) -> LakeService:
    """The lake of a service."""
    place = find_place(data, **overrides)
    return LakeService(folder=place.data / "lake", events=place.bus, settings=place.settings, clock=SystemClock())


def shown(answer: Answer, width: int) -> RenderableType:
    """An answer as a table for a terminal of `width` columns; where that is too narrow, one row below the other."""
    rows = [["" if value is None else str(value) for value in row] for row in answer.rows]
    whole = [max(map(len, column)) for column in zip(answer.columns, *rows, strict=True)]
    if sum(min(most, READABLE) + 2 for most in whole) > width:
        return Text("\n\n".join(_record(answer.columns, row) for row in rows) or ", ".join(answer.columns))
    table = Shown(*answer.columns, box=None)
    for row in rows:
        table.add_row(*row)
    return table


def _record(columns: Sequence[str], row: Sequence[str]) -> str:
    widest = max(map(len, columns))
    return "\n".join(f"{name:<{widest}}  {value}" for name, value in zip(columns, row, strict=True))


@app.callback()
def lake() -> None:
    """The lake: events as tables."""


@app.command()
def tables(data: Data = None) -> None:
    """Print every table with its rows, files, days and last commit."""
    table = Shown("table", "rows", "files", "MB", "days", "committed", "what", box=None)
    for found in open_service(data).freshness():
        committed = utc(found.committed_ms * 1_000_000).isoformat(" ", "seconds") if found.committed_ms else "never"
        numbers = (f"{found.rows:,}", f"{found.files}", f"{found.size_bytes / 1e6:.1f}", f"{found.days}")
        table.add_row(found.table, *numbers, committed, found.says)
    console.print(table)


@app.command()
def commit(data: Data = None) -> None:
    """Bring everything that was acknowledged into the tables now; also while a worker does the same."""
    typer.echo(f"{open_keeper(data).commit_all()} events are new in the lake")


@app.command()
def compute(
    data: Data = None,
    first: Annotated[
        str, typer.Option(help="First day to compute anew, as 2026-11-30; none: what has changed.")
    ] = "",
    last: Annotated[str, typer.Option(help="Last day to compute anew; none: the first alone.")] = "",
    engine: Annotated[
        str, typer.Option(help="`duckdb`, or a Spark master such as `local[2]`; none: as configured.")
    ] = "",
) -> None:
    """Compute sessions, quality of experience, popularity, exposures and metric facts."""
    days = range(parse_day(first), parse_day(last or first) + 1) if first else None
    keeper = open_keeper(data, engine=engine or None)
    keeper.commit_all()
    typer.echo(f"{keeper.compute(days)} days were computed")


def parse_day(text: str) -> int:
    """Days since the epoch of a date. Raises Invalid."""
    try:
        return day_number(datetime.date.fromisoformat(text))
    except ValueError as error:
        raise Invalid(f"a day looks like 2026-11-30, got {text!r}") from error


@app.command()
def ledger(
    data: Data = None, hours: Annotated[int, typer.Option(min=1, max=24 * 30, help="How far back.")] = 48
) -> None:
    """Reconcile what devices sent, what was acknowledged and what the lake holds; ends with 1 where that differs."""
    found = asyncio.run(_reconcile(find_place(data), hours))
    table = Shown("hour (UTC)", "source", "received", "acknowledged", "twice", "refused", "in the lake", box=None)
    for one in found.entries:
        counts = (one.received, one.acknowledged, one.duplicate, one.failed, one.stored)
        table.add_row(
            _hour(one.hour),
            f"{one.source}{' (synthetic)' if one.synthetic else ''}",
            *(f"{count:,}" for count in counts),
        )
    console.print(table)
    sent = Shown("made in (UTC)", "devices", "made", "waiting there", "stored", "refused", "missing", box=None)
    for hour in found.sent:
        numbers = (hour.senders, hour.made, hour.waiting, hour.stored, hour.failed, hour.missing)
        sent.add_row(_hour(hour.hour), *(f"{number:,}" for number in numbers))
    console.print(sent)
    for gap in found.gaps:
        console.print(f"{_hour(gap.hour)}: {gap.says}", style="red")
    if found.gaps:
        raise typer.Exit(1)
    console.print("Everything adds up.")


async def _reconcile(place: Place, hours: int) -> Ledger:
    database = Database(place.database)
    try:
        events = Projections(database=database, clock=SystemClock(), intake_bytes=0)
        lake = LakeService(folder=place.data / "lake", events=place.bus, settings=place.settings, clock=SystemClock())
        acknowledged, sent = await events.list_ledger(hours=hours), await events.list_sent(hours=hours)
        return await lake.reconcile(acknowledged, sent, hours=hours)
    finally:
        database.close()


def _hour(hour: int) -> str:
    return utc(hour * 3_600_000_000_000).strftime("%Y-%m-%d %H:%M")


def open_keeper(data: Path | None, **overrides: Any) -> Keeper:
    """What keeps the lake of a service. Raises MissingExtra."""
    if not is_installed():
        raise MissingExtra("lake", "keeping a lake")
    from reelwright.lake.jobs import Keeper

    place = find_place(data, **overrides)
    return Keeper(place.data / "lake", events=open_reader(place.bus), settings=place.settings, clock=SystemClock())
