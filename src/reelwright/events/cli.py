"""`reelwright events`: read the log."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from reelwright.events.adapters.bus import bus_of, open_reader
from reelwright.events.core.frame import START
from reelwright.events.settings import EventsSettings
from reelwright.kernel.settings import ServiceSettings, Source, require_kept

app = typer.Typer(help="The event log.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """The event log."""


@app.command()
def show(
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
    failed: Annotated[bool, typer.Option(help="Instead, what was refused, with the reason.")] = False,
    last: Annotated[int, typer.Option(help="How many of the newest events.")] = 20,
) -> None:
    """Print the newest events as JSON lines, from the logs of every process that wrote here, or to the bus."""
    source = Source.open()
    service = source.section("", ServiceSettings, data=str(data) if data else None)
    bus = bus_of(source.section("events", EventsSettings), Path(service.data) / "events")
    if "://" not in bus:  # then the log lies in the folder
        require_kept(service)
    reader = open_reader(bus)
    rows: list[dict[str, Any]] = []
    for name in reader.sources(failed=failed):
        newest: deque[dict[str, Any]] = deque(maxlen=last)
        for _, stored in reader.failed(name, START) if failed else reader.stored(name, START):
            batch = msgspec.json.decode(msgspec.json.encode(stored))
            newest.extend({**batch, **event} for event in batch.pop("events"))
        rows.extend(newest)
    for row in sorted(rows, key=lambda row: int(row["received_ms"]))[-last:]:
        typer.echo(msgspec.json.encode(row).decode())
