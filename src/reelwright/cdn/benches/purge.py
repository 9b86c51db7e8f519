"""Purges by tag, from the control plane's order until all edges have obeyed."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from reelwright.cdn.benches import EDGES, OUTAGE_OBJECTS
from reelwright.cdn.contract import EdgeReport, PurgeOrder
from reelwright.cdn.control import ControlPlane
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.bench import Row
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database
from reelwright.kernel.keys import KEYS_FILE, KeyRing
from reelwright.kernel.processes import free_port, wait_for_port

PURGES = 50


def purge() -> Iterator[Row]:
    """From the control plane's order to purge a tag until each gateway process has asked anew."""
    with tempfile.TemporaryDirectory() as text:
        times = asyncio.run(_purges(Path(text)))
    yield Row(
        id="purge.visible",
        what=f"p99 until a purge by tag is seen, {EDGES} edges",
        value=round(statistics.quantiles(times, n=100)[-1], 3),
        unit="s",
        op="<=",
        goal=1.0,
        note=f"{PURGES} purges by the control plane on SQLite, {EDGES} processes of {OUTAGE_OBJECTS} objects",
    )


async def _purges(folder: Path) -> list[float]:
    """Seconds from the order until an edge serves the new version, for each purge and edge."""
    version = 0

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = str(version).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nCache-Tag: film\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        writer.close()

    server = await asyncio.start_server(origin, "127.0.0.1", 0)
    source = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    keys = KeyRing.generate()
    keys.save(folder / KEYS_FILE)
    database = Database(f"sqlite:///{folder}/purge.sqlite")
    database.migrate(["reelwright.cdn"])
    plane = ControlPlane(database=database, clock=SystemClock(), keys=keys, settings=CdnSettings())
    times: list[float] = []
    with ExitStack() as stack:
        ports = [free_port() for _ in range(EDGES)]
        for at, port in enumerate(ports):
            stack.enter_context(_front(folder, f"edge{at}", port, source))
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        for port in ports:
            await asyncio.to_thread(wait_for_port, port)
        async with httpx.AsyncClient(headers={"Host": "films"}, timeout=30) as client:
            for at, url in enumerate(urls):
                await plane.report(f"edge{at}", EdgeReport(boot="b", url=url, kind="gateway", capacity_bps=1e9))
                await asyncio.gather(*(client.get(f"{url}/{number}") for number in range(OUTAGE_OBJECTS)))
            for _ in range(PURGES):
                version += 1
                began = time.perf_counter()
                await plane.purge(PurgeOrder(tag="film"), by="bench")
                for url in urls:
                    while (await client.get(f"{url}/0")).text != str(version):
                        await asyncio.sleep(0.001)
                    times.append(time.perf_counter() - began)
    await plane.close()
    database.close()
    server.close()
    return times


@contextmanager
def _front(folder: Path, name: str, port: int, origin: str) -> Iterator[None]:
    """A gateway as people run it."""
    command = [str(Path(sys.executable).with_name("reelwright")), "cdn", "front", "--origin", origin]
    command += ["--port", str(port), "--name", name, "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
