"""What limits cost at the door of an application."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from reelwright.kernel.bench import Row
from reelwright.limits.api import LimitsMiddleware
from reelwright.limits.benches import ROUNDS
from reelwright.limits.benches.peers import PEERS_LINE, installed
from reelwright.limits.core.rules import read_rules
from reelwright.limits.service import Limits

DOOR_REQUESTS = 3_000
RULES = """
domain: reelwright
descriptors:
  - key: door
    value: api
    descriptors:
      - {key: caller, limit: 1000000/second}
"""
App = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


def door() -> Iterator[Row]:
    """What the middleware adds to a request, header fields included; the application is called directly."""
    measured = asyncio.run(_doors())
    bare = measured.pop("bare")
    added = {name: (cpu - measured.get(f"{name} bare", bare)) * 1e6 for name, cpu in measured.items()}
    peers = {name: value for name, value in added.items() if name in ("slowapi", "fastapi-limiter")}
    best = min(peers, key=lambda name: peers[name], default="")
    yield Row(
        id="door",
        what="CPU that limits and their header fields add to a request",
        value=round(added["ours"], 2),
        unit="µs",
        op="<=",
        goal=8,
        peer=best,
        peer_value=round(peers[best], 1) if best else None,
        note="; ".join(f"{name} {value:.1f} µs" for name, value in peers.items()) or PEERS_LINE,
    )


async def _doors() -> dict[str, float]:
    """By application, CPU seconds a request."""
    limits = Limits(domains=read_rules([("bench", RULES)]))
    apps: dict[str, App] = {"bare": plain_app, "ours": LimitsMiddleware(plain_app, limits=limits)}
    for name, app in installed({"slowapi": _slowapi_app, "fastapi-limiter": _fastapi_limiter_app}).items():
        apps[name], apps[f"{name} bare"] = app
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            begun = time.process_time()
            for _ in range(DOOR_REQUESTS):
                await request(app)
            spent = (time.process_time() - begun) / DOOR_REQUESTS
            best[name] = min(spent, best.get(name, spent))
    return best


async def request(app: App) -> None:
    """One GET through an application. Raises AssertionError unless it answers 200."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "path": "/api/v1/x", "raw_path": b"/api/v1/x"},
        **{"query_string": b"", "root_path": "", "scheme": "http", "server": ("127.0.0.1", 80)},
        **{"headers": [(b"host", b"x")], "client": ("10.0.0.1", 5000), "asgi": {"version": "3.0"}, "state": {}},
    }
    await app(scope, receive, send)
    if sent[0]["status"] != 200:
        raise AssertionError(f"the application answered {sent[0]['status']}")


async def plain_app(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that answers and does nothing else."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


def _slowapi_app() -> tuple[App, App]:
    fastapi, slowapi = importlib.import_module("fastapi"), importlib.import_module("slowapi")
    limiter = slowapi.Limiter(
        key_func=importlib.import_module("slowapi.util").get_remote_address, headers_enabled=True
    )
    app = fastapi.FastAPI()
    app.state.limiter = limiter

    async def answer(request: Any, response: Any) -> dict[str, str]:  # noqa: ARG001 (slowapi asks for both)
        return {}

    answer.__annotations__.update(request=fastapi.Request, response=fastapi.Response)
    app.get("/api/v1/x")(limiter.limit("1000000/second")(answer))
    return app, _fastapi_app()


def _fastapi_limiter_app() -> tuple[App, App]:
    fastapi, pyrate = importlib.import_module("fastapi"), importlib.import_module("pyrate_limiter")
    depends = importlib.import_module("fastapi_limiter.depends")
    limiter = depends.RateLimiter(limiter=pyrate.Limiter(pyrate.Rate(10**6, pyrate.Duration.SECOND)))
    app = fastapi.FastAPI()
    app.get("/api/v1/x", dependencies=[fastapi.Depends(limiter)])(_empty)
    return app, _fastapi_app()


def _fastapi_app() -> App:
    app = importlib.import_module("fastapi").FastAPI()
    app.get("/api/v1/x")(_empty)
    bare: App = app
    return bare


async def _empty() -> dict[str, str]:
    return {}
