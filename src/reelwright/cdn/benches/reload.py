"""Reloads of nginx as driver B while viewers read from it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reelwright.cdn.adapters.nginx import Nginx, owner_of
from reelwright.cdn.benches import servers
from reelwright.cdn.benches.objects import FOLDER, SEGMENT_BYTES, write_objects
from reelwright.cdn.core.nginx import NginxSite
from reelwright.kernel.bench import Row
from reelwright.kernel.processes import free_port, wait_for_port

RELOADS, READERS = 5, 20


def reload() -> Iterator[Row]:
    """Reloads of driver B while viewers read slowly from it."""
    if shutil.which("nginx") is None:
        yield Row(id="reload.dropped", what="not measured", value=None, unit="", note="sudo apt install nginx-light")
        return
    with tempfile.TemporaryDirectory() as text:
        dropped = asyncio.run(_reloaded(Path(text)))
    yield Row(
        id="reload.dropped",
        what=f"transfers dropped by {RELOADS} reloads of driver B",
        value=dropped,
        unit="transfers",
        op="==",
        goal=0,
        note=f"{READERS} readers of {SEGMENT_BYTES // 10**6} MB at a time, each slower than a reload",
    )


async def _reloaded(folder: Path) -> int:
    prefix = write_objects(folder)
    wanted = (folder / "media" / FOLDER / "segment-0.m4s").read_bytes()
    path = f"{prefix}{FOLDER}/segment-0.m4s"
    with servers.edge(folder) as edge:
        port = free_port()
        nginx = Nginx(folder / "driver-b")
        site = NginxSite(
            folder=str(folder / "media"),
            home=str(nginx.home),
            listen=f"127.0.0.1:{port}",
            driver_a=f"http://127.0.0.1:{edge.port}",
            user=owner_of(folder),
        )
        nginx.configure(site)
        process = nginx.run()
        try:
            wait_for_port(port)
            whole = 0
            for _ in range(RELOADS):
                reads = [asyncio.create_task(_read_slowly(port, path)) for _ in range(READERS)]
                await asyncio.sleep(0.2)
                nginx.configure(site)
                nginx.reload()
                whole += sum(found == wanted for found in await asyncio.gather(*reads))
        finally:
            process.terminate()
            process.wait()
    return RELOADS * READERS - whole


async def _read_slowly(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
    found = b""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        while block := await reader.read(100_000):
            found += block
            await asyncio.sleep(0.03)
    writer.close()
    return found
