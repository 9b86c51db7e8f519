"""`reelwright cdn`: sign a media URL by hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from reelwright.cdn.contract import sign_folder
from reelwright.kernel.keys import KEYS_FILE, KeyRing

app = typer.Typer(help="The edge: sign media URLs.", no_args_is_help=True)


@app.callback()
def cdn() -> None:
    """The edge: sign media URLs."""


@app.command()
def sign(
    name: Annotated[str, typer.Argument(help="Object name, as assets/ASSET/FILE.")],
    data: Annotated[Path, typer.Option(help="The service's data folder.")] = Path("reelwright-data"),
    seconds: Annotated[int, typer.Option(help="How long the URL is good.")] = 3600,
) -> None:
    """Print a signed path for an object, bound to no viewer."""
    folder = "/".join(name.split("/")[:2])
    keys = KeyRing.open(data / KEYS_FILE)
    typer.echo(sign_folder(keys, folder, expires_s=int(time.time()) + seconds, viewer=None) + name)
