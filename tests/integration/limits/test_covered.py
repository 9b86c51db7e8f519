"""Every route of the service stands behind the limits, whoever asks and whether the route answers or refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from granian.utils.proxies import wrap_asgi_with_proxy_headers
from tests.composed import composed

from reelwright.kernel.clock import VirtualClock
from reelwright.limits import Limits, MemoryStore
from reelwright.limits.api import UNLIMITED, LimitsMiddleware
from reelwright.limits.core.rules import read_rules

pytestmark = pytest.mark.anyio


async def test_every_route_tells_its_limit(tmp_path: Path) -> None:
    """All paths that are routed, asked by a stranger; only the two probes are free."""
    async with composed(tmp_path / "data") as home:
        client = home.client()
        asked = {
            (method, re.sub(r"\{[^}]*\}", "x", re.sub(r"\{[^}]*:int\}", "1", route.path)))
            for route in home.application.routes
            for method in route.methods - {"OPTIONS"}
            if not route.path.endswith("/stream")
        }
        assert len(asked) > 80
        told = {(method, path): (await client.request(method, path)).headers for method, path in asked}
    free = {path for (_, path), headers in told.items() if "ratelimit" not in headers}
    assert free == UNLIMITED
    assert all("ratelimit-policy" in headers for (_, path), headers in told.items() if path not in UNLIMITED)


async def test_a_forwarded_address_is_believed_of_a_trusted_proxy_only() -> None:
    """Behind the proxy each client has a counter of its own; whoever forges the field has one however often."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    text = "domain: d\ndescriptors:\n- key: door\n  descriptors: [{key: caller, limit: 2/hour}]\n"
    rules = read_rules([("rules", text)])
    limits = Limits(store=MemoryStore(clock=VirtualClock()), domains=rules)
    door = wrap_asgi_with_proxy_headers(LimitsMiddleware(app, limits=limits, domain="d"), ["10.0.0.1"])

    async def codes(connection: str) -> list[int]:
        transport = httpx.ASGITransport(door, client=(connection, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            fields = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(4)]
            return [(await client.get("/", headers=one)).status_code for one in fields]

    assert await codes("10.0.0.1") == [200] * 4
    assert await codes("10.0.0.2") == [200, 200, 429, 429]
