"""The collector role: event collection alone, for a service whose web processes should not write logs."""

from __future__ import annotations

import asyncio

from reelwright.app.asgi import build
from reelwright.app.compose import open_resources
from reelwright.app.serving import serve_asgi
from reelwright.app.wiring import migrate, wire_collector
from reelwright.kernel.settings import Source


async def run(stopping: asyncio.Event) -> None:
    """Collect until told to stop."""
    resources = open_resources(Source.open(), process="collector")
    await asyncio.to_thread(migrate, resources.database)
    try:
        await serve_asgi(build(resources, wire_collector(resources)), resources.settings, stopping)
    finally:
        resources.database.close()
