"""An edge of several processes on one port: whichever answers, the answer is the same; nothing is lost or stale."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.composed import publish
from tests.integration.cdn.test_edge import FAR, ORIGIN, SlowOrigin, Stage
from tests.service import free_port

from reelwright.cdn.adapters import workers
from reelwright.cdn.adapters.workers import HANDED
from reelwright.cdn.contract import sign_folder
from reelwright.cdn.system import EdgeServer
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import content_name
from reelwright.kernel.peers import peer_token

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HANGS_S = 60
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The owner's loop is the service's: it says in another order what has happened on a connection."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Edges that are stopped afterwards, with their workers."""
    made = Stage(tmp_path)
    yield made
    for server in reversed(made.servers):
        await server.stop()


def holder(server_port: int, client_port: int) -> int:
    """The process that has the server's end of a connection; 0 where none has taken it yet."""
    ends = f":{server_port:04X}", f":{client_port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next((row[9] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])), "0")
    return next((pid for pid in family() if f"socket:[{inode}]" in opened_by(pid)), 0)


def family(pid: int | None = None) -> Iterator[int]:
    """This process, in which the owner is, and all below it: to look through a busy machine's takes too long."""
    yield (pid := pid or os.getpid())
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ended
            for child in children.read_text().split():
                yield from family(int(child))


def opened_by(pid: int) -> set[str]:
    """What a process has open, deleted files too."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # the descriptor that lists them is among them
                found.add(str(link.readlink()))
    return found


async def listening(server: EdgeServer, count: int = 1) -> list[int]:
    """The workers' process numbers, once so many listen."""
    assert server.workers is not None
    async with asyncio.timeout(HANGS_S):
        while len(server.workers.pids) < count:
            await asyncio.sleep(0.02)
    return server.workers.pids


class Client:
    """One connection, at a process of our choice."""

    def __init__(self, port: int, pid: int, *, window: int = 0) -> None:
        self.port, self._pid, self._window = port, pid, window
        self.asked = 0

    async def __aenter__(self) -> Client:
        """Connect until the system chooses that process."""
        async with asyncio.timeout(HANGS_S):
            while True:
                own = socket.socket()
                if self._window:
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
                own.setblocking(False)
                await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self.port))
                self.reader, self.writer = await asyncio.open_connection(sock=own, limit=1 << 16)
                while not (found := self.holder()):
                    await asyncio.sleep(0.01)
                if found == self._pid:
                    return self
                self.writer.close()

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def holder(self) -> int:
        """Which process has it now."""
        return holder(self.port, self.writer.get_extra_info("sockname")[1])

    def send(self, url: str, *lines: str, method: str = "GET") -> None:
        """Ask."""
        self.asked += 1
        self.writer.write(request(url, *lines, method=method))

    async def read(self, *, body: bool = True) -> tuple[bytes, bytes]:
        """The next answer: head, body."""
        async with asyncio.timeout(HANGS_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            return head, await self.reader.readexactly(int(length[1]) if length and body else 0)

    async def ask(self, url: str, *lines: str, method: str = "GET") -> tuple[bytes, bytes]:
        """One answer."""
        self.send(url, *lines, method=method)
        return await self.read(body=method != "HEAD")

    async def status(self, url: str, *lines: str) -> int:
        """Of one answer."""
        return int((await self.ask(url, *lines))[0].split()[1])


def request(url: str, *lines: str, method: str = "GET") -> bytes:
    """As it goes over the wire."""
    head = "".join(f"{line}\r\n" for line in ("Host: edge", *lines))
    return f"{method} /{url.split('/', 3)[3]} HTTP/1.1\r\n{head}\r\n".encode()


async def answers_itself(client: Client, url: str, *lines: str) -> None:
    """Ask until the process that has the connection needs no other for it."""
    async with asyncio.timeout(HANGS_S):
        while True:
            before = HANDED._value.get()
            assert await client.status(url, *lines) == 200
            if HANDED._value.get() == before:
                return


async def counted(server: EdgeServer, requests: int) -> None:
    """Wait for the workers' reports; more than was asked is an error at once."""
    async with asyncio.timeout(HANGS_S):
        while (now := server.edge.totals["requests"]) != requests:
            assert now < requests
            await asyncio.sleep(0.02)


CMCD = ('CMCD-Session: sid="s1"', "CMCD-Request: bl=1000")
PLAIN = [
    ((), "GET"), ((f"Origin: {ORIGIN}",), "GET"), (("Origin: http://else",), "GET"), ((), "HEAD"), (CMCD, "GET"),
    (("Range: bytes=3-20",), "GET"), (("Range: bytes=-5",), "GET"), (("Range: bytes=9999999-",), "GET"),
    (("Range: bytes=0-1", 'If-Range: "other"'), "GET"), (("Range: bytes=0-9",), "HEAD"),
    (("If-None-Match: *",), "GET"), (("Cache-Control: only-if-cached",), "GET"), ((), "OPTIONS"), ((), "PUT"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["cache", "library"])
async def test_a_worker_answers_as_the_owner_does(stage: Stage, kind: str) -> None:
    """Status, header and body of every sort of request, byte for byte; what is held without asking the owner."""
    origin = await stage.edge(name="origin")
    upstreams = (f"http://127.0.0.1:{origin.port}",) if kind == "cache" else ()
    edge = await stage.edge(processes=2, upstreams=upstreams, control=NOBODY)
    package, package_name = publish(stage.objects)
    segment = package.tracks[0].segments[0].name
    small, large = stage.put(os.urandom(2000)), stage.put(os.urandom(500_000))
    stem = package_name.removesuffix(".json")
    (worker,) = await listening(edge)
    bound = stage.url(edge, small, viewer="ada")
    made = [(stage.url(edge, f"{stem}{end}"), lines, "GET") for end in (".m3u8", ".mpd", ".m3u8?supports=hevc")
            for lines in ((), ("User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)",))]  # fmt: skip
    refused = [
        (stage.url(edge, small, expires_s=1), (), "GET"),
        (stage.url(edge, small).replace(str(FAR), str(FAR - 1)), (), "GET"),
        (bound, (), "GET"),
        (bound, ("Cookie: rw_viewer=ben",), "GET"),
        (f"http://127.0.0.1:{edge.port}/none", (), "GET"),
        (stage.url(edge, content_name("assets/a1", b"nothing", ".m4s")), (), "GET"),
        (stage.url(edge, f"{package.folder}/steering.json"), (), "GET"),
        (stage.url(edge, small), ("Authorization: Bearer none",), "PURGE"),
    ]
    held = [(stage.url(edge, name), *how) for name in (small, large, segment) for how in PLAIN]
    held += [(bound, ("Cookie: rw_viewer=ada",), "GET"), (f"http://127.0.0.1:{edge.port}/readyz", (), "GET")]
    held += [(f"http://127.0.0.1:{edge.port}/allowed", (f"X-Original-URI: /{bound.split('/', 3)[3]}",), "GET")]
    async with Client(edge.port, worker) as there, Client(edge.port, os.getpid()) as here:
        for name in (small, large, package_name, segment):
            for client in (there, here):
                await answers_itself(client, stage.url(edge, name))
                async with asyncio.timeout(HANGS_S):  # the package is read beside the loop
                    while (
                        name == segment and b"CMSD-Static" not in (await client.ask(stage.url(edge, name), *CMCD))[0]
                    ):
                        await asyncio.sleep(0.02)
        handed = HANDED._value.get()
        for url, lines, method in held * 3:
            assert await there.ask(url, *lines, method=method) == await here.ask(url, *lines, method=method), (
                url, lines, method)  # fmt: skip
        assert HANDED._value.get() == handed
        for url, lines, method in (*refused, *made):
            assert await there.ask(url, *lines, method=method) == await here.ask(url, *lines, method=method), (
                url, lines, method)  # fmt: skip
        assert HANDED._value.get() > handed
        async with asyncio.timeout(HANGS_S):
            while there.holder() != worker:
                await asyncio.sleep(0.01)


async def test_a_rotated_and_a_revoked_ring_is_every_process_s(stage: Stage) -> None:
    """As soon as the owner has read it; also what lies in a worker's memory opens no more."""
    edge = await stage.edge(processes=2)
    url = stage.url(edge, stage.put(os.urandom(2000)))
    (worker,) = await listening(edge)
    async with Client(edge.port, worker) as there:
        for _ in range(5):
            assert await there.status(url) == 200
        rotated = stage.keys.rotated()
        rotated.save(stage.keys_file)
        edge._follow_keys()
        assert await there.status(url) == 200
        KeyRing.generate().save(stage.keys_file)
        edge._follow_keys()
        assert await there.status(url) == 403


async def test_a_crowd_on_a_cold_object_over_all_processes_is_one_fetch(stage: Stage) -> None:
    """Clients of every process are sent the bytes as they come, of one transfer."""
    data = os.urandom(2_000_000)
    name = content_name("assets/a1", data, ".m4s")
    origin = SlowOrigin(data)
    origin.may_end.clear()
    begun: Counter[int] = Counter()
    async with origin as upstream:
        edge = await stage.edge(upstreams=(upstream,), processes=3)
        workers = await listening(edge, 2)
        url = stage.url(edge, name)

        async def watch(pid: int) -> bytes:
            async with Client(edge.port, pid) as client:
                client.send(url)
                head = await client.reader.readuntil(b"\r\n\r\n")
                first = await client.reader.readexactly(1000)
                begun[pid] += 1
                if begun.total() == 51:
                    origin.may_end.set()
                assert b"200 OK" in head
                return first + await client.reader.readexactly(len(data) - 1000)

        bodies = await asyncio.gather(*(watch(pid) for pid in (*workers, os.getpid()) for _ in range(17)))
    assert origin.requests == 1
    assert all(body == data for body in bodies) and len(begun) == 3
    await counted(edge, 51)


def _order(edge: EdgeServer) -> str:
    return f"Authorization: Bearer {peer_token(edge.edge.keys, SystemClock())}"


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_purge_is_seen_by_all_as_soon_as_it_is_acknowledged(stage: Stage, stopped: bool) -> None:
    """By URL, by tag and soft; a worker that hung meanwhile knows it before its next answer."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=3, control=NOBODY)
    workers = await listening(edge, 2)
    names = [stage.put(os.urandom(size), asset="tagged") for size in (2000, 100_000)]
    urls = [stage.url(edge, name) for name in names]
    cache = edge._cache
    assert cache is not None
    async with (
        Client(edge.port, workers[0]) as one,
        Client(edge.port, workers[1]) as two,
        Client(edge.port, os.getpid()) as ours,
    ):
        for order, soft in (("", "0"), ("Purge-Tag: tagged", "0"), ("Purge-Tag: tagged", "1")):
            for client in (one, two, ours):
                for url in urls:
                    await answers_itself(client, url)
                    await answers_itself(client, url)
            for name in names:  # so that an answer from before the purge would show
                (stage.folder / "edge" / name).write_bytes(b"damaged" * 10)
            fetched = cache.fetched_bytes
            if stopped:
                for pid in workers:
                    os.kill(pid, signal.SIGSTOP)
                one.send(urls[0])
                two.send(urls[1])
            try:
                lines = [_order(edge), f"Purge-Soft: {soft}", *[order] * bool(order)]
                said = [await ours.ask(url, *lines, method="PURGE") for url in urls[: 1 if order else 2]]
            finally:
                for pid in workers:
                    os.kill(pid, signal.SIGCONT)
            assert [body for _, body in said] == ([b'{"purged":2}'] if order else [b'{"purged":1}'] * 2)
            if not stopped:
                one.send(urls[0])
                two.send(urls[1])
            for client, name in ((one, names[0]), (two, names[1])):
                head, body = await client.read()
                assert b"fwd=uri-miss" in head
                assert body == stage.objects.get(name)
            assert cache.fetched_bytes == fetched + 102_000


async def test_a_worker_killed_under_load_harms_no_other_and_comes_again(stage: Stage) -> None:
    """No body is ever wrong, connections of other processes go on, and the new one knows at once what is held."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=3)
    bodies = [os.urandom(size) for size in (2000, 300_000, 2_000_000)]
    urls = [stage.url(edge, stage.put(body)) for body in bodies]
    first, second = await listening(edge, 2)
    ended, cut = asyncio.Event(), Counter[int]()
    sent: Counter[int] = Counter()

    async def watch(pid: int) -> None:
        async with Client(edge.port, pid) as client:
            try:
                while not ended.is_set():
                    for url, body in zip(urls, bodies, strict=True):
                        head, got = await client.ask(url)
                        assert b"200 OK" in head and got == body
                        sent[pid] += 1
            except (asyncio.IncompleteReadError, ConnectionError):
                cut[pid] += 1

    async with asyncio.TaskGroup() as group:
        for pid in (first, second, os.getpid()) * 4:
            group.create_task(watch(pid))
        async with asyncio.timeout(HANGS_S):
            while min(sent[pid] for pid in (first, second, os.getpid())) < 20:
                await asyncio.sleep(0.02)
            os.kill(first, signal.SIGKILL)
            before = {pid: sent[pid] for pid in (second, os.getpid())}
            while first in edge.workers.pids or len(edge.workers.pids) < 2:  # type: ignore[union-attr]
                await asyncio.sleep(0.02)
            while any(sent[pid] < count + 20 for pid, count in before.items()):
                await asyncio.sleep(0.02)
        ended.set()
    assert cut == {first: 4}
    (third,) = set(edge.workers.pids) - {second}  # type: ignore[union-attr]
    handed = HANDED._value.get()
    async with Client(edge.port, third) as client:
        for url, body in zip(urls, bodies, strict=True):
            assert (await client.ask(url))[1] == body
    assert HANDED._value.get() == handed


async def test_a_worker_that_hangs_is_replaced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections are cut, so that who waits there asks elsewhere; one that has nothing to say is left alone."""
    monkeypatch.setattr(workers, "HUNG_S", 3)
    edge = await stage.edge(name="origin", processes=3)
    url = stage.url(edge, stage.put(b"film"))
    first, second = await listening(edge, 2)
    async with Client(edge.port, first) as client:
        os.kill(first, signal.SIGSTOP)
        client.send(url)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.read()
    (third,) = set(await listening(edge, 2)) - {second}
    async with Client(edge.port, third) as client:
        assert (await client.ask(url))[1] == b"film"
    await asyncio.sleep(4)
    assert set(edge.workers.pids) == {second, third}  # type: ignore[union-attr]


async def test_with_the_owner_its_workers_end(stage: Stage) -> None:
    """kill -9 of the owner while a worker sends: the worker ends too, also one that hung, and the port is free."""
    port = free_port()
    environ = {
        "REELWRIGHT_DATA": str(stage.folder / "own"),
        "REELWRIGHT_KEYS": str(stage.keys_file),
        "REELWRIGHT_MEDIA": f"file://{stage.folder}/media",
        "REELWRIGHT_CDN_PORT": str(port),
        "REELWRIGHT_CDN_PROCESSES": "3",
    }
    command = [sys.executable, "-m", "reelwright.app.roles", "edge"]
    path = sign_folder(stage.keys, "assets/a1", expires_s=FAR, viewer=None) + stage.put(os.urandom(20_000_000))
    with subprocess.Popen(command, env={**os.environ, **environ}, stdin=subprocess.PIPE) as owner:  # noqa: ASYNC220
        try:
            workers = await asyncio.to_thread(_workers_of, owner.pid, port, 2)
            async with Client(port, workers[0]) as client:
                client.send(f"http://127.0.0.1:{port}{path}")
                await client.reader.readexactly(100_000)
                os.kill(workers[1], signal.SIGSTOP)
                owner.kill()
                owner.wait()
                os.kill(workers[1], signal.SIGCONT)
                async with asyncio.timeout(HANGS_S):
                    while any(_lives(pid) for pid in workers):
                        await asyncio.sleep(0.02)
        finally:
            owner.kill()
    async with asyncio.timeout(HANGS_S):  # the system takes a moment after a process's end
        while not _is_free(port):
            await asyncio.sleep(0.02)


def _is_free(port: int) -> bool:
    """Whether a program that shares no ports could listen there."""
    with socket.socket() as trial, contextlib.suppress(OSError):
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(("127.0.0.1", port))
        trial.listen()
        return True
    return False


def _workers_of(pid: int, port: int, count: int) -> list[int]:
    """A process's children that listen on a port."""
    until = time.monotonic() + HANGS_S
    while time.monotonic() < until:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        links = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = [int(child) for child in children if links & opened_by(int(child))]
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError("the workers did not come to listen")


async def test_counts_and_accesses_are_those_of_what_was_asked(stage: Stage) -> None:
    """Each answer once, whichever process gave it: hits, misses, parts, refusals, and what was handed over."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(
        upstreams=(f"http://127.0.0.1:{origin.port}",), processes=3, control=NOBODY, access_log=True
    )
    workers = await listening(edge, 2)
    sizes = [1000 + at for at in range(20)]
    urls = [stage.url(edge, stage.put(os.urandom(size))) for size in sizes]
    requests, sent, accesses, misses, refused, refused_bytes = 0, 0, 0, 0, 0, 0

    async def views(pid: int) -> None:
        nonlocal requests, sent, accesses, misses, refused, refused_bytes
        async with Client(edge.port, pid) as client:
            for turn in range(8):
                for size, url in zip(sizes, urls, strict=True):
                    lines = [f'CMCD-Session: sid="s{pid}"', *["Range: bytes=0-99"] * (turn % 3 == 1),
                             *["If-None-Match: *"] * (turn % 3 == 2)]  # fmt: skip
                    head, body = await client.ask(url, *lines)
                    assert head.split()[1] == (b"200", b"206", b"304")[turn % 3]
                    assert len(body) == (size, 100, 0)[turn % 3]
                    misses += b"uri-miss" in head
                    requests, sent, accesses = requests + 1, sent + len(body), accesses + 1
                _, body = await client.ask(urls[0].replace(str(FAR), "1"))
                requests, sent = requests + 1, sent + len(body)
                refused, refused_bytes = refused + 1, refused_bytes + len(body)

    await asyncio.gather(*(views(pid) for pid in (*workers, *workers, os.getpid())))
    await counted(edge, requests)
    hits = requests - misses - refused
    assert edge.edge.totals == {"requests": requests, "hits": hits, "failed": 0, "sent_bytes": sent}
    told = edge.edge.unreported
    assert (len(told), sum(one.size for one in told)) == (accesses, sent - refused_bytes)
    assert Counter(one.session for one in told) == Counter(
        {f"s{pid}": 160 * (2 if pid in workers else 1) for pid in (*workers, os.getpid())}
    )
    edge.edge.flush()
    assert len((stage.folder / "access.jsonl").read_bytes().splitlines()) == accesses


async def test_the_owner_s_policy_and_its_fetches_follow_what_workers_see(stage: Stage) -> None:
    """A use at a worker keeps an object; what a player says it asks for next is fetched."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(
        upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2, eviction="lru", cache_bytes=1_000_000
    )
    (worker,) = await listening(edge)
    names = [stage.put(os.urandom(400_000)) for _ in range(4)]
    urls = [stage.url(edge, name) for name in names]
    async with Client(edge.port, worker) as client:
        for url in urls[:2]:
            assert await client.status(url) == 200
        await answers_itself(client, urls[0])
        requests = edge.edge.totals["requests"]
        assert await client.status(urls[0]) == 200
        async with asyncio.timeout(HANGS_S):
            while edge.edge.totals["requests"] <= requests:
                await asyncio.sleep(0.02)
        assert await client.status(urls[2]) == 200
        cache = edge._cache
        assert cache is not None
        assert [cache.holds(name) for name in names] == [True, False, True, False]
        assert await client.status(urls[0], f'CMCD-Request: nor="{names[3].rsplit("/", 1)[1]}"') == 200
        async with asyncio.timeout(HANGS_S):
            while not cache.holds(names[3]):
                await asyncio.sleep(0.02)


async def test_what_is_evicted_while_a_worker_sends_it_arrives_whole_and_is_let_go(stage: Stage) -> None:
    """The open file outlives its name; afterwards the worker gives its room back to the disk, unasked."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(
        upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2, eviction="lru", cache_bytes=30_000_000
    )
    (worker,) = await listening(edge)
    data = os.urandom(20_000_000)
    name, other = stage.put(data), stage.put(os.urandom(20_000_000))
    url = stage.url(edge, name)
    async with Client(edge.port, worker) as slow, Client(edge.port, os.getpid()) as ours:
        await answers_itself(slow, url)
        slow.send(url)
        head = await slow.reader.readuntil(b"\r\n\r\n")
        got = await slow.reader.readexactly(50_000)
        assert await ours.status(stage.url(edge, other)) == 200
        assert not (stage.folder / "edge" / name).exists()
        assert b"; hit" in head
        assert got + await slow.reader.readexactly(len(data) - 50_000) == data
        async with asyncio.timeout(HANGS_S):
            while any(name in one for one in opened_by(worker)):
                await asyncio.sleep(0.05)
        assert b"uri-miss" in (await slow.ask(url))[0]


def _lives(pid: int) -> bool:
    """Whether there is such a process, dead ones that nobody has asked for aside."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("cut", [0, 1, 30, 200])
async def test_pipelined_requests_are_answered_in_order_wherever_each_is_answered(stage: Stage, cut: int) -> None:
    """Held and not held in one packet, or in two that part anywhere."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2)
    (worker,) = await listening(edge)
    bodies = [bytes([65 + at]) * (1000 + at) for at in range(12)]
    urls = [stage.url(edge, stage.put(body)) for body in bodies]
    async with Client(edge.port, worker) as client:
        for url in urls[::2]:
            await answers_itself(client, url)
        text = b"".join(request(url) for url in urls)
        client.writer.write(text[: len(text) - cut])
        await asyncio.sleep(0.1)
        client.writer.write(text[len(text) - cut :])
        for body in bodies:
            assert (await client.read())[1] == body
        client.writer.write(text)
        for body in bodies:
            assert (await client.read())[1] == body


async def test_a_request_before_the_end_of_sending_is_answered_wherever_it_is(stage: Stage) -> None:
    """A client that ends its side, or says that it is the last request, gets the answer and then the end."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2)
    (worker,) = await listening(edge)
    for closes in (True, False):
        data = os.urandom(300_000)
        url = stage.url(edge, stage.put(data))
        async with Client(edge.port, worker) as client:
            client.send(url, *["Connection: close"] * closes)
            if not closes:
                client.writer.write_eof()
            assert (await client.read())[1] == data
            async with asyncio.timeout(HANGS_S):
                assert await client.reader.read() == b""


async def test_what_is_asked_while_a_connection_moves_is_answered_in_its_turn(stage: Stage) -> None:
    """After what the worker has read, though the owner reads it first."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2)
    (worker,) = await listening(edge)
    held = os.urandom(2000)
    url = stage.url(edge, stage.put(held))
    async with Client(edge.port, worker) as client:
        await answers_itself(client, url)
        for _ in range(30):
            cold = os.urandom(3000)
            client.send(stage.url(edge, stage.put(cold)))
            client.send(url)
            assert [(await client.read())[1] for _ in range(2)] == [cold, held]


async def test_half_a_request_behind_a_miss_is_not_lost(stage: Stage) -> None:
    """What a worker's parser has begun to read goes over once it is whole."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2)
    (worker,) = await listening(edge)
    bodies = [os.urandom(size) for size in (8_000_000, 1000, 1001)]
    urls = [stage.url(edge, stage.put(body)) for body in bodies]
    async with Client(edge.port, worker) as client:
        await answers_itself(client, urls[0])
        client.writer.write(request(urls[0]) + request(urls[1]))
        await asyncio.sleep(0.2)
        last = request(urls[2])
        client.writer.write(last[:50])
        assert (await client.read())[1] == bodies[0]
        await asyncio.sleep(0.2)
        client.writer.write(last[50:])
        assert [(await client.read())[1] for _ in bodies[1:]] == bodies[1:]


async def test_what_a_slow_reader_has_not_got_yet_stays_in_order(stage: Stage) -> None:
    """A connection goes to the owner after what waits to leave, where memory, files and misses take turns."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=2)
    (worker,) = await listening(edge)
    bodies = [os.urandom(size) for size in (60_000, 400_000, 400_001, 8_000_000)]
    urls = [stage.url(edge, stage.put(body)) for body in bodies]
    order = [3] + [0] * 10 + [1, 0, 2]  # the first fills the system's buffer, so that what follows waits here
    async with Client(edge.port, worker, window=20_000) as client:
        for at in (0, 0, 0, 3):
            await answers_itself(client, urls[at])
        client.writer.write(b"".join(request(urls[at]) for at in order))
        for at in order:
            assert (await client.read())[1] == bodies[at]


async def test_a_worker_s_client_that_stops_reading_is_dropped(stage: Stage) -> None:
    """As by the owner."""
    edge = await stage.edge(processes=2, stall_s=1)
    (worker,) = await listening(edge)
    large = stage.url(edge, stage.put(os.urandom(30_000_000)))
    async with Client(edge.port, worker) as client:
        client.send(large)
        await asyncio.sleep(4)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readexactly(30_000_000)


async def test_what_was_answered_just_before_a_stop_is_counted(stage: Stage) -> None:
    """A worker reports once more before it goes."""
    edge = await stage.edge(processes=2)
    url = stage.url(edge, stage.put(os.urandom(2000)))
    (worker,) = await listening(edge)
    async with Client(edge.port, worker) as client:
        for _ in range(50):
            assert await client.status(url) == 200
        stage.servers.remove(edge)
        await edge.stop()
    assert edge.edge.totals["requests"] == 50


async def test_a_stop_lets_answers_end_and_counts_them(stage: Stage) -> None:
    """At every process; then all are gone and another may have the port."""
    origin = await stage.edge(name="origin")
    edge = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=3)
    workers = await listening(edge, 2)
    data = os.urandom(8_000_000)
    url = stage.url(edge, stage.put(data))
    async with Client(edge.port, workers[0]) as one, Client(edge.port, os.getpid()) as ours:
        for client in (one, ours):
            await answers_itself(client, url)
        for client in (one, ours):
            client.send(url)
            await client.reader.readuntil(b"\r\n\r\n")

        async def rest(client: Client) -> bytes:
            return await client.reader.readexactly(len(data))

        stage.servers.remove(edge)
        _, *bodies = await asyncio.gather(edge.stop(), rest(one), rest(ours))
    assert bodies == [data, data]
    assert edge.edge.totals["requests"] == one.asked + ours.asked
    assert not [pid for pid in workers if _lives(pid)]
    again = await stage.edge(upstreams=(f"http://127.0.0.1:{origin.port}",), processes=1, port=edge.port)
    assert again.port == edge.port


async def test_several_processes_are_refused_where_they_would_not_be_right(stage: Stage) -> None:
    """A port that another edge has would be shared with it unawares; TLS connections cannot be handed over."""
    edge = await stage.edge(processes=2)
    with pytest.raises(Invalid, match="another program listens"):
        await stage.edge(name="second", processes=2, port=edge.port)
    with pytest.raises(Invalid, match="speaks no TLS"):
        await stage.edge(name="third", processes=2, certificate="cert.pem")
