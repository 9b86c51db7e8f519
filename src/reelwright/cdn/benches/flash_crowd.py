"""A flash crowd on one cold object, an origin that dies under it, and an outage of all origins."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import cast

from reelwright.cdn.adapters.gateway import Gateway, GatewaySettings
from reelwright.cdn.adapters.http1 import RequestHead
from reelwright.cdn.adapters.origin import Origin
from reelwright.cdn.benches import EDGES, OUTAGE_OBJECTS, servers
from reelwright.cdn.benches.gateways import only
from reelwright.cdn.benches.objects import FOLDER, SEGMENT_BYTES
from reelwright.cdn.contract import sign_folder
from reelwright.kernel.bench import Row
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.keys import KEYS_FILE, KeyRing
from reelwright.kernel.objects import content_name

CROWD = 1000
ORIGIN_S = 1.0
"""The cold object leaves the origin over this time."""


def flash_crowd() -> Iterator[Row]:
    """Everybody wants the same cold object at once; an origin dies; all origins are away."""
    with tempfile.TemporaryDirectory() as text:
        fetches, late_ms, wrong = asyncio.run(_crowd(Path(text), dies=False))
    yield Row(
        id="flash_crowd.origin_fetches",
        what=f"origin fetches, {CROWD} clients, {EDGES} edges, 1 shield, one cold object",
        value=fetches,
        unit="fetches",
        op="==",
        goal=1,
        note=f"{wrong} bodies broken or wrong",
    )
    yield Row(
        id="flash_crowd.first_byte",
        what="p99 first byte beyond the origin's",
        value=round(statistics.quantiles(late_ms, n=100)[-1], 1),
        unit="ms",
        op="<=",
        goal=60,
        note=f"median {statistics.median(late_ms):.1f} ms; all clients and tiers on {os.cpu_count()} cores; the "
        "clients are connected, as viewers at a segment's edge are",
    )
    with tempfile.TemporaryDirectory() as text:
        fetches, _, wrong = asyncio.run(_crowd(Path(text), dies=True))
    yield Row(
        id="flash_crowd.corrupt",
        what="bodies broken or wrong when the origin dies in mid-transfer and another goes on",
        value=wrong,
        unit="bodies",
        op="==",
        goal=0,
        note=f"{fetches} fetches: one broke off",
    )
    yield Row(
        id="flash_crowd.stale_served",
        what="share of held objects served while all origins are away for 10 minutes",
        value=asyncio.run(_outage()),
        unit="share",
        op=">=",
        goal=1.0,
        note=f"{OUTAGE_OBJECTS} objects fresh for one minute, asked for once a minute",
    )


async def _crowd(folder: Path, *, dies: bool) -> tuple[int, list[float], int]:
    """(origin fetches, first bytes behind the origin's in ms, wrong bodies) of clients that want one cold object."""
    body = os.urandom(SEGMENT_BYTES)
    asked: list[float] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            asked.append(time.perf_counter())
            start = int(head.partition("bytes=")[2].partition("-")[0] or 0)
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{len(body) - 1}/{len(body)}"
            writer.write(
                f"HTTP/1.1 {status if start else '200 OK'}\r\nContent-Length: {len(body) - start}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            for at in range(start, len(body), 50_000):
                if dies and len(asked) == 1 and at > len(body) / 2:
                    break
                writer.write(body[at : at + 50_000])
                await writer.drain()
                await asyncio.sleep(ORIGIN_S * 50_000 / len(body))
        writer.close()

    server = await asyncio.start_server(origin, "127.0.0.1", 0, backlog=1024)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    name = content_name(FOLDER, body, ".m4s")
    prefix = sign_folder(KeyRing.open(folder / KEYS_FILE), FOLDER, expires_s=int(time.time()) + 3600, viewer=None)
    with ExitStack() as stack:
        shield = stack.enter_context(servers.tier(folder, "shield", upstream))
        edges = [
            stack.enter_context(servers.tier(folder, f"edge{number}", f"http://127.0.0.1:{shield.port}"))
            for number in range(EDGES)
        ]
        crowd = _Crowd(body)
        for number in range(CROWD):
            await asyncio.get_running_loop().create_connection(crowd.join, "127.0.0.1", edges[number % EDGES].port)
        answers = await crowd.ask(prefix + name)
    server.close()
    return len(asked), [(at - asked[0]) * 1000 for at, _ in answers], sum(not right for _, right in answers)


async def _outage() -> float:
    """Share of requests that the gateway answers from what it holds while its origin is away."""
    clock = VirtualClock()

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\n\r\nheld")
        writer.close()

    server = await asyncio.start_server(origin, "127.0.0.1", 0)
    upstream = Origin(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", stall_s=5)
    gateway = Gateway(partial(only, upstream), GatewaySettings(), clock)
    requests = [RequestHead("GET", f"/{number}", (("host", "films"),), keep=True) for number in range(OUTAGE_OBJECTS)]

    async def answered() -> int:
        whole = 0
        for request in requests:
            with contextlib.suppress(Unavailable):
                reply = await gateway.respond(request)
                whole += reply.blocks is not None and b"".join([block async for block in reply.blocks]) == b"held"
        return whole

    await answered()
    server.close()
    await server.wait_closed()
    served = 0
    for _ in range(10):
        clock.advance(60)
        served += await answered()
    await gateway.close()
    return served / (10 * len(requests))


class _Crowd:
    """Clients that ask for one object. They share a buffer and no tasks: what they cost themselves is not the edge's.

    The rest is read when all have begun: what one process needs to read two gigabytes is no property of the edge.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.buffer = bytearray(1 << 20)
        self._clients: list[_Client] = []
        self._begun = 0

    def join(self) -> _Client:
        """One client more."""
        self._clients.append(_Client(self))
        return self._clients[-1]

    async def ask(self, path: str) -> list[tuple[float, bool]]:
        """Of each, when the first byte of its body came, and whether all of it came and is right."""
        for client in self._clients:
            client.transport.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
        return await asyncio.gather(*(client.done for client in self._clients))

    def begun(self) -> None:
        """One has its first byte."""
        self._begun += 1
        if self._begun == len(self._clients):
            for client in self._clients:
                client.transport.resume_reading()


class _Client(asyncio.BufferedProtocol):
    """One of a crowd."""

    transport: asyncio.Transport

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._head = b""
        self._first_s = 0.0
        self._at = 0
        self._right = True
        self.done: asyncio.Future[tuple[float, bool]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _hint: int) -> memoryview:
        """Room for the head and a little, or for much."""
        return memoryview(self._crowd.buffer)[: None if self._first_s else 2048]

    def buffer_updated(self, count: int) -> None:
        """Bytes have come."""
        data = bytes(memoryview(self._crowd.buffer)[:count])
        if not self._first_s:
            self._head += data
            data = self._head.partition(b"\r\n\r\n")[2]
            if not data:
                return
            self.transport.pause_reading()
            self._begin()
        self._right = self._right and data == self._crowd.body[self._at : self._at + len(data)]
        self._at += len(data)

    def _begin(self) -> None:
        self._first_s = time.perf_counter()
        self._crowd.begun()

    def connection_lost(self, _error: Exception | None) -> None:
        """The end; who has nothing by then has all that it will get, so that nobody waits for it."""
        if not self._first_s:
            self._begin()
        self.done.set_result((self._first_s, self._right and self._at == len(self._crowd.body)))
