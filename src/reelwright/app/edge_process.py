"""The edge role: media bytes and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from reelwright.app.listening import web_origins
from reelwright.app.places import media_url
from reelwright.cdn.settings import CdnSettings
from reelwright.cdn.system import EdgeOptions, run_edge
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.objects import open_objects
from reelwright.kernel.settings import ServiceSettings, Source, keys_file
from reelwright.kernel.telemetry import configure_logging


async def run(stopping: asyncio.Event) -> None:
    """Serve until told to stop."""
    source = Source.open()
    settings = source.section("", ServiceSettings)
    configure_logging(level=settings.log_level, log_format=settings.log_format, process="edge")
    data = Path(settings.data).resolve()  # noqa: ASYNC240 (once, before anything is served)
    options = EdgeOptions(
        host=settings.host,
        settings=source.section("cdn", CdnSettings),
        keys_file=keys_file(settings),
        objects=open_objects(media_url(settings)),
        cache_folder=data / "cache",
        origins=web_origins(settings),
        certificate=settings.tls_certificate,
        key=settings.tls_key,
    )
    await run_edge(options, SystemClock(), stopping)
