"""Gateways in this process, one alone or in tiers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from reelwright.cdn.adapters.gateway import Gateway, GatewaySettings, start_gateway
from reelwright.cdn.adapters.origin import Origin
from reelwright.kernel.clock import SystemClock


@asynccontextmanager
async def gateways(port: int, names: tuple[str, ...]) -> AsyncIterator[str]:
    """Our gateways one behind the other, the last in front; its URL."""
    servers = []
    for name in names:
        origin = Origin(f"http://127.0.0.1:{port}", stall_s=30)
        gateway = Gateway(partial(only, origin), GatewaySettings(name=name), SystemClock())
        servers.append(await start_gateway(gateway, "127.0.0.1", 0))
        port = servers[-1].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        for server in servers:
            server.close()


def only(origin: Origin, _key: str) -> list[Origin]:
    """A gateway's route whose every key comes from one origin."""
    return [origin]
