"""What all processes need first: settings, keys, database and objects, opened once."""

from __future__ import annotations

from pathlib import Path

from reelwright.app.places import instance_name, media_url, own_edge_url, public_url
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import open_objects
from reelwright.kernel.peers import parse_peers
from reelwright.kernel.settings import ServiceSettings, Source, database_url, keys_file
from reelwright.kernel.system import Resources
from reelwright.kernel.telemetry import configure_logging


def open_resources(source: Source, *, process: str) -> Resources:
    """Everything below the systems, from the settings; creates the data folder at first."""
    settings = source.section("", ServiceSettings)
    configure_logging(level=settings.log_level, log_format=settings.log_format, process=process)
    data = Path(settings.data).resolve()
    data.mkdir(parents=True, exist_ok=True)
    peers = parse_peers(settings.peers)
    return Resources(
        clock=SystemClock(),
        settings=settings,
        source=source,
        data=data,
        keys=KeyRing.open(keys_file(settings)),
        database=Database(database_url(settings)),
        objects=open_objects(media_url(settings)),
        public_url=public_url(settings),
        media_urls=settings.media_urls or peers.get("edge") or (own_edge_url(source, settings),),
        instance=instance_name(data),
        peers=peers,
    )
