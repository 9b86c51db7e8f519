"""`reelwright events`: read the log."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from reelwright.events.adapters.wal import read_log
from reelwright.events.core.frame import START
from reelwright.kernel.settings import ServiceSettings, require_kept

END = (1 << 62, 0)

app = typer.Typer(help="The event log.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """The event log."""


@app.command()
def show(
    data: Annotated[Path, typer.Option(help="The service's data folder.")] = Path("reelwright-data"),
    failed: Annotated[bool, typer.Option(help="Instead, what was refused, with the reason.")] = False,
    last: Annotated[int, typer.Option(help="How many of the newest events.")] = 20,
) -> None:
    """Print the newest events as JSON lines, from the logs of every process that wrote here."""
    require_kept(ServiceSettings(data=str(data)))
    rows: list[dict[str, Any]] = []
    for folder in sorted((data / "events").glob("*")):
        if folder.name.endswith("-failed") is failed:
            newest: deque[dict[str, Any]] = deque(maxlen=last)
            for _, payload in read_log(folder, START, END):
                batch = msgspec.json.decode(payload)
                newest.extend({**batch, **event} for event in batch.pop("events"))
            rows.extend(newest)
    for row in sorted(rows, key=lambda row: int(row["received_ms"]))[-last:]:
        typer.echo(msgspec.json.encode(row).decode())
