"""Several processes of one edge: what a second one costs, and how rates grow with their number."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from reelwright.cdn.benches import load, servers
from reelwright.cdn.benches.objects import FOLDER, check_bodies, write_objects
from reelwright.kernel.bench import Row
from reelwright.kernel.processes import cpu_s, tree


def processes() -> Iterator[Row]:
    """What a second process of an edge costs and brings, where client and edge share the machine's cores."""
    if shutil.which("wrk") is None:
        yield Row(id="edge_processes", what="not measured", value=None, unit="", note="sudo apt install wrk")
        return
    found: dict[tuple[str, int], load.Cost] = {}
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        prefix = write_objects(folder)
        source = stack.enter_context(servers.edge(folder, REELWRIGHT_CDN_PROCESSES="2"))
        for count in (1, 2):
            upstream = f"http://127.0.0.1:{source.port}"
            edge = stack.enter_context(servers.tier(folder, f"edge-{count}", upstream, processes=count))
            urls = {size: f"http://127.0.0.1:{edge.port}{prefix}{FOLDER}/{size}" for size in ("manifest", "segment")}
            check_bodies(folder, urls)
            for size, url in urls.items():
                found[size, count] = load.cost(edge, url, folder, load=servers.cores(), seconds=2)
        handed_us = 1e6 * _handed_over_s(source, f"{prefix}{FOLDER}/")
    said = (f"{size} {count}: {cost.rate:.0f}/s, {cost.own_s * 1e6:.1f} µs" for (size, count), cost in found.items())
    yield Row(
        id="edge_processes",
        what="CPU per 2 KB request of an edge of two processes / of one",
        value=round(found["manifest", 2].own_s / found["manifest", 1].own_s, 2),
        unit="ratio",
        note=f"on {len(os.sched_getaffinity(0))} cores that wrk shares; answers and CPU each: {'; '.join(said)}; "
        f"to hand a connection over and back {handed_us:.0f} µs in both together",
    )


def scaling() -> Iterator[Row]:
    """How the rates of an edge grow with its processes beside nginx's with its workers; the load has own cores."""
    cores = servers.cores()
    serving, asking = cores[: len(cores) // 2], cores[len(cores) // 2 :]
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing or len(serving) == 1:
        without = "".join(f", no {name}" for name in missing)
        note = f"it needs nginx, wrk and four cores; here are {len(cores)} cores{without}"
        yield Row(id="edge_scaling", what="not measured", value=None, unit="", note=note)
        return
    counts = [count for count in (1, 2, 4, 8, 16) if count <= len(serving)]
    with tempfile.TemporaryDirectory() as text:
        rates = _rates(Path(text), counts, serving, asking)
    for size, what in (("manifest", "2 KB"), ("segment", "2 MB")):
        said = (f"{name} {', '.join(f'{rate[size]:,.0f}' for rate in rates[name])}" for name in rates)
        ours, theirs = (rates[name][-1][size] / rates[name][0][size] for name in ("ours", "nginx"))
        yield Row(
            id=f"edge_scaling.{size}",
            what=f"{what} answers a second of {counts[-1]} processes / of one",
            value=round(ours, 2),
            unit="ratio",
            peer="nginx",
            peer_value=round(theirs, 2),
            note=f"answers a second of {', '.join(map(str, counts))} processes: {'; '.join(said)}; "
            f"{len(serving)} cores serve, {len(asking)} ask",
        )


def _rates(
    folder: Path, counts: Sequence[int], serving: Sequence[int], asking: Sequence[int]
) -> dict[str, list[dict[str, float]]]:
    """Answers a second by size of object, of us and of nginx, with each count of processes."""
    prefix = write_objects(folder)
    rates: dict[str, list[dict[str, float]]] = {"ours": [], "nginx": []}
    with servers.edge(folder) as source:
        for count in counts:
            tier = servers.tier(
                folder, f"edge-{count}", f"http://127.0.0.1:{source.port}", on=serving, processes=count
            )
            nginx = servers.nginx(folder, workers=count, on=serving)
            for name, started, path in (("ours", tier, prefix), ("nginx", nginx, "/")):
                with started as server:
                    base = f"http://127.0.0.1:{server.port}{path}{FOLDER}"
                    urls = {size: f"{base}/{size}" for size in ("manifest", "segment")}
                    check_bodies(folder, urls)
                    rates[name].append(
                        {size: load.cost(server, url, folder, load=asking).rate for size, url in urls.items()}
                    )
    return rates


def _handed_over_s(edge: servers.Server, path: str) -> float:
    """CPU seconds of all processes that an answer costs more where a worker has to hand it over: one that is 404."""
    asks = 3000
    (worker,) = (pid for pid in tree(edge.pid)[1:] if _listens(pid, edge.port))
    spent = []
    for pid in (worker, edge.pid):
        with _connection_at(pid, edge.port) as connection:
            before = cpu_s(tree(edge.pid))
            for _ in range(asks):
                connection.sendall(f"GET {path}none.m4s HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
                while not connection.recv(4096).endswith(b"}"):
                    pass
            spent.append((cpu_s(tree(edge.pid)) - before) / asks)
    return spent[0] - spent[1]


def _connection_at(pid: int, port: int) -> socket.socket:
    """A connection that the system gives to one of the processes that share a port."""
    while True:
        connection = socket.create_connection(("127.0.0.1", port))
        time.sleep(0.1)
        if _has(pid, f":{port:04X}", f":{connection.getsockname()[1]:04X}"):
            return connection
        connection.close()


def _listens(pid: int, port: int) -> bool:
    return _has(pid, f":{port:04X}", ":0000")


def _has(pid: int, local: str, remote: str) -> bool:
    """Whether a process has a TCP socket between two ports."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    links = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(local) and row[2].endswith(remote)}
    own = (os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir())  # noqa: PTH115 (a socket is no path)
    return bool(links & set(own))
