"""`reelwright add` and `reelwright catalog`: films and titles from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.table import Table

from reelwright.catalog.adapters.sql import list_details
from reelwright.catalog.core.visibility import EVERYTHING_ALWAYS
from reelwright.kernel.database import Database
from reelwright.kernel.settings import DATABASE_FILE, ServiceSettings, Source, database_url, require_kept
from reelwright.kernel.terminal import console

app = typer.Typer(help="Titles of a catalogue.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")]
Url = Annotated[str | None, typer.Option("--database", help="Database URL, unless the settings name it.")]


@app.callback()
def catalog() -> None:
    """Titles of a catalogue."""


@app.command("list")
def list_titles(data: Data = None, database: Url = None) -> None:
    """List titles with the state of what can be played."""

    async def work() -> None:
        settings = Source.open().section("", ServiceSettings, data=str(data) if data else None, database=database)
        require_kept(settings, file=DATABASE_FILE)
        opened = Database(database_url(settings))
        table = Table("title", "year", "rated", "playable", box=None)
        for detail in await opened.read(list_details, EVERYTHING_ALWAYS):
            states = ", ".join(sorted({playable.state for playable in detail.playables}))
            title = detail.title
            rated = "unrated" if title.maturity is None else f"{title.maturity}+"
            table.add_row(title.name, str(title.year or ""), rated, f"{len(detail.playables)} {states}")
        console.print(table)

    anyio.run(work)
