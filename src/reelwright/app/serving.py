"""Serving an ASGI application with Granian inside our own loop, and stopping it in bounded time."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.errors import FatalError
from granian.server.embed import Server
from granian.utils.proxies import wrap_asgi_with_proxy_headers

from reelwright.app.draining import Draining
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.live import closing
from reelwright.kernel.settings import ServiceSettings

DRAIN_S = 2.5
"""Requests in progress get this long; live streams are ended first, for a server waits for them for ever."""


SETTLED_S = 2.0
"""What is there after so long mostly lives as long as the process."""


def _leave_alone() -> None:
    """Take what lives on out of the collector of garbage: it went through all of it every few hundred requests."""
    gc.collect()
    gc.freeze()


async def serve_asgi(application: Any, settings: ServiceSettings, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set; returns when drained, at the latest after DRAIN_S seconds."""
    if settings.trusted_proxies:  # only their X-Forwarded-* headers are believed
        application = wrap_asgi_with_proxy_headers(application, list(settings.trusted_proxies))
    server = Server(
        Draining(application),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.auto,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        ssl_cert=Path(settings.tls_certificate) if settings.tls_certificate else None,
        ssl_key=Path(settings.tls_key) if settings.tls_key else None,
    )
    serving = asyncio.create_task(server.serve())
    asyncio.get_running_loop().call_later(SETTLED_S, _leave_alone)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        try:
            serving.result()
        except FatalError as error:
            raise Unavailable("the process does not start; the log says which system does not, and why") from error
        raise RuntimeError(f"the server on {settings.host}:{settings.port} ended by itself; is the port taken?")
    closing.begin()
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait((serving,), timeout=DRAIN_S)
