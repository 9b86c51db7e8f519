"""`reelwright experiments`: what runs, and who would see what, from the terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from reelwright.experiments.adapters.sql import get_configuration
from reelwright.experiments.contract import BUCKETS, Configuration
from reelwright.experiments.core.assign import assign
from reelwright.experiments.core.snapshot import Snapshot
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Invalid

app = typer.Typer(help="Experiments of a service.", no_args_is_help=True)
console = Console()
Data = Annotated[Path, typer.Option(help="The service's data folder.")]
Url = Annotated[str, typer.Option(help="Database URL; empty is the data folder's.")]
HERE = Path("reelwright-data")


@app.callback()
def experiments() -> None:
    """Experiments of a service."""


@app.command("list")
def list_experiments(data: Data = HERE, database: Url = "") -> None:
    """List experiments with their state and their share of their layer."""
    table = Table("experiment", "layer", "state", "share", "cells", "owner", box=None)
    for one in _configuration(data, database).experiments:
        cells = ", ".join(f"{cell.key} {cell.weight:.0%}" for cell in one.cells)
        table.add_row(one.key, one.layer, one.state, f"{one.size / BUCKETS:.2%}", cells, one.owner)
    console.print(table)


@app.command("assign")
def assign_somebody(
    attributes: Annotated[str, typer.Argument(help='Who, as JSON: \'{"profile": "01J…", "country": "DE"}\'.')],
    data: Data = HERE,
    database: Url = "",
) -> None:
    """Say which cell somebody is in, of every running experiment, and why."""
    try:
        given = msgspec.json.decode(attributes, type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise Invalid(f"attributes are a JSON object: {error}") from error
    snapshot = Snapshot(_configuration(data, database), now_ms=int(time.time() * 1000))
    table = Table("experiment", "layer", "cell", "because", box=None)
    for one in assign(snapshot, given):
        table.add_row(one.experiment, one.layer, one.cell or "–", one.reason.name.lower().replace("_", " "))
    console.print(table)


def _configuration(data: Path, database: str) -> Configuration:
    opened = Database(database or f"sqlite:///{data.resolve()}/reelwright.sqlite")
    with opened.reading() as connection:
        return get_configuration(connection)[1]
