"""The edge over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.composed import publish

from reelwright.app.manifests import manifests_of
from reelwright.cdn.adapters.cache import DAMAGED
from reelwright.cdn.adapters.upstream import HttpFetcher
from reelwright.cdn.contract import sign_folder
from reelwright.cdn.core.eviction import Visit
from reelwright.cdn.replay import read_trace
from reelwright.cdn.settings import CdnSettings
from reelwright.cdn.system import EdgeOptions, EdgeServer
from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import DirectoryObjects, content_name

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:8000"
FAR = 4_000_000_000


class Stage:
    """Edges on free ports, sharing a key ring and a media folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys_file = folder / "keys.json"
        self.keys = KeyRing.open(self.keys_file)
        self.objects = DirectoryObjects(folder / "media")
        self.servers: list[EdgeServer] = []

    async def edge(
        self,
        *,
        name: str = "edge",
        clock: Clock | None = None,
        control: str = "",
        certificate: str = "",
        port: int = 0,
        **settings: Any,
    ) -> EdgeServer:
        """A started edge."""
        options = EdgeOptions(
            host="127.0.0.1",
            settings=CdnSettings(port=port, **settings),
            keys_file=self.keys_file,
            objects=self.objects,
            cache_folder=self.folder / name,
            origins=frozenset({ORIGIN}),
            make_manifests=manifests_of,
            control=control,
            certificate=certificate,
        )
        server = EdgeServer(options, clock or SystemClock())
        await server.start()
        self.servers.append(server)
        return server

    def put(self, data: bytes, suffix: str = ".m4s", asset: str = "a1") -> str:
        """Publish an object; returns its name."""
        name = content_name(f"assets/{asset}", data, suffix)
        self.objects.put(name, data)
        return name

    def url(self, server: EdgeServer, name: str, *, viewer: str | None = None, expires_s: int = FAR) -> str:
        """A signed URL."""
        folder = "/".join(name.split("/")[:2])
        path = sign_folder(self.keys, folder, expires_s=expires_s, viewer=viewer)
        return f"http://127.0.0.1:{server.port}{path}{name}"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage that is cleared afterwards."""
    made = Stage(tmp_path)
    yield made
    for server in made.servers:
        await server.stop()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=200)) as made:
        yield made


async def test_an_object_comes_whole_with_type_and_tag(stage: Stage, client: httpx.AsyncClient) -> None:
    """GET answers the bytes; HEAD the same head without them; a matching tag is 304."""
    data = os.urandom(3_000_000)
    server = await stage.edge()
    url = stage.url(server, stage.put(data))
    got = await client.get(url, headers={"Origin": ORIGIN})
    assert (got.status_code, got.content == data) == (200, True)
    assert got.headers["content-type"] == "video/iso.segment"
    assert got.headers["access-control-allow-origin"] == ORIGIN
    assert got.headers["access-control-allow-credentials"] == "true"
    head = await client.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(data)), b"")
    part = await client.head(url, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (200, str(len(data)))  # a range is of GET alone
    again = await client.get(url, headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("header", "status", "piece"),
    [
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=90-1000", 206, slice(90, None)),
        ("bytes=100-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=5-2", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("pages=1-2", 200, slice(None)),
    ],
)
async def test_ranges(stage: Stage, client: httpx.AsyncClient, header: str, status: int, piece: slice) -> None:
    """RFC 9110 section 14, with several ranges answered by the whole."""
    data = os.urandom(100)
    server = await stage.edge()
    got = await client.get(stage.url(server, stage.put(data)), headers={"Range": header})
    assert (got.status_code, got.content) == (status, data[piece])


async def test_if_range_of_another_object_gives_the_whole(stage: Stage, client: httpx.AsyncClient) -> None:
    """A tag that does not match makes the range void."""
    server = await stage.edge()
    url = stage.url(server, stage.put(b"x" * 50))
    got = await client.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (got.status_code, len(got.content)) == (200, 50)


async def test_only_the_signed_folder_viewer_and_time_open(stage: Stage, client: httpx.AsyncClient) -> None:
    """Expired, altered, foreign and another viewer's URLs are refused, each by its own type."""
    server = await stage.edge()
    name = stage.put(b"secret")
    other = stage.put(b"other", asset="b2")
    expired = await client.get(stage.url(server, name, expires_s=1))
    altered = await client.get(stage.url(server, name).replace(str(FAR), str(FAR + 1)))
    foreign = await client.get(stage.url(server, name).replace(name, other))
    stranger = await client.get(stage.url(server, name, viewer="ada"), headers={"Cookie": "rw_viewer=ben"})
    nobody = await client.get(stage.url(server, name, viewer="ada"))
    right = await client.get(stage.url(server, name, viewer="ada"), headers={"Cookie": "a=b; rw_viewer=ada"})
    types = [answer.json()["type"].rsplit("/", 1)[1] for answer in (expired, altered, foreign, stranger, nobody)]
    assert types == [
        "media-url-expired",
        "media-url-altered",
        "media-url-altered",
        "media-url-of-another-viewer",
        "media-url-of-another-viewer",
    ]
    assert (right.status_code, right.content) == (200, b"secret")


@pytest.mark.parametrize("trick", ["../keys.json", "..%2f..%2fkeys.json", "%00", ".hidden", "a//b", "x" * 3000, ""])
async def test_path_tricks_find_nothing(stage: Stage, client: httpx.AsyncClient, trick: str) -> None:
    """No name leads outside the folder."""
    server = await stage.edge()
    token = sign_folder(stage.keys, "assets/a1", expires_s=FAR, viewer=None)
    status = await _raw(server, f"GET {token}assets/a1/{trick} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status.split(b" ")[1] in (b"404", b"403", b"400")


async def test_a_rotated_ring_opens_old_and_new_urls(stage: Stage, client: httpx.AsyncClient) -> None:
    """Rotation takes effect without a restart, and breaks nothing in flight."""
    server = await stage.edge()
    name = stage.put(b"film")
    old = stage.url(server, name)
    stage.keys = stage.keys.rotated()
    new = stage.url(server, name)
    assert (await client.get(new)).status_code == 403
    stage.keys.save(stage.keys_file)
    async with asyncio.timeout(60):
        while (await client.get(new)).status_code != 200:
            await asyncio.sleep(0.1)
    assert (await client.get(old)).status_code == 200


async def _raw(server: EdgeServer, text: str | bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(text.encode() if isinstance(text, str) else text)
    try:
        return await asyncio.wait_for(reader.read(1 << 20), 10)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("nonsense\r\n\r\n", b"400"),
        ("GET / HTTP/1.1\r\n" + "".join(f"X-{i}: y\r\n" for i in range(100)) + "\r\n", b"431"),
        ("GET / HTTP/1.1\r\nX: " + "y" * 40_000 + "\r\n\r\n", b"431"),
        ("GET / HTTP/1.1\r\n" + "".join(f"X-{i}: {'y' * 900}\r\n" for i in range(30)) + "\r\n", b"431"),
        ("GET / HTTP/1.1\r\n" + f"X: {'y' * 90}\r\n" * 300 + "\r\n", b"431"),
        ("GET /" + "y" * 40_000 + " HTTP/1.1\r\n\r\n", b"431"),
        ("DELETE /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", b"405"),
    ],
)
async def test_bad_requests_get_a_clear_answer(stage: Stage, text: str, status: bytes) -> None:
    """Malformed and oversized requests end in a 4xx and a closed connection."""
    server = await stage.edge()
    assert (await _raw(server, text)).split(b" ")[1] == status


async def test_a_client_that_sends_nothing_is_dropped(stage: Stage) -> None:
    """A slow loris holds a connection for `request_s` at most."""
    server = await stage.edge(request_s=0.5)
    assert await _raw(server, "GET / HTTP/1.1\r\nX-Slow: ") == b""


async def test_a_client_that_does_not_read_is_dropped(stage: Stage) -> None:
    """Without progress for `stall_s` the connection is cut, and its memory freed."""
    server = await stage.edge(stall_s=0.5)
    url = stage.url(server, stage.put(os.urandom(20_000_000)))
    path = url.split(str(server.port), 1)[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.sleep(3)
    with contextlib.suppress(ConnectionError):
        got = await reader.read(-1)
        assert len(got) < 20_000_000
    writer.close()


async def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    """Ten requests in one packet give ten answers in line."""
    server = await stage.edge()
    names = [stage.put(bytes([65 + index]) * 10) for index in range(10)]
    paths = [stage.url(server, name).split(str(server.port), 1)[1] for name in names]
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths[:-1]]
    requests.append(f"GET {paths[-1]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    got = await _raw(server, "".join(requests))
    bodies = [part.split(b"\r\n\r\n", 1)[1][:10] for part in got.split(b"HTTP/1.1 200")[1:]]
    assert bodies == [bytes([65 + index]) * 10 for index in range(10)]


class SlowOrigin:
    """An upstream over raw sockets that sends slowly, counts requests, and dies where it is told to."""

    def __init__(self, data: bytes, *, die_at: Callable[[int], int | None] = lambda _n: None, pause_s: float = 0.02):
        self.data, self.die_at, self.pause_s, self.requests = data, die_at, pause_s, 0
        self.may_end = asyncio.Event()
        """Until then the last bytes are held back."""
        self.may_end.set()

    async def __aenter__(self) -> str:
        """Listen; gives the URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # on a busy machine it was given up before it was asked
            writer.close()
            return
        self.requests += 1
        number = self.requests
        lines = head.decode().lower().split("\r\n")
        start = next((int(line.split("=")[1].rstrip("-")) for line in lines if line.startswith("range:")), 0)
        status = "206 Partial Content" if start else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(self.data) - start}\r\n\r\n".encode())
        limit = self.die_at(number)
        with contextlib.suppress(ConnectionError):
            for at in range(start, len(self.data), 100_000):
                if limit is not None and at >= limit:
                    break
                if at + 100_000 >= len(self.data):
                    await self.may_end.wait()
                writer.write(self.data[at : at + 100_000])
                await writer.drain()
                await asyncio.sleep(self.pause_s)
            writer.close()


async def test_a_crowd_on_a_cold_object_costs_one_fetch(stage: Stage, client: httpx.AsyncClient) -> None:
    """A hundred clients join one fetch, and all have the first bytes before the last have arrived."""
    data = os.urandom(2_000_000)
    name = content_name("assets/a1", data, ".m4s")
    origin = SlowOrigin(data)
    origin.may_end.clear()
    begun = 0
    async with origin as upstream:
        server = await stage.edge(upstreams=(upstream,))

        async def watch() -> bytes:
            nonlocal begun
            async with client.stream("GET", stage.url(server, name)) as response:
                blocks = response.aiter_raw()
                first = await anext(blocks)
                begun += 1
                if begun == 100:
                    origin.may_end.set()
                return first + b"".join([block async for block in blocks])

        results = await asyncio.gather(*(watch() for _ in range(100)))
    assert origin.requests == 1
    assert all(body == data for body in results)


async def test_an_upstream_that_dies_is_resumed(stage: Stage, client: httpx.AsyncClient) -> None:
    """The fetch goes on from where it broke; the client notices nothing."""
    data = os.urandom(1_000_000)
    name = content_name("assets/a1", data, ".m4s")
    async with SlowOrigin(data, die_at=lambda number: 400_000 if number == 1 else None) as upstream:
        server = await stage.edge(upstreams=(upstream,))
        got = await client.get(stage.url(server, name))
    assert got.content == data


async def test_a_body_that_breaks_off_is_never_passed_as_whole(stage: Stage, client: httpx.AsyncClient) -> None:
    """When the upstream stays dead the client sees an error, and nothing half is kept."""
    data = os.urandom(1_000_000)
    name = content_name("assets/a1", data, ".m4s")
    async with SlowOrigin(data, die_at=lambda number: 400_000) as upstream:
        server = await stage.edge(upstreams=(upstream,))
        with pytest.raises(httpx.HTTPError):
            await client.get(stage.url(server, name))
    held = [path for path in (stage.folder / "edge").rglob("*") if path.is_file()]
    assert held == []


async def test_bytes_that_do_not_match_their_name_are_not_kept(stage: Stage, client: httpx.AsyncClient) -> None:
    """A content-hash name proves its object; damage on the way is not cached."""
    name = content_name("assets/a1", b"what it should be", ".m4s")
    async with SlowOrigin(b"what it is not...") as upstream:
        server = await stage.edge(upstreams=(upstream,))
        with contextlib.suppress(httpx.HTTPError):
            await client.get(stage.url(server, name))
        assert not (stage.folder / "edge" / name).exists()


async def test_a_missing_object_is_not_found_through_tiers(stage: Stage, client: httpx.AsyncClient) -> None:
    """404 at the origin is 404 at the edge, at once."""
    shield = await stage.edge(name="shield")
    server = await stage.edge(upstreams=(f"http://127.0.0.1:{shield.port}",))
    name = content_name("assets/a1", b"nothing", ".m4s")
    assert (await client.get(stage.url(server, name))).status_code == 404


async def test_the_cache_keeps_its_budget_and_survives_a_restart(stage: Stage, client: httpx.AsyncClient) -> None:
    """Least recently used objects go; after a restart the rest is served with the upstream gone."""
    names = [stage.put(os.urandom(400_000)) for _ in range(5)]
    shield = await stage.edge(name="shield")
    url = f"http://127.0.0.1:{shield.port}"
    server = await stage.edge(upstreams=(url,), cache_bytes=1_000_000)
    for name in names:
        assert (await client.get(stage.url(server, name))).status_code == 200
    (stage.folder / "edge" / "assets" / "a1" / "half.m4s.1.part").write_bytes(b"half")
    held = {path.name for path in (stage.folder / "edge").rglob("*.m4s")}
    assert held == {name.rsplit("/", 1)[1] for name in names[-2:]}
    await server.stop()
    stage.servers.remove(server)
    again = await stage.edge(upstreams=("http://127.0.0.1:9",), cache_bytes=1_000_000)
    assert (await client.get(stage.url(again, names[-1]))).status_code == 200
    assert not list((stage.folder / "edge").rglob("*.part"))


async def test_a_full_disk_still_serves(
    stage: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing more can be cached the viewer still gets the film, through memory."""
    data = os.urandom(900_000)
    name = stage.put(data)
    shield = await stage.edge(name="shield")
    server = await stage.edge(upstreams=(f"http://127.0.0.1:{shield.port}",))
    real, room = os.write, [300_000]

    def full(descriptor: int, block: bytes) -> int:
        if "edge" not in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            return real(descriptor, block)
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= len(block)
        return real(descriptor, block)

    monkeypatch.setattr("reelwright.cdn.adapters.cache.os.write", full)
    got = await client.get(stage.url(server, name))
    assert hashlib.sha256(got.content).digest() == hashlib.sha256(data).digest()
    assert not (stage.folder / "edge" / name).exists()


async def test_an_upstream_must_be_a_url(stage: Stage) -> None:
    """A typing error in the settings is named at start."""
    with pytest.raises(Exception, match="http://host:port"):
        HttpFetcher(("shield:8001",), keys=stage.keys, clock=SystemClock())


@pytest.mark.parametrize("damage", ["flipped", "short", "empty"])
async def test_a_damaged_file_of_the_cache_is_fetched_again(
    stage: Stage, client: httpx.AsyncClient, damage: str
) -> None:
    """After a restart nothing on the disk is believed before it was read."""
    data = os.urandom(300_000)
    name = stage.put(data)
    origin = await stage.edge(name="origin")
    upstream = (f"http://127.0.0.1:{origin.port}",)
    first = await stage.edge(name="cache", upstreams=upstream)
    assert (await client.get(stage.url(first, name))).content == data
    path = stage.folder / "cache" / name
    async with asyncio.timeout(60):
        while not path.is_file():
            await asyncio.sleep(0.01)
    await first.stop()
    stage.servers.remove(first)
    changed = {"flipped": data[:-1] + bytes([data[-1] ^ 1]), "short": data[:100], "empty": b""}
    path.write_bytes(changed[damage])
    counted = DAMAGED._value.get()
    second = await stage.edge(name="cache", upstreams=upstream)
    assert (await client.get(stage.url(second, name))).content == data
    async with asyncio.timeout(60):
        while path.stat().st_size != len(data):
            await asyncio.sleep(0.01)
    assert path.read_bytes() == data
    assert DAMAGED._value.get() == counted + 1


async def test_the_access_log_can_be_replayed(stage: Stage, client: httpx.AsyncClient) -> None:
    """Objects, sizes and sessions; what was refused is not in it, nor who asks after the edge's health."""
    server = await stage.edge(access_log=True)
    server.edge.reports = True
    name = stage.put(b"x" * 500)
    assert (await client.get(f"http://127.0.0.1:{server.port}/readyz")).status_code == 200
    assert not server.edge.unreported and server.edge.totals["requests"] == 0
    url = stage.url(server, name)
    await client.get(url, headers={"CMCD-Session": 'sf=h,sid="s1"'})
    await client.get(f"{url}?CMCD=bl%3D1%2Csid%3D%22s2%22", headers={"Range": "bytes=0-99"})
    await client.get(stage.url(server, name, expires_s=1))
    server.edge.flush()
    visits = read_trace(stage.folder / "access.jsonl").visits
    assert [(visit.key, visit.size, visit.session) for visit in visits] == [(name, 500, "s1"), (name, 100, "s2")]


async def test_what_a_viewer_wants_next_is_fetched_while_it_plays_this_one(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """CMCD's `nor` within the signed folder; Cache-Status and CMSD say what happened; tricks fetch nothing."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(name="edge", upstreams=(f"http://127.0.0.1:{origin.port}",))
    first, second = stage.put(b"one" * 999), stage.put(b"two" * 999)
    foreign = stage.put(b"foreign", asset="b2")
    for wanted in ("../b2/" + foreign.rsplit("/", 1)[1], "%2e%2e/x", "a" * 5000, ".hidden"):
        got = await client.get(stage.url(edge, first), headers={"CMCD-Request": f'bl=1000,nor="{wanted}"'})
        assert got.status_code == 200
    wanted = second.rsplit("/", 1)[1]
    got = await client.get(stage.url(edge, first), headers={"CMCD-Request": f'bl=1000,nor="{wanted}"'})
    assert got.headers["cache-status"] == "reelwright; hit"
    assert got.headers["cmsd-dynamic"] == '"reelwright";rd=0'
    async with asyncio.timeout(60):
        while not (stage.folder / "edge" / second).exists():
            await asyncio.sleep(0.02)
    held = await client.get(stage.url(edge, second))
    assert held.headers["cache-status"] == "reelwright; hit"
    assert "cmsd-dynamic" not in held.headers
    assert not (stage.folder / "edge" / foreign).exists()
    third = stage.put(b"three" * 999)
    missed = await client.get(stage.url(edge, third) + "?CMCD=nor%3D%22x.m4s%22")
    assert missed.headers["cache-status"].startswith("reelwright; fwd=uri-miss; stored")
    assert missed.headers["cmsd-dynamic"].startswith('"reelwright";rd=')


async def test_the_cache_s_policy_is_told_which_session_is_where_in_which_stream(
    stage: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the package, once the edge holds it; so a session under way tells when each segment is wanted next."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(name="edge", upstreams=(f"http://127.0.0.1:{origin.port}",), eviction="foresight")
    package, name = publish(stage.objects)
    seen: list[Visit] = []
    policy = edge._cache._index  # type: ignore[union-attr]
    note = policy.note

    def noted(visit: Visit) -> None:
        seen.append(visit)
        note(visit)

    monkeypatch.setattr(policy, "note", noted)
    track = package.tracks[0]
    said = {"CMCD-Session": 'sid="s1"'}
    assert (await client.get(stage.url(edge, name))).status_code == 200
    async with asyncio.timeout(60):
        while not seen or seen[-1].stream != f"{package.folder}/{track.id}":
            await client.get(stage.url(edge, track.segments[0].name), headers=said)
    await client.get(stage.url(edge, track.segments[1].name), headers=said)
    await client.get(stage.url(edge, track.segments[1].name))
    known = [(one.key, one.session, one.index) for one in seen[-3:]]
    assert known == [
        (track.segments[0].name, "s1", 0),
        (track.segments[1].name, "s1", 1),
        (track.segments[1].name, "", -1),
    ]


async def test_a_small_object_from_memory_is_what_is_on_disk(stage: Stage, client: httpx.AsyncClient) -> None:
    """Asked for often it comes from memory; its conditions, ranges, CORS and signatures still hold."""
    data = os.urandom(2000)
    server = await stage.edge()
    url = stage.url(server, stage.put(data))
    answers = [await client.get(url, headers={"Origin": ORIGIN} if at % 2 else {}) for at in range(6)]
    assert all(one.content == data and one.headers["content-length"] == "2000" for one in answers)
    assert [one.headers.get("access-control-allow-origin") for one in answers] == [None, ORIGIN] * 3
    assert {one.headers["etag"] for one in answers} == {answers[0].headers["etag"]}
    part = await client.get(url, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content) == (206, data[3:6])
    same = await client.get(url, headers={"If-None-Match": answers[0].headers["etag"]})
    assert same.status_code == 304
    assert (await client.head(url)).headers["content-length"] == "2000"
    assert (await client.get(url.replace(str(FAR), str(FAR - 1)))).status_code == 403
    bound = stage.url(server, stage.put(data), viewer="ada")
    for cookie, status in (("rw_viewer=ada", 200), ("rw_viewer=ben", 403), ("rw_viewer=ada", 200), ("", 403)):
        assert (await client.get(bound, headers={"Cookie": cookie})).status_code == status


async def test_header_blocks_read_before_never_hide_a_request(stage: Stage) -> None:
    """A request that ends in a known block gets the answer that it would get with one that nobody sent before."""
    server = await stage.edge()
    path = stage.url(server, stage.put(b"x")).split("/", 3)[3].encode()
    known = b"Host: edge\r\nAccept: a\r\n\r\n"

    async def status(*texts: bytes) -> list[bytes]:
        """Status lines of all answers on one connection, each request sent after the answer before."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(60):
            for text in texts[:-1]:
                writer.write(text)
                await reader.readuntil(b"\r\n\r\nx")
            writer.write(texts[-1])
            writer.write_eof()
            found = await reader.read()
        writer.close()
        return re.findall(rb"HTTP/1\.1 \d+ [A-Za-z ]+\r\n", found)

    lines = [
        b"GET /%b HTTP/1.1" % path,
        b"GET /none HTTP/1.1",
        b"GET  /none HTTP/1.1",
        b"GET /no ne HTTP/1.1",
        b"POST /none HTTP/1.1",
        b"GET /none HTTP/1.0",
        b"GET /none\x7f HTTP/1.1",
        b"GET /none HTTP/1.1\nX: y",
        b"GET /none HTTP/1.1\r\nContent-Length: 3",
        b"GET /none HTTP/1.1\r\nTransfer-Encoding: chunked",
        b"",
    ]
    for number, line in enumerate(lines):
        fresh = await status(line + b"\r\nHost: edge\r\nAccept: b%d\r\n\r\n" % number)
        again = await status(lines[0] + b"\r\n" + known, line + b"\r\n" + known)
        assert again == fresh, line
    twice = await status(lines[0] + b"\r\n" + known + lines[1] + b"\r\n" + known)
    assert [one.split()[1] for one in twice] == [b"200", b"404"]


async def test_an_object_that_changes_under_one_url_is_never_put_together_from_both(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    """The upstream breaks off and goes on with another: nothing of it is kept, or passed as whole."""
    first, second = os.urandom(200_000), os.urandom(200_000)
    name = content_name("assets/a1", first, ".m4s")
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        match = re.search(rb"[Rr]ange: bytes=(\d+)-", asked[-1])
        begin = int(match[1]) if match else 0
        head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-199999/200000\r\n" % begin
        writer.write((head if match else b"HTTP/1.1 200 OK\r\n") + b"Content-Length: %d\r\n\r\n" % (200_000 - begin))
        writer.write(first[:100_000] if len(asked) == 1 else second[begin:])
        writer.close()

    source = await asyncio.start_server(answer, "127.0.0.1", 0)
    edge = await stage.edge(name="e", upstreams=(f"http://127.0.0.1:{source.sockets[0].getsockname()[1]}",))
    with contextlib.suppress(httpx.HTTPError):
        got = await client.get(stage.url(edge, name))
        assert got.status_code >= 500, "neither the first nor the second was passed on as the whole"
    assert len(asked) >= 2
    assert not (stage.folder / "e" / name).exists()
    source.close()
