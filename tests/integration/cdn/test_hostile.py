"""Input meant to break the edge: it answers or closes, stays within its bounds, and serves the next client."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.integration.cdn.test_edge import FAR, Stage

from reelwright.cdn.system import EdgeServer
from reelwright.kernel.clock import SystemClock, VirtualClock

pytestmark = pytest.mark.anyio
WAIT_S = 60


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Edges that are stopped afterwards."""
    made = Stage(tmp_path)
    yield made
    for server in made.servers:
        await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client."""
    async with httpx.AsyncClient(timeout=WAIT_S) as made:
        yield made


async def said(server: EdgeServer, *pieces: bytes) -> bytes:
    """All that the edge answers to raw bytes until it closes; it may close before it has read them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    found = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(WAIT_S):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
            while block := await reader.read(1 << 16):
                found += block
    writer.close()
    return found


def statuses(answer: bytes) -> list[int]:
    """Of all answers in line."""
    return [int(part.split(b" ", 2)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "shape",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 18446744073709551617\r\n\r\nx",
        "X: a\r\n b: folded\r\nContent Length: 5\r\n\r\nhello",
        "X: a\x00b\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ],
)
async def test_a_request_whose_end_two_parsers_could_see_differently_is_the_last(stage: Stage, shape: str) -> None:
    """One refusal, then the end: nothing after it is taken for another request."""
    server = await stage.edge()
    answer = await said(server, f"GET /m HTTP/1.1\r\nHost: x\r\n{shape}".encode("latin-1"))
    assert len(statuses(answer)) <= 1
    assert all(400 <= status < 500 for status in statuses(answer))
    assert b"smuggled" not in answer


async def test_a_hundred_thousand_headers_are_refused_early(stage: Stage, client: httpx.AsyncClient) -> None:
    """With 431, long before they are all read; others are served meanwhile."""
    server = await stage.edge()
    url = stage.url(server, stage.put(b"fine"))
    flood = b"".join(b"X-%d: a\r\n" % number for number in range(100_000))
    answer, good = await asyncio.gather(said(server, b"GET / HTTP/1.1\r\n", flood, b"\r\n"), client.get(url))
    assert statuses(answer) in ([431], [])  # a reset may overtake the answer
    assert good.content == b"fine"
    long = await said(server, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(long) in ([431], [])


async def test_headers_trickled_byte_by_byte_end_in_time(stage: Stage, client: httpx.AsyncClient) -> None:
    """Slowloris: progress does not buy time, not even behind an answered request."""
    server = await stage.edge(request_s=1.0)
    url = stage.url(server, stage.put(b"fine"))
    path = url.split(str(server.port), 1)[1].encode()

    async def trickle(first: bytes) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(first)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT_S):
                for _ in range(10_000):
                    writer.write(b"X")
                    await writer.drain()
                    await asyncio.sleep(0.05)
                    if reader.at_eof():
                        break
        writer.close()
        return reader.at_eof() or reader.exception() is not None

    whole = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path
    ended = await asyncio.gather(*(trickle(first) for first in (b"GET / HTTP/1.1\r\nX-Slow: ", whole + b"GET /")))
    assert ended == [True, True]
    assert (await client.get(url)).content == b"fine"


async def test_fields_that_one_client_sent_are_never_taken_for_anothers(stage: Stage) -> None:
    """A request in two pieces, the second of which looks like somebody else's whole: its Range stays its own."""
    server = await stage.edge()
    url = stage.url(server, stage.put(b"x" * 100))
    block = f"\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for piece in (b"GET /healthz HTTP/1.1\r\nRange: bytes=0-0\r\nX: ", b"GET /healthz HTTP/1.1" + block):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.2)
    assert await reader.readuntil(b"ok\n")
    writer.close()
    path = url.split(str(server.port), 1)[1].encode()
    assert statuses(await said(server, b"GET %b HTTP/1.1%b" % (path, block))) == [200]


@pytest.mark.parametrize(
    ("wanted", "status", "length"),
    [
        ("bytes=" + "0-0," * 2000, 200, 100),
        ("bytes=99999999999999999999999-", 200, 100),
        ("bytes=0-99999999999999999999999", 200, 100),
        ("bytes=999999999999999999-", 416, 0),
        ("bytes=0-999999999999999999", 206, 100),
        ("bytes=-999999999999999999", 206, 100),
        ("bytes=--1", 200, 100),
        ("bytes=0x0-0x9", 200, 100),
        ("bytes=\u0661-", 200, 100),
    ],
)
async def test_hostile_ranges(stage: Stage, client: httpx.AsyncClient, wanted: str, status: int, length: int) -> None:
    """Thousands of ranges and numbers beyond any file cost one plain answer."""
    server = await stage.edge()
    url = stage.url(server, stage.put(b"x" * 100))
    got = await client.get(url, headers={b"Range": wanted.encode()})
    assert (got.status_code, len(got.content)) == (status, length)


async def test_ten_thousand_ranges_are_more_header_than_is_read(stage: Stage) -> None:
    """40 kB of `0-0,`."""
    server = await stage.edge()
    path = stage.url(server, stage.put(b"x" * 100)).split(str(server.port), 1)[1].encode()
    ranges = b"0-0," * 10_000
    answer = await said(server, b"GET %b HTTP/1.1\r\nHost: x\r\nRange: bytes=%b\r\n\r\n" % (path, ranges))
    assert statuses(answer) in ([431], [])


async def _upstream(answer: bytes) -> asyncio.Server:
    """An origin that always says the same bytes and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nx",
        b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
        b"\x00\xff nonsense",
        b"",
    ],
)
async def test_what_a_truncated_or_lying_upstream_sends_is_never_kept(stage: Stage, answer: bytes) -> None:
    """Neither as a whole answer nor on disk; and the edge goes on."""
    upstream = await _upstream(answer)
    edge = await stage.edge(name="edge", upstreams=(f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}",))
    name = stage.put(b"the truth")
    path = stage.url(edge, name).split(str(edge.port), 1)[1].encode()
    got = await said(edge, b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
    head, _, body = got.partition(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), None)
    whole = statuses(got) == [200] and length == len(body)
    assert not whole or body != b"the truth"[: len(body)] or not body
    assert not (stage.folder / "edge" / name).exists()
    assert not list((stage.folder / "edge").rglob("*.part"))
    assert statuses(await said(edge, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) == [200]
    upstream.close()


async def test_a_clock_that_steps_neither_locks_out_for_good_nor_opens_what_expired(stage: Stage) -> None:
    """Tokens are judged by the wall clock as it is now, remembered verdicts too."""
    clock = VirtualClock()
    server = await stage.edge()
    server.edge._clock = clock  # the edge's own, in place of the machine's
    now_s = clock.wall_ns() // 10**9
    name = stage.put(b"x")
    path = stage.url(server, name, expires_s=now_s + 100).split(str(server.port), 1)[1].encode()
    request = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path

    async def status() -> int:
        return statuses(await said(server, request))[0]

    assert await status() == 200
    clock.advance(101)
    assert await status() == 403
    clock.step_wall(-50)
    assert await status() == 200
    clock.step_wall(-10_000_000)
    assert await status() == 200
    clock.step_wall(+10_000_200)
    assert await status() == 403


async def test_a_disk_that_may_only_be_read_still_serves(
    stage: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory, with the upstream's bytes; nothing is left half written."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(name="edge", upstreams=(f"http://127.0.0.1:{origin.port}",))
    data = os.urandom(500_000)
    url = stage.url(edge, stage.put(data))
    real = os.open

    def refuse(path: str, flags: int, *rest: int, **named: int) -> int:
        if flags & os.O_CREAT and str(stage.folder / "edge") in str(path):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    for _ in range(2):
        assert (await client.get(url)).content == data
    assert not [one for one in (stage.folder / "edge").rglob("*") if one.is_file()]


async def test_pipelines_and_half_closed_clients_leave_nothing_behind(stage: Stage) -> None:
    """More requests in line than are kept are refused; all connections end."""
    server = await stage.edge()
    path = stage.url(server, stage.put(b"x" * 1000), expires_s=FAR).split(str(server.port), 1)[1].encode()
    one = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path
    answers = await asyncio.gather(*(said(server, one * 500) for _ in range(10)), said(server, one[:-2]))
    assert all(status in (200, 431) for answer in answers for status in statuses(answer))
    async with asyncio.timeout(WAIT_S):
        while server._connections:
            await asyncio.sleep(0.05)
    assert isinstance(server._clock, SystemClock)


async def test_a_client_that_asks_on_and_reads_nothing_costs_a_bounded_amount(stage: Stage) -> None:
    """Answers from memory wait in the transport: while it is full, nothing more is read."""
    server = await stage.edge()
    url = stage.url(server, stage.put(os.urandom(60_000)))
    request = f"GET /{url.split('/', 3)[3]} HTTP/1.1\r\nHost: edge\r\n\r\n".encode()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    most = 0
    for _ in range(1000):
        writer.write(request)
        await asyncio.sleep(0.001)
        most = max(most, *(one._transport.get_write_buffer_size() for one in server._connections), 0)
    assert server.edge.totals["requests"] > 3
    assert most < 1_000_000
    writer.close()
