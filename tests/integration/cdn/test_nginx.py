"""Driver B: nginx sends what our cache holds, under the same signatures, and is reloaded under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.integration.cdn.test_edge import FAR, ORIGIN, Stage

from reelwright.cdn.adapters.nginx import Nginx, owner_of
from reelwright.cdn.core.nginx import NginxSite, nginx_config
from reelwright.kernel.errors import Invalid
from reelwright.kernel.processes import free_port, wait_for_port

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()), reason="sudo apt install nginx-light"
    ),
]


class Front:
    """Driver A with a cache behind an upstream, and nginx over that cache."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        self.nginx = Nginx(folder / "nginx")

    async def start(self) -> None:
        """Both drivers, ready."""
        origin = await self.stage.edge(name="origin")
        self.a = await self.stage.edge(name="edge", upstreams=(f"http://127.0.0.1:{origin.port}",))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.nginx.configure(self.site())
        self.process = self.nginx.run()
        for _ in range(600):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.1)
        raise AssertionError("nginx does not listen")

    def site(self, origins: tuple[str, ...] = (ORIGIN,)) -> NginxSite:
        """Its configuration."""
        cache = self.folder / "edge"
        return NginxSite(
            folder=str(cache),
            home=str(self.nginx.home),
            listen=f"127.0.0.1:{self.port}",
            driver_a=f"http://127.0.0.1:{self.a.port}",
            origins=origins,
            user=owner_of(cache),
        )

    def url(self, name: str, *, viewer: str | None = None, expires_s: int = FAR) -> str:
        """A signed URL at nginx."""
        made = self.stage.url(self.a, name, viewer=viewer, expires_s=expires_s)
        return made.replace(f":{self.a.port}/", f":{self.port}/")


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Both drivers, cleared afterwards."""
    stage = Stage(tmp_path)
    made = Front(stage, tmp_path)
    await made.start()
    yield made
    made.process.terminate()
    await asyncio.to_thread(made.process.wait)
    for server in stage.servers:
        await server.stop()


def test_what_stops_the_command_stops_nginx(tmp_path: Path) -> None:
    """As systemd, Docker or `kill` do: one that stayed would hold the port against the next start."""
    (tmp_path / "cache").mkdir()
    port, edge = free_port(), free_port()
    words = ["cdn", "nginx", "--data", ".", "--listen", f"127.0.0.1:{port}", "--edge", f"http://127.0.0.1:{edge}"]
    command = [str(Path(sys.executable).with_name("reelwright")), *words, "--run"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process, most_s=60)
            process.terminate()
            assert process.wait(60) == 0
            assert Nginx(tmp_path / "nginx").pid() is None
        finally:
            if (left := Nginx(tmp_path / "nginx").pid()) is not None:
                os.kill(left, signal.SIGTERM)


async def test_a_miss_goes_to_driver_a_and_the_next_is_nginx_own(front: Front) -> None:
    """The file that A's fill committed is then sent by nginx, ranges and CORS included."""
    data = os.urandom(300_000)
    name = front.stage.put(data)
    async with httpx.AsyncClient(timeout=60) as client:
        first = await client.get(front.url(name))
        assert (first.status_code, first.content == data) == (200, True)
        assert (front.folder / "edge" / name).read_bytes() == data
        second = await client.get(front.url(name), headers={"Origin": ORIGIN, "Range": "bytes=5-9"})
        assert (second.status_code, second.content) == (206, data[5:10])
        assert second.headers["server"] == "nginx"
        assert second.headers["content-type"] == "video/iso.segment"
        assert second.headers["access-control-allow-origin"] == ORIGIN
        stranger = await client.get(front.url(name), headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        assert stranger.headers["vary"] == "Origin"


async def test_the_same_signatures_open_and_refuse_what_nginx_holds(front: Front) -> None:
    """Held or not, expired, altered, foreign and a stranger's URLs are refused with A's own words."""
    name, other = front.stage.put(b"secret"), front.stage.put(b"other", asset="b2")
    async with httpx.AsyncClient(timeout=60) as client:
        for one in (name, other):
            assert (await client.get(front.url(one))).status_code == 200
        refused = [
            await client.get(front.url(name, expires_s=1)),
            await client.get(front.url(name).replace(str(FAR), str(FAR + 1))),
            await client.get(front.url(name).replace(name, other)),
            await client.get(front.url(name, viewer="ada"), headers={"Cookie": "rw_viewer=ben"}),
        ]
        assert [answer.status_code for answer in refused] == [403] * 4
        assert [answer.json()["type"].rsplit("/", 1)[1] for answer in refused] == [
            "media-url-expired",
            "media-url-altered",
            "media-url-altered",
            "media-url-of-another-viewer",
        ]
        right = await client.get(front.url(name, viewer="ada"), headers={"Cookie": "rw_viewer=ada"})
        assert right.content == b"secret"
        missing = await client.get(front.url("assets/a1/none.m4s"))
        assert missing.status_code == 404
        posted = await client.post(front.url(name))
        assert posted.status_code == 405
        assert (await client.get(front.url(name).split("/m/")[0] + "/allowed")).status_code == 404


@pytest.mark.parametrize(
    "trick", ["../../edge.txt", "..%2f..%2fedge.txt", "a1/../b2/x", "%61", ".hidden", "x.m4s.1.part", "link.m4s"]
)
async def test_no_path_reaches_what_is_no_object(front: Front, trick: str) -> None:
    """Neither above the folder, nor a half-written file, nor through a link."""
    folder = front.folder / "edge" / "assets" / "a1"
    folder.mkdir(parents=True)
    (front.folder / "edge.txt").write_text("outside")
    (folder / "x.m4s.1.part").write_text("half")
    (folder / ".hidden").write_text("hidden")
    (folder / "link.m4s").symlink_to(front.folder / "edge.txt")
    path = "/" + front.url("assets/a1/x").split("/", 3)[3].removesuffix("x") + trick
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert answer.split(b" ", 2)[1] in (b"400", b"403", b"404", b"503")
    assert not any(word in answer for word in (b"outside", b"half", b"hidden"))


async def test_a_reload_drops_no_transfer(front: Front) -> None:
    """Transfers under way when the configuration changes come whole; new connections get the new one."""
    data = os.urandom(8_000_000)
    name = front.stage.put(data)
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(front.url(name))).content == data
    path = "/" + front.url(name).split("/", 3)[3]

    async def slow() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        begun.release()
        found = b""
        while block := await reader.read(200_000):
            found += block
            await asyncio.sleep(0.02)
        writer.close()
        return found

    begun = asyncio.Semaphore(0)
    under_way = [asyncio.create_task(slow()) for _ in range(5)]
    for _ in under_way:
        await begun.acquire()
    other = "https://other.example"
    front.nginx.configure(front.site(origins=(other,)))
    front.nginx.reload()
    async with httpx.AsyncClient(timeout=60) as client:
        async with asyncio.timeout(60):
            while True:
                answer = await client.get(front.url(name), headers={"Origin": other, "Connection": "close"})
                if answer.headers.get("access-control-allow-origin") == other:
                    break
        assert [found == data for found in await asyncio.gather(*under_way)] == [True] * 5


async def test_a_configuration_that_nginx_refuses_changes_nothing(front: Front) -> None:
    """It is tried first."""
    before = (front.nginx.home / "nginx.conf").read_text()
    site = front.site()
    broken = NginxSite(
        folder=site.folder,
        home=site.home,
        listen=site.listen,
        driver_a=site.driver_a,
        user=site.user,
        certificate=f"{front.folder}/none.pem",
        key=f"{front.folder}/none.pem",
    )
    with pytest.raises(Invalid, match="nginx refuses"):
        front.nginx.configure(broken)
    assert (front.nginx.home / "nginx.conf").read_text() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "/a; include /etc/passwd"),
        ("folder", "relative"),
        ("listen", "0.0.0.0:1; }"),
        ("driver_a", "http://a:1/;"),
        ("driver_a", "ftp://a:1"),
        ("origins", ('https://a"; evil',)),
        ("user", "root; load_module x"),
        ("home", "/a\nb"),
    ],
)
def test_no_value_becomes_a_directive(field: str, value: object) -> None:
    """What could be read as more than a value is refused."""
    fields: dict[str, object] = {
        "folder": "/a",
        "home": "/b",
        "listen": "127.0.0.1:1",
        "driver_a": "http://127.0.0.1:2",
        field: value,
    }
    with pytest.raises(Invalid):
        nginx_config(NginxSite(**fields))  # type: ignore[arg-type]
