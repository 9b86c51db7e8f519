"""Idle connections, and the memory that each takes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reelwright.cdn.benches import servers
from reelwright.cdn.benches.objects import FOLDER, MANIFEST_BYTES, write_objects
from reelwright.kernel.bench import Row
from reelwright.kernel.processes import pss_kb, tree

IDLE_CONNECTIONS = 1000


def idle_connection() -> Iterator[Row]:
    """What a connection costs that was used once and is kept."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        prefix = write_objects(folder)
        path = f"{FOLDER}/manifest-0.m4s"
        with servers.edge(folder) as edge:
            ours = asyncio.run(_idle_bytes(edge, prefix + path))
        theirs = None
        if shutil.which("nginx"):
            with servers.nginx(folder) as nginx:
                theirs = asyncio.run(_idle_bytes(nginx, f"/{path}"))
    yield Row(
        id="data_plane.idle_connection",
        what=f"memory of an idle connection, over {IDLE_CONNECTIONS} of them",
        value=round(ours),
        unit="B",
        op="<=",
        goal=2048,
        peer="nginx" if theirs is not None else "",
        peer_value=None if theirs is None else round(theirs),
        note="growth of PSS after one request on each; the kernel's socket buffers are not counted",
    )


async def _idle_bytes(server: servers.Server, path: str) -> float:
    """Bytes of the server's tree by which a batch of idle connections makes it grow; the first batch warms it."""

    async def batch() -> list[asyncio.StreamWriter]:
        return [await _asked_once(server.port, path) for _ in range(IDLE_CONNECTIONS)]

    kept = await batch()
    before = sum(pss_kb(pid) for pid in tree(server.pid))
    kept += await batch()
    grown = sum(pss_kb(pid) for pid in tree(server.pid)) - before
    for writer in kept:
        writer.close()
    return grown * 1024 / IDLE_CONNECTIONS


async def _asked_once(port: int, path: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(MANIFEST_BYTES)
    return writer
