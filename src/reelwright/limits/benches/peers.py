"""Peers, where they are installed, and their asyncio clients on a Redis."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

PEERS_LINE = "make peers"
Decide = Callable[[str], Awaitable[Any]]


def installed(makers: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Those peers that are installed."""
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except ImportError:
            continue
    return found


def _aio_limits(url: str) -> Decide:
    limits, aio = importlib.import_module("limits"), importlib.import_module("limits.aio")
    importlib.import_module("redis")
    storage = aio.storage.RedisStorage(f"async+{url}", implementation="redispy")
    limiter, item = aio.strategies.FixedWindowRateLimiter(storage), limits.parse("100000000/hour")
    return lambda key: limiter.hit(item, key)


def _aio_throttled(url: str) -> Decide:
    throttled = importlib.import_module("throttled.asyncio")
    quota = throttled.rate_limiter.per_sec(10**6, burst=10**6)
    limiter = throttled.Throttled(using="gcra", quota=quota, store=throttled.store.RedisStore(server=url))
    return lambda key: limiter.limit(key)


ASYNC_PEERS: dict[str, Callable[[str], Decide]] = {
    "limits.aio": _aio_limits,
    "throttled.asyncio": _aio_throttled,
}
