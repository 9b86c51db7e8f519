"""What lies in memory is answered by a short path, which knows, refuses, counts and forgets as the long one does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.cdn.test_edge import ORIGIN, Stage

from reelwright.cdn.core.eviction import LruPolicy
from reelwright.cdn.service import Request
from reelwright.cdn.system import EdgeServer
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.keys import KeyRing

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Edges that are stopped afterwards."""
    made = Stage(tmp_path)
    yield made
    for server in made.servers:
        await server.stop()


class Viewer:
    """One connection that sends the same header block with each request."""

    def __init__(self, server: EdgeServer, *lines: str) -> None:
        self._server = server
        self._block = "".join(f"{line}\r\n" for line in ("Host: edge", *lines)) + "\r\n"

    async def __aenter__(self) -> Viewer:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """Status, header lines and body of one answer."""
        self._writer.write(f"GET /{url.split('/', 3)[3]} HTTP/1.1\r\n{self._block}".encode())
        async with asyncio.timeout(60):
            first, *lines = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].decode().split("\r\n")
            head = dict(line.lower().split(": ", 1) for line in lines)
            body = await self._reader.readexactly(int(head["content-length"]))
        return int(first.split()[1]), head, body

    async def status(self, url: str) -> int:
        """Of one answer."""
        return (await self.get(url))[0]


def is_short(server: EdgeServer, url: str) -> bool:
    """Whether the short path answers a plain request for a URL now."""
    line = f"GET /{url.split('/', 3)[3]} HTTP/1.1".encode()
    return server.edge.again(line, server.edge.asker_of({"host": "edge"})) is not None


async def test_the_same_request_again_gets_the_same_answer_and_counts(stage: Stage) -> None:
    """Whichever path answers; an access is reported with its size, session and token by both."""
    server = await stage.edge(access_log=True)
    server.edge.reports = True
    data = os.urandom(2000)
    url = stage.url(server, stage.put(data))
    async with Viewer(server, 'CMCD-Session: sid="s1"') as viewer:
        answers = [await viewer.get(url) for _ in range(8)]
    assert all(one == answers[0] for one in answers)
    assert (answers[0][0], answers[0][2]) == (200, data)
    assert server.edge.totals == {"requests": 8, "hits": 8, "failed": 0, "sent_bytes": 8 * len(data)}
    told = list(server.edge.unreported)
    assert len(told) == 8
    assert {(one.object, one.size, one.status, one.session, one.token, one.hit) for one in told} == {
        (url.split("/", 5)[5], len(data), 200, "s1", url.split("/")[4].split(".")[3], True)
    }
    server.edge.flush()
    assert len((stage.folder / "access.jsonl").read_bytes().splitlines()) == 8


async def test_pages_of_ours_get_their_own_lines_with_what_lies_in_memory(stage: Stage) -> None:
    """CORS is the asker's, whoever asked before."""
    server = await stage.edge()
    data = os.urandom(2000)
    url = stage.url(server, stage.put(data))
    async with (
        Viewer(server) as plain,
        Viewer(server, f"Origin: {ORIGIN}") as ours,
        Viewer(server, "Origin: x") as other,
    ):
        for _ in range(5):
            found = [await one.get(url) for one in (plain, ours, other)]
            assert [body for _, _, body in found] == [data] * 3
            assert [head.get("access-control-allow-origin") for _, head, _ in found] == [None, ORIGIN, None]
            assert [head.get("vary") for _, head, _ in found] == [None, "origin", "origin"]
    assert is_short(server, url)


async def test_the_short_path_opens_nothing_that_the_long_one_would_not(stage: Stage) -> None:
    """A bound URL opens for its viewer alone, ranges and conditions hold, and HEAD has no body."""
    server = await stage.edge()
    name = stage.put(os.urandom(2000))
    bound, free = stage.url(server, name, viewer="ada"), stage.url(server, name)
    async with Viewer(server, "Cookie: rw_viewer=ada") as ada, Viewer(server, "Cookie: rw_viewer=ben") as ben:
        for _ in range(5):
            assert [await ada.status(bound), await ben.status(bound)] == [200, 403]
    async with Viewer(server) as plain, Viewer(server, "Range: bytes=0-9") as part:
        for _ in range(5):
            assert [await plain.status(free), await part.status(free)] == [200, 206]
        head, body, _ = await part.get(free)
    assert (head, body["content-length"]) == (206, "10")


async def test_what_was_purged_is_not_answered_from_memory(stage: Stage) -> None:
    """Neither after a hard purge, nor before a soft one has been proved."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",))
    name = stage.put(os.urandom(2000))
    url = stage.url(edge, name)
    cache = edge._cache
    assert cache is not None
    async with Viewer(edge) as viewer:
        for soft in (True, False):
            for _ in range(4):
                assert await viewer.status(url) == 200
            assert is_short(edge, url)
            (stage.folder / "edge" / name).write_bytes(b"damaged" * 10)
            cache.purge(lambda _: True, soft=soft)
            assert not is_short(edge, url)
            before = cache.fetched_bytes
            assert await viewer.status(url) == 200
            assert cache.fetched_bytes == before + 2000


async def test_the_policy_hears_of_each_use(stage: Stage) -> None:
    """Also of those that the short path answers, with the session."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), eviction="lru")
    first, second = (stage.url(edge, stage.put(os.urandom(2000))) for _ in range(2))
    policy = edge._cache._index  # type: ignore[union-attr]
    assert isinstance(policy, LruPolicy)
    async with Viewer(edge) as viewer:
        for url in (*[first] * 4, *[second] * 4, first):
            assert await viewer.status(url) == 200
        assert list(policy._sizes) == [url.split("/", 5)[5] for url in (second, first)]


async def test_a_token_that_has_expired_or_lost_its_key_opens_nothing_from_memory(tmp_path: Path) -> None:
    """By the wall clock, also where it steps; the ring's keys may go at any time."""
    clock = VirtualClock()
    stage = Stage(tmp_path)
    server = await stage.edge(clock=clock)
    try:
        name = stage.put(os.urandom(2000))
        soon, late = (stage.url(server, name, expires_s=clock.wall_ns() // 10**9 + s) for s in (60, 6000))
        async with Viewer(server) as viewer:
            for url in (*[soon] * 4, *[late] * 4):
                assert await viewer.status(url) == 200
            assert is_short(server, soon) and is_short(server, late)
            clock.step_wall(61)
            assert [await viewer.status(soon), await viewer.status(late)] == [403, 200]
            clock.step_wall(-61)
            assert await viewer.status(soon) == 200
            KeyRing.generate().save(stage.keys_file)
            server._follow_keys()
            assert await viewer.status(soon) == 403
    finally:
        await server.stop()


async def test_answers_from_memory_and_from_files_keep_their_order_for_a_slow_reader(stage: Stage) -> None:
    """What waits in the transport goes out before the next file is sent past it."""
    server = await stage.edge()
    small, large = os.urandom(60_000), os.urandom(3_000_000)
    urls = [stage.url(server, stage.put(data)) for data in (small, large)]
    async with Viewer(server) as viewer:
        for _ in range(3):
            assert await viewer.status(urls[0]) == 200
    order = [1, *[0] * 14, 1]
    lines = b"".join(f"GET /{urls[at].split('/', 3)[3]} HTTP/1.1\r\nHost: edge\r\n\r\n".encode() for at in order)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        await loop.sock_sendall(client, lines)
        reader, writer = await asyncio.open_connection(sock=client)
        async with asyncio.timeout(60):
            for at in order:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
                assert await reader.readexactly(len((small, large)[at])) == (small, large)[at]
        writer.close()


async def test_a_request_that_comes_between_two_answers_waits_its_turn(stage: Stage) -> None:
    """What is in line is answered first, though the new one lies in memory."""
    server = await stage.edge()
    small, other = os.urandom(2000), os.urandom(3000)
    urls = [stage.url(server, stage.put(data)) for data in (small, other)]
    async with Viewer(server) as viewer:
        for _ in range(3):
            assert await viewer.status(urls[0]) == 200
        (connection,) = server._connections
        paths = ["/" + url.split("/", 3)[3] for url in urls]
        connection._queue = deque(
            [(Request("GET", paths[1], {"host": "edge"}), True)]
        )  # as an answer's end leaves it
        connection.data_received(f"GET {paths[0]} HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
        connection._next()
        async with asyncio.timeout(60):
            for body in (other, small):
                assert b"200 OK" in await viewer._reader.readuntil(b"\r\n\r\n")
                assert await viewer._reader.readexactly(len(body)) == body
