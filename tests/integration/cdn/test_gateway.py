"""The caching gateway over real sockets, in front of origins that behave, break, lie and vanish."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from tests.service import free_port

from reelwright.cdn.adapters.gateway import Gateway, GatewaySettings, start_gateway
from reelwright.cdn.adapters.origin import Origin
from reelwright.kernel.clock import SystemClock

pytestmark = pytest.mark.anyio
Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
WAIT_S = 60


class Source:
    """An origin that is told what to say, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.heads: list[str] = []
        self.url = ""

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Vanish."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            await self._answer(head, writer)
            await writer.drain()
        writer.close()


def says(body: bytes, *fields: str, status: str = "200 OK") -> Answer:
    """Always the same answer."""

    async def answer(_head: str, writer: asyncio.StreamWriter) -> None:
        lines = "".join(f"{field}\r\n" for field in fields)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)

    return answer


class Stage:
    """Gateways on free ports."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self._stack = contextlib.AsyncExitStack()

    async def source(self, answer: Answer) -> Source:
        """A started origin."""
        made = Source(answer)
        await made.start()
        self.sources.append(made)
        return made

    async def gateway(self, *urls: str, **settings: float | str) -> str:
        """A started gateway's URL."""
        made = GatewaySettings(**{"stall_s": 20.0, **settings})  # type: ignore[arg-type]
        origins = [Origin(url, stall_s=made.stall_s) for url in urls]
        gateway = Gateway(lambda _key: origins, made, SystemClock(), may_purge=lambda token: token == "ours")
        server = await start_gateway(gateway, "127.0.0.1", 0)
        self._stack.push_async_callback(gateway.close)
        self._stack.callback(server.close)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop all."""
        await self._stack.aclose()
        for source in self.sources:
            source.stop()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A stage that is cleared afterwards."""
    made = Stage()
    yield made
    await made.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client."""
    async with httpx.AsyncClient(timeout=WAIT_S, limits=httpx.Limits(max_connections=200)) as made:
        yield made


@pytest.mark.parametrize(("host", "target"), [("edge/films", "/one"), ("edge/", "films/one"), ("edg", "e/films/one")])
async def test_no_host_or_target_stands_for_another_page(
    stage: Stage, client: httpx.AsyncClient, host: str, target: str
) -> None:
    """What is held for a page came from asking for that page, however a stranger cuts its address in two."""

    async def tell(head: str, writer: asyncio.StreamWriter) -> None:
        body = head.split(" ")[1].encode()
        writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    source = await stage.source(tell)
    gateway = await stage.gateway(source.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rsplit(":", 1)[1]))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert (await client.get(f"{gateway}/films/one", headers={"Host": "edge"})).text == "/films/one"


async def test_a_crowd_on_a_slow_object_is_one_fetch_through_two_tiers(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """Every tier joins its waiters; all get the whole body."""
    gate = asyncio.Event()
    body = bytes(range(256)) * 4000

    async def slow(_head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nCache-Control: max-age=60\r\n\r\n".encode())
        writer.write(body[:1000])
        await gate.wait()
        writer.write(body[1000:])

    source = await stage.source(slow)
    shield = await stage.gateway(source.url, name="shield")
    edges = [await stage.gateway(shield, name=f"edge{number}") for number in range(3)]
    host = {"Host": "films.example"}
    asked = [asyncio.create_task(client.get(f"{edge}/film.mpd", headers=host)) for edge in edges for _ in range(10)]
    while not source.heads:
        await asyncio.sleep(0.01)
    gate.set()
    answers = await asyncio.gather(*asked)
    again = await client.get(f"{edges[0]}/film.mpd", headers={**host, "Range": "bytes=10-19"})
    assert len(source.heads) == 1
    assert all(answer.content == body for answer in answers)
    assert (again.status_code, again.content) == (206, body[10:20])
    assert re.search(r"^shield; fwd=uri-miss; stored, edge0; hit; ttl=\d+$", again.headers["cache-status"])


async def test_an_origin_that_dies_in_mid_transfer_is_resumed_from_another(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """The rest is asked by range, with the tag; the client notices nothing."""
    body = bytes(range(256)) * 4000
    head = 'HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: "a"\r\nCache-Control: max-age=60\r\n\r\n'

    async def dies(_head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head.format(len(body)).encode() + body[:300_000])
        await writer.drain()

    async def lives(asked: str, writer: asyncio.StreamWriter) -> None:
        start = int((re.search(r"range: bytes=(\d+)-", asked) or ["", "0"])[1])
        part = f"bytes {start}-{len(body) - 1}/{len(body)}"
        writer.write(
            f'HTTP/1.1 206 Partial Content\r\nContent-Range: {part}\r\nETag: "a"\r\n'
            f"Content-Length: {len(body) - start}\r\n\r\n".encode()
        )
        writer.write(body[start:])

    first, second = await stage.source(dies), await stage.source(lives)
    edge = await stage.gateway(first.url, second.url)
    got = await client.get(f"{edge}/a")
    assert got.content == body
    assert 'if-range: "a"' in second.heads[0]


async def test_another_object_under_the_url_is_never_joined_to_the_first(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """A resume that finds another tag breaks off."""

    async def changes(asked: str, writer: asyncio.StreamWriter) -> None:
        if "range: " in asked.lower():
            writer.write(
                b'HTTP/1.1 206 OK\r\nContent-Range: bytes 5-9/10\r\nETag: "b"\r\nContent-Length: 5\r\n\r\nBBBBB'
            )
        else:
            writer.write(
                b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "a"\r\nCache-Control: max-age=60\r\n\r\nAAAAA'
            )

    edge = await stage.gateway((await stage.source(changes)).url)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(f"{edge}/a")


async def test_in_an_outage_what_is_held_is_served_stale_and_the_rest_is_502(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """Unless the origin forbade it: then 504."""
    source = await stage.source(says(b"held", "Cache-Control: max-age=1", "Age: 100"))
    strict = await stage.source(says(b"held", "Cache-Control: max-age=1, must-revalidate", "Age: 100"))
    edge = await stage.gateway(source.url)
    hard = await stage.gateway(strict.url)
    await client.get(f"{edge}/a")
    await client.get(f"{hard}/a")
    source.stop()
    strict.stop()
    answers = [await client.get(url) for url in (f"{edge}/a", f"{edge}/b", f"{hard}/a")]
    assert [answer.status_code for answer in answers] == [200, 502, 504]
    assert answers[0].content == b"held"


async def test_a_stale_answer_is_refreshed_behind_the_clients_back(stage: Stage, client: httpx.AsyncClient) -> None:
    """stale-while-revalidate: served at once, and newer a moment later."""
    count = 0

    async def counts(_head: str, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        age = 100 if count == 1 else 0
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nAge: {age}\r\n"
            f"Cache-Control: max-age=60, stale-while-revalidate=600\r\n\r\n{count}".encode()
        )

    edge = await stage.gateway((await stage.source(counts)).url)
    assert [(await client.get(f"{edge}/a")).text for _ in range(2)] == ["1", "1"]
    async with asyncio.timeout(WAIT_S):
        while (await client.get(f"{edge}/a")).text != "2":
            await asyncio.sleep(0.01)


async def test_a_large_body_costs_a_window_of_memory_and_is_not_kept(stage: Stage, client: httpx.AsyncClient) -> None:
    """Back-pressure reaches the origin."""
    body = b"x" * 3_000_000
    source = await stage.source(says(body, "Cache-Control: max-age=60"))
    edge = await stage.gateway(source.url, object_bytes=100_000)
    for _ in range(2):
        assert (await client.get(f"{edge}/a")).content == body
    assert len(source.heads) == 2


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100_000 + b"\r\n", 431),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 1000 + b"\r\n", 431),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nCDN-Loop: edge\r\n\r\n", 508),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=" + b"0-0," * 10_000 + b"\r\n\r\n", 200),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=99999999999999999999-\r\n\r\n", 200),
    ],
)
async def test_hostile_requests(stage: Stage, request_bytes: bytes, status: int) -> None:
    """What two parsers could read in two ways is refused before an origin sees it."""
    source = await stage.source(says(b"held", "Cache-Control: max-age=60"))
    edge = await stage.gateway(source.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(edge.rsplit(":", 1)[1]))
    with contextlib.suppress(OSError):
        writer.write(request_bytes)
        await writer.drain()
    line = await asyncio.wait_for(reader.readline(), WAIT_S)
    writer.close()
    assert line.split()[1] == str(status).encode()
    assert (status == 200) == bool(source.heads)


async def test_a_client_that_trickles_its_header_is_dropped(stage: Stage) -> None:
    """Slowloris: the time for a header is bounded as a whole."""
    edge = await stage.gateway("http://127.0.0.1:1", request_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(edge.rsplit(":", 1)[1]))
    writer.write(b"GET /a HTTP/1.1\r\nHost: ")
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
    writer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    ],
)
async def test_an_origin_that_makes_no_sense_is_502(stage: Stage, client: httpx.AsyncClient, answer: bytes) -> None:
    """The edge neither crashes nor guesses."""

    async def nonsense(_head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    edge = await stage.gateway((await stage.source(nonsense)).url)
    assert (await client.get(f"{edge}/a")).status_code == 502


@pytest.mark.parametrize("header", ["bytes=0-1", "bytes=9-"])
async def test_a_range_is_of_get_alone(stage: Stage, client: httpx.AsyncClient, header: str) -> None:
    """RFC 9110 section 14.2: with HEAD it must be ignored."""
    source = await stage.source(says(b"01234", "Cache-Control: max-age=60"))
    edge = await stage.gateway(source.url)
    await client.get(f"{edge}/a")
    head = await client.head(f"{edge}/a", headers={"Range": header})
    assert (head.status_code, "content-range" in head.headers) == (200, False)


async def test_a_part_that_is_not_what_it_claims_is_not_kept(stage: Stage, client: httpx.AsyncClient) -> None:
    """Content-Range of six bytes over a body of five."""
    source = await stage.source(
        says(b"01234", "Content-Range: bytes 4-9/10", "Cache-Control: max-age=60", status="206 Partial Content")
    )
    edge = await stage.gateway(source.url)
    for _ in range(2):
        await client.get(f"{edge}/a", headers={"Range": "bytes=-5"})
    assert len(source.heads) == 2


@pytest.mark.parametrize(
    ("named", "gone"),
    [
        ({}, {"/films/a"}),
        ({"Purge-Prefix": "/films/"}, {"/films/a", "/films/b"}),
        ({"Purge-Tag": "Odd"}, {"/films/b", "/other"}),
    ],
)
@pytest.mark.parametrize("soft", ["0", "1"])
async def test_a_purge_reaches_what_it_names_and_nothing_else(
    stage: Stage, client: httpx.AsyncClient, named: dict[str, str], gone: set[str], soft: str
) -> None:
    """By URL, prefix and tag; a soft one leaves what an outage needs."""

    async def tagged(head: str, writer: asyncio.StreamWriter) -> None:
        tag = "even" if "GET /films/a" in head else "odd, new"
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=600\r\n"
            f"Cache-Tag: {tag}\r\n\r\nheld".encode()
        )

    source = await stage.source(tagged)
    edge = await stage.gateway(source.url)
    paths = ["/films/a", "/films/b", "/other"]
    for path in paths:
        await client.get(edge + path)
    headers = {"Authorization": "Bearer ours", "Purge-Soft": soft, **named}
    answer = await client.request("PURGE", f"{edge}/films/a", headers=headers)
    assert answer.json() == {"purged": len(gone)}
    asked = len(source.heads)
    if soft == "1":
        source.stop()
        assert [(await client.get(edge + path)).status_code for path in paths] == [200] * 3
        return
    for path in paths:
        await client.get(edge + path)
    assert {head.split()[1] for head in source.heads[asked:]} == gone


async def test_what_an_origin_says_of_an_object_is_kept_and_what_it_says_of_a_transfer_is_not(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """CMSD-Static and CMSD-Dynamic, also through two tiers."""
    static = 'ot=v,st=v,br=3200,d=4000,nor="2.m4s"'
    source = await stage.source(
        says(b"held", "Cache-Control: max-age=600", f"CMSD-Static: {static}", 'CMSD-Dynamic: "origin";etp=96;rtt=8')
    )
    shield = await stage.gateway(source.url)
    edge = await stage.gateway(shield, name="second")
    for _ in range(2):
        for tier in (shield, edge):
            got = await client.get(f"{tier}/1.m4s", headers={"Host": "films.example"})
    assert got.headers["cmsd-static"] == static
    assert "cmsd-dynamic" not in got.headers
    assert len(source.heads) == 1


async def test_an_answer_from_before_a_purge_is_not_kept_after_it(stage: Stage, client: httpx.AsyncClient) -> None:
    """The race that would bring the old object back."""
    gate = asyncio.Event()

    async def slow(_head: str, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nCache-Control: max-age=600\r\n\r\nold")

    source = await stage.source(slow)
    edge = await stage.gateway(source.url)
    first = asyncio.create_task(client.get(f"{edge}/a"))
    while not source.heads:
        await asyncio.sleep(0.01)
    await client.request("PURGE", f"{edge}/a", headers={"Authorization": "Bearer ours"})
    gate.set()
    assert (await first).text == "old"
    await client.get(f"{edge}/a")
    assert len(source.heads) == 2


async def test_a_purge_by_a_stranger_is_refused(stage: Stage, client: httpx.AsyncClient) -> None:
    """And what makes no sense is said."""
    source = await stage.source(says(b"held", "Cache-Control: max-age=600"))
    edge = await stage.gateway(source.url)
    await client.get(f"{edge}/a")
    wrong = await client.request("PURGE", f"{edge}/a", headers={"Authorization": "Bearer theirs"})
    both = {"Authorization": "Bearer ours", "Purge-Tag": "a", "Purge-Prefix": "/"}
    odd = await client.request("PURGE", f"{edge}/a", headers=both)
    await client.get(f"{edge}/a")
    assert (wrong.status_code, odd.status_code, len(source.heads)) == (403, 400, 1)


def test_a_front_that_is_stopped_with_clients_connected_says_nothing_of_them(tmp_path: Path) -> None:
    """An idle keep-alive connection is no error when the process ends."""
    port = free_port()
    log = tmp_path / "front.log"
    command = [str(Path(sys.executable).with_name("reelwright")), "cdn", "front"]
    command += ["--origin", "http://127.0.0.1:1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    until = time.monotonic() + 60
    while b"listens" not in log.read_bytes() and time.monotonic() < until:
        time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 502")
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert b"Traceback" not in log.read_bytes(), log.read_text()
