"""The edge role: media bytes and nothing else."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from reelwright.app.listening import web_origins
from reelwright.app.manifests import manifests_of
from reelwright.app.places import edge_name, media_url, own_edge_url
from reelwright.cdn.settings import CdnSettings
from reelwright.cdn.system import EdgeOptions, run_edge
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.objects import open_objects
from reelwright.kernel.peers import parse_peers
from reelwright.kernel.settings import ServiceSettings, Source, keys_file
from reelwright.kernel.telemetry import configure_logging


async def run(stopping: asyncio.Event) -> None:
    """Serve until told to stop."""
    source = Source.open()
    settings = source.section("", ServiceSettings)
    log_as = partial(configure_logging, level=settings.log_level, log_format=settings.log_format, process="edge")
    log_as()
    data = Path(settings.data).resolve()  # noqa: ASYNC240 (once, before anything is served)
    cdn = source.section("cdn", CdnSettings)
    web = parse_peers(settings.peers).get("web", ())
    options = EdgeOptions(
        host=settings.host,
        settings=cdn,
        keys_file=keys_file(settings),
        objects=open_objects(media_url(settings)),
        cache_folder=data / "cache",
        origins=web_origins(settings),
        certificate=settings.tls_certificate,
        key=settings.tls_key,
        name=cdn.name or edge_name(data),
        control=cdn.control or (web[0] if web else ""),
        url=own_edge_url(source, settings),
        make_manifests=manifests_of,
        set_up=log_as,
    )
    await run_edge(options, SystemClock(), stopping)
