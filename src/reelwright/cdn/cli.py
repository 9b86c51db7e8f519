"""`reelwright cdn`: sign a media URL by hand."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from reelwright.cdn.contract import sign_folder
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.keys import KEYS_FILE, KeyRing

app = typer.Typer(help="The CDN: edges, shields, caches and what they would do.", no_args_is_help=True)


@app.callback()
def cdn() -> None:
    """The CDN: edges, shields, caches and what they would do."""


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


@app.command()
def front(
    origin: Annotated[list[str], typer.Option(help="http(s)://host:port; the next is asked where one is away.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8002,
    name: Annotated[str, typer.Option(help="Name in Cache-Status and CDN-Loop; each tier needs its own.")] = "edge",
    memory_mb: Annotated[int, typer.Option(min=1, help="Megabytes of answers to hold.")] = 256,
) -> None:
    """Put a caching gateway (RFC 9111) in front of any HTTP origins."""
    from reelwright.cdn.adapters.gateway import Gateway, GatewaySettings, start_gateway
    from reelwright.cdn.adapters.origin import Origin

    settings = GatewaySettings(name=name, budget_bytes=memory_mb << 20)
    origins = [Origin(url, stall_s=settings.stall_s) for url in origin]

    async def serve() -> None:
        server = await start_gateway(Gateway(lambda _key: origins, settings, SystemClock()), host, port)
        typer.echo(f"{name} listens on http://{host}:{port} in front of {', '.join(origin)}")
        await server.serve_forever()

    asyncio.run(serve())
