"""`reelwright bench cdn`: what serving bytes costs, beside nginx in the same run.

Method: one server process pinned to the first core and the load generator to the second, servers taken in turn for
several rounds, CPU time of the whole process tree from /proc, body bytes compared with the file before anything is
timed. Rates are not compared, CPU per byte and per request is: it does not depend on who else uses the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.request import urlopen

import httpx
import numpy as np

from reelwright.cdn.adapters.cache import DiskCache
from reelwright.cdn.adapters.conformance import PACKAGE, Score, Suite, listening, tally
from reelwright.cdn.adapters.fill import Filler
from reelwright.cdn.adapters.gateway import Gateway, GatewaySettings, start_gateway
from reelwright.cdn.adapters.http1 import RequestHead
from reelwright.cdn.adapters.nginx import Nginx, owner_of
from reelwright.cdn.adapters.origin import Origin
from reelwright.cdn.adapters.upstream import HttpFetcher, ObjectFetcher
from reelwright.cdn.contract import EdgeReport, FillItem, FillPlan, PurgeOrder, Viewing, sign_folder
from reelwright.cdn.control import ControlPlane
from reelwright.cdn.core.access import check, parse
from reelwright.cdn.core.eviction import make_policy
from reelwright.cdn.core.fill_replay import FillRule, by_day, run_days
from reelwright.cdn.core.functions import BUDGET_US, Mpd, dash_begin, device_of, hls_for, steer
from reelwright.cdn.core.nginx import NginxSite
from reelwright.cdn.core.steering import EdgeState
from reelwright.cdn.core.steering_replay import Evening, Priced, steer_evening
from reelwright.cdn.core.traces import VodScenario, vod_trace, zipf_trace
from reelwright.cdn.replay import Trace, gap_closed, read_trace, replay_named
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.bench import Row, measured
from reelwright.kernel.clock import SystemClock, VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.kernel.keys import KEYS_FILE, KeyRing
from reelwright.kernel.objects import DirectoryObjects, content_name
from reelwright.kernel.processes import cpu_s, free_port, pss_kb, tree, wait_for_port

FOLDER = "assets/bench"
OBJECTS = 64
SEGMENT_BYTES, MANIFEST_BYTES = 2_000_000, 2_000
ROUNDS, SECONDS, CONNECTIONS = 3, 3, 32
CAPACITIES = (0.05, 0.2)
"""Shares of all distinct bytes."""
TRACE_SEEDS = (11, 12)
STEERING_SEEDS = (21, 22, 23)
PURGES = 50
MOVED_SESSIONS, MOVED_TTL_S, MOVED_SEGMENT_S = 100, 30, 4.0
FILL_SEEDS, FILL_DAYS, FILL_FROM = (31, 32), 6, 3
FILL_RATE_BPS = 24e6
IDLE_CONNECTIONS = 1000
CHECKOUT = Path(__file__).resolve().parents[3]
ADAPTSIZE = CHECKOUT.parent / "shared" / "data" / "cdn" / "adaptsize" / "request.trace.xz"
CROWD, EDGES = 1000, 8
OUTAGE_OBJECTS = 200
RELOADS, READERS = 5, 20
ORIGIN_S = 1.0
"""The cold object leaves the origin over this time."""
IDLE_S = 60
GB = 1e9


def rows(only: str = "") -> Iterator[Row]:
    """All rows, or those whose id starts with `only`."""
    parts = (
        ("conformance", conformance),
        ("hit_ratio", hit_ratio),
        ("steering.moved", moved),
        ("steering.players", players),
        ("steering", steering),
        ("fill", fill),
        ("purge", purge),
        ("data_plane.idle_connection", idle_connection),
        ("data_plane", data_plane),
        ("edge_processes", processes),
        ("edge_scaling", scaling),
        ("data_plane.tls_cpu", tls_cpu),
        ("reload", reload),
        ("edge_functions", edge_functions),
        ("flash_crowd", flash_crowd),
        ("idle_memory", idle_memory),
        ("restart", restart),
    )
    yield from measured(parts, only)


def conformance() -> Iterator[Row]:
    """The public suite http-cache-tests against our gateway, two tiers of it, and the peers, in the same run."""
    with tempfile.TemporaryDirectory() as text:
        try:
            suite = Suite(Path(text))
        except Unavailable as error:
            yield Row(
                id="conformance.required_failed", what="not measured", value=None, unit="cases", note=str(error)
            )
            return
        scores = asyncio.run(_scores(suite, Path(text)))
    ours = scores["edge"]
    for name, score in (("required_failed", ours), ("required_failed_tiers", scores["tiers"])):
        yield Row(
            id=f"conformance.{name}",
            what=f"required cases of {PACKAGE} failing, of {score.required}",
            value=len(score.required_failed),
            unit="cases",
            op="==",
            goal=0,
            peer="nginx" if "nginx" in scores else "",
            peer_value=len(scores["nginx"].required_failed) if "nginx" in scores else None,
            note=", ".join(score.required_failed) or "none",
        )
    yield Row(
        id="conformance.optimal",
        what=f"share of the {ours.optimal} optimal cases passed",
        value=round(ours.optimal_share, 3),
        unit="share",
        op=">=",
        goal=0.9,
        peer="varnish" if "varnish" in scores else "",
        peer_value=round(scores["varnish"].optimal_share, 3) if "varnish" in scores else None,
        note="failing: " + ", ".join(ours.optimal_failed),
    )


async def _scores(suite: Suite, folder: Path) -> dict[str, Score]:
    """Scores of all caches; each has an origin of its own, since they wait far more than they work."""
    cases = suite.cases()

    async def score(name: str, start: Callable[[int], Any]) -> tuple[str, Score]:
        origin_port = free_port()
        origin = await suite.origin(origin_port)
        try:
            async with start(origin_port) as base:
                return name, tally(cases, await suite.run(base))
        finally:
            origin.kill()
            await origin.wait()

    caches: dict[str, Callable[[int], Any]] = {"edge": lambda port: _gateways(port, ("edge",))}
    caches["tiers"] = lambda port: _gateways(port, ("shield", "edge"))
    if shutil.which("nginx"):
        caches["nginx"] = lambda port: _nginx_cache(folder, port)
    if shutil.which("varnishd"):
        caches["varnish"] = lambda port: _varnish_cache(folder, port)
    return dict(await asyncio.gather(*(score(name, start) for name, start in caches.items())))


@asynccontextmanager
async def _gateways(port: int, names: tuple[str, ...]) -> AsyncIterator[str]:
    """Our gateways one behind the other, the last in front; its URL."""
    servers = []
    for name in names:
        origin = Origin(f"http://127.0.0.1:{port}", stall_s=30)
        gateway = Gateway(partial(_only, origin), GatewaySettings(name=name), SystemClock())
        servers.append(await start_gateway(gateway, "127.0.0.1", 0))
        port = servers[-1].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        for server in servers:
            server.close()


def _only(origin: Origin, _key: str) -> list[Origin]:
    return [origin]


@asynccontextmanager
async def _nginx_cache(folder: Path, origin_port: int) -> AsyncIterator[str]:
    port = free_port()
    home = folder / "nginx"
    home.mkdir()
    (home / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log;
        {"user root;" if os.getuid() == 0 else ""}
        events {{ worker_connections 1024; }}
        http {{
          access_log off; proxy_cache_path {home}/cache keys_zone=z:10m; proxy_temp_path {home}/t2;
          client_body_temp_path {home}/t1; fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4;
          scgi_temp_path {home}/t5;
          server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass http://127.0.0.1:{origin_port}; proxy_cache z; proxy_cache_revalidate on;
              proxy_http_version 1.1; }} }}
        }}
        """
    )
    async with _peer_process(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], port) as base:
        yield base


@asynccontextmanager
async def _varnish_cache(folder: Path, origin_port: int) -> AsyncIterator[str]:
    port = free_port()
    command = ["varnishd", "-F", "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{origin_port}"]
    async with _peer_process([*command, "-n", str(folder / "varnish"), "-s", "malloc,64m"], port) as base:
        yield base


@asynccontextmanager
async def _peer_process(command: list[str], port: int) -> AsyncIterator[str]:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        await listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def hit_ratio() -> Iterator[Row]:
    """How much of the way from LRU to an all-knowing cache the policies go, through the code that runs live."""
    gaps: dict[str, list[tuple[float, float]]] = {"vod": [], "other": []}
    worst = 0.0
    for kind, trace in _traces():
        for share in CAPACITIES:
            budget = int(trace.working_set_bytes() * share)
            lru, best, peer, ours = (
                replay_named(trace, name, budget).byte_miss_ratio for name in ("lru", "belady", "s3fifo", "foresight")
            )
            gaps[kind].append((gap_closed(lru, ours, best), gap_closed(lru, peer, best)))
            worst = max(worst, ours / lru)
    goals = {"vod": 0.55, "other": 0.35}
    for kind, found in gaps.items():
        yield Row(
            id=f"hit_ratio.{kind}_gap",
            what=f"mean share of the byte gap from LRU to Belady closed by foresight, {kind} traces",
            value=round(statistics.mean(ours for ours, _ in found), 3),
            unit="share",
            op=">=",
            goal=goals[kind],
            peer="S3-FIFO",
            peer_value=round(statistics.mean(peer for _, peer in found), 3),
            note="each: " + ", ".join(f"{ours:.2f}" for ours, _ in found),
        )
    yield Row(
        id="hit_ratio.worst_vs_lru",
        what="foresight's byte miss ratio / LRU's, worst trace",
        value=round(worst, 3),
        unit="ratio",
        op="<=",
        goal=1.01,
    )


def _traces() -> Iterator[tuple[str, Trace]]:
    """Generated from seeds that nothing was tuned on; the public web trace joins where it is beside the checkout."""
    for seed in TRACE_SEEDS:
        yield "vod", Trace(list(vod_trace(VodScenario(days=2), np.random.default_rng(seed))))
    yield "other", Trace(list(zipf_trace(100_000, 30_000, 0.8, np.random.default_rng(TRACE_SEEDS[0]))))
    if ADAPTSIZE.is_file():
        yield "other", read_trace(ADAPTSIZE, kind="csv")


def steering() -> Iterator[Row]:
    """Sessions steered one by one as they come, beside the cheapest flow that knew all of them before."""
    found = [steer_evening(Evening(), np.random.default_rng(seed), Priced()) for seed in STEERING_SEEDS]
    yield Row(
        id="steering.regret",
        what="cost of sessions steered online beyond the minimum-cost flow's, worst of the seeds",
        value=round(max(one.regret for one in found), 4),
        unit="share",
        op="<=",
        goal=0.02,
        note=f"24 regions, 10 edges, 85 % of capacity wanted, forecast wrong by 10 %, "
        f"planned again after every {Evening().replan} sessions; {len(found)} seeds",
    )
    yield Row(
        id="steering.overloaded",
        what="edges above capacity at any time",
        value=sum(one.overloaded for one in found),
        unit="edges",
        op="==",
        goal=0,
    )


def moved() -> Iterator[Row]:
    """An edge is drained, and one is killed, under sessions that play by their steering documents."""
    with tempfile.TemporaryDirectory() as text:
        found = asyncio.run(_moved(Path(text)))
    yield Row(
        id="steering.moved",
        what="time until no session uses an edge that was drained or killed / (one TTL + one segment), worst",
        value=round(max(found.values()), 3),
        unit="share",
        op="<=",
        goal=1.0,
        note=f"{MOVED_SESSIONS} sessions, 3 edges, the control plane on SQLite, virtual time: a document each "
        f"TTL of {MOVED_TTL_S} s, a segment each {MOVED_SEGMENT_S} s, one that fails is fetched by the next pathway; "
        + ", ".join(f"{name} {value:.2f}" for name, value in found.items()),
    )


async def _moved(folder: Path) -> dict[str, float]:
    found = {}
    for how in ("drain", "kill"):
        database = Database(f"sqlite:///{folder}/{how}.sqlite")
        database.migrate(["reelwright.cdn"])
        clock = VirtualClock()
        settings = CdnSettings(steering_ttl_s=MOVED_TTL_S)
        plane = ControlPlane(database=database, clock=clock, keys=KeyRing.generate(), settings=settings)
        found[how] = await _move(plane, clock, how) / (MOVED_TTL_S + MOVED_SEGMENT_S)
        database.close()
    return found


async def _move(plane: ControlPlane, clock: VirtualClock, how: str) -> float:
    """Seconds until the last segment is asked for at the edge that goes."""
    chance = np.random.default_rng(41)
    costs = {"near": 1.0, "mid": 2.0, "far": 3.0}
    phases = chance.uniform(0, MOVED_TTL_S, MOVED_SESSIONS), chance.uniform(0, MOVED_SEGMENT_S, MOVED_SESSIONS)
    orders: list[list[str]] = [[] for _ in range(MOVED_SESSIONS)]
    last_s, began_s, step_s = 0.0, MOVED_TTL_S + 5.0, 0.5
    steps = int((began_s + 2 * MOVED_TTL_S) / step_s)
    for step in range(steps):
        now_s = step * step_s
        gone = now_s >= began_s
        if gone and now_s - began_s < step_s and how == "drain":
            await plane.drain("near", on=True, by="bench")
        if step % 4 == 0:
            for name, cost in costs.items():
                if not (gone and how == "kill" and name == "near"):
                    report = EdgeReport(boot=name, url=f"http://{name}", capacity_bps=1e12, costs={"*": cost})
                    await plane.report(name, report)
        for number in range(MOVED_SESSIONS):
            if not orders[number] or _due(now_s, phases[0][number], MOVED_TTL_S, step_s):
                current = orders[number][0] if orders[number] else ""
                viewing = Viewing(
                    session_id=f"s{number}", viewer=f"v{number}", folder="assets/a", bps=5e6, address="10.0.0.1",
                    token=f"t{number}", current=current,
                )  # fmt: skip
                orders[number] = [name for name, _ in (await plane.steer(viewing)).edges]
            if gone and _due(now_s, phases[1][number], MOVED_SEGMENT_S, step_s) and orders[number][0] == "near":
                last_s = now_s + step_s - began_s
                if how == "kill":
                    orders[number] = orders[number][1:] or orders[number]
        clock.advance(step_s)
    return last_s


def players() -> Iterator[Row]:
    """Players that are not ours, in a real browser, whose edge is drained or killed; what the browser tests run."""
    command = [sys.executable, "-m", "tests.browser.players"]
    lacks = _lacks_browser()
    found: dict[str, dict[str, float]] = {}
    if not lacks:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        lacks = "" if done.returncode == 0 else _last_words(done.stderr)
        found = {} if lacks else json.loads(done.stdout)
    yield Row(
        id="steering.players_moved",
        what="time until a player got its segments from the other edge / (one TTL + one segment), worst",
        value=max((one["share"] for one in found.values()), default=None),
        unit="share",
        op="<=",
        goal=1.0,
        note=lacks
        or "10 s ahead, edges of two host names (shaka-player avoids a host that failed, whatever its port); "
        + ", ".join(f"{name} {one['share']:.2f}" for name, one in found.items()),
    )
    yield Row(
        id="steering.players_stalled",
        what="of these players, those whose picture stood still",
        value=sum(one["stalled"] for one in found.values()) if found else None,
        unit="players",
        op="==",
        goal=0,
        note=lacks or ", ".join(name for name, one in found.items() if one["stalled"]),
    )


def _last_words(stderr: str) -> str:
    """What a process ended with; the service's log lines beside it are JSON."""
    said = [line for line in stderr.splitlines() if line.strip() and not line.startswith("{")]
    return said[-1][:300] if said else "ended without a word"


def _lacks_browser() -> str:
    """Why it cannot be measured here; empty where it can."""
    if not (CHECKOUT / "tests" / "browser" / "players.py").exists():
        return "needs a checkout: its players are development packages"
    if importlib.util.find_spec("playwright") is None:
        return "needs the development packages: make install"
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return "no Chromium here: sudo apt install chromium"
    return ""


def _due(now_s: float, phase_s: float, every_s: float, step_s: float) -> bool:
    return (now_s - phase_s) % every_s < step_s


def idle_connection() -> Iterator[Row]:
    """What a connection costs that was used once and is kept."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        prefix = _write_objects(folder)
        path = f"{FOLDER}/manifest-0.m4s"
        with _edge(folder) as edge:
            ours = asyncio.run(_idle_bytes(edge, prefix + path))
        theirs = None
        if shutil.which("nginx"):
            with _nginx(folder) as nginx:
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


async def _idle_bytes(server: _Server, path: str) -> float:
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


def data_plane() -> Iterator[Row]:
    """CPU per byte and per request, with signature, cache bookkeeping and metrics, against nginx's bare sendfile."""
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing:
        line = f"sudo apt install {' '.join('nginx-light' if name == 'nginx' else name for name in missing)}"
        yield Row(id="data_plane.segment_cpu", what="not measured", value=None, unit="", note=line)
        return
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        prefix = _write_objects(folder)
        source = stack.enter_context(_edge(folder))
        edge = stack.enter_context(_tier(folder, "edge", f"http://127.0.0.1:{source.port}", on=_cores()[:1]))
        nginx = stack.enter_context(_nginx(folder))
        ours = {size: f"http://127.0.0.1:{edge.port}{prefix}{FOLDER}/{size}" for size in ("segment", "manifest")}
        theirs = {size: f"http://127.0.0.1:{nginx.port}/{FOLDER}/{size}" for size in ("segment", "manifest")}
        for urls in (ours, theirs):
            _check_bodies(folder, urls)
        costs: dict[tuple[str, str], list[_Cost]] = {}
        for _ in range(ROUNDS):
            for size in ("manifest", "segment"):
                for name, server, urls in (("ours", edge, ours), ("nginx", nginx, theirs)):
                    costs.setdefault((name, size), []).append(_cost(server, urls[size], folder))
        measured = {key: [cost.own_s for cost in values] for key, values in costs.items()}
        middle = {key: statistics.median(values) for key, values in measured.items()}
        machine = {key: statistics.median(cost.machine_s for cost in values) for key, values in costs.items()}
    yield Row(
        id="data_plane.segment_cpu",
        what=f"our CPU per GB at {SEGMENT_BYTES // 10**6} MB / nginx sendfile's",
        value=round(middle["ours", "segment"] / middle["nginx", "segment"], 3),
        unit="ratio",
        op="<=",
        goal=1.15,
        peer="nginx",
        peer_value=1.0,
        note=f"ours {middle['ours', 'segment'] / SEGMENT_BYTES * GB:.3f}, "
        f"nginx {middle['nginx', 'segment'] / SEGMENT_BYTES * GB:.3f} CPU-s per GB; {_spread(measured)}; the whole "
        f"machine, reader and kernel timers included: ours {machine['ours', 'segment'] / SEGMENT_BYTES * GB:.3f}, "
        f"nginx {machine['nginx', 'segment'] / SEGMENT_BYTES * GB:.3f}",
    )
    yield Row(
        id="data_plane.manifest_cpu",
        what="CPU per 2 KB request with signature, cache bookkeeping and metrics",
        value=round(middle["ours", "manifest"] * 1e6, 1),
        unit="µs",
        op="<=",
        goal=20,
        peer="nginx",
        peer_value=round(middle["nginx", "manifest"] * 1e6, 1),
        note="an edge that fetched the objects from another; nginx checks no signature and caches nothing",
    )


def processes() -> Iterator[Row]:
    """What a second process of an edge costs and brings, where client and edge share the machine's cores."""
    if shutil.which("wrk") is None:
        yield Row(id="edge_processes", what="not measured", value=None, unit="", note="sudo apt install wrk")
        return
    found: dict[tuple[str, int], _Cost] = {}
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        prefix = _write_objects(folder)
        source = stack.enter_context(_edge(folder, REELWRIGHT_CDN_PROCESSES="2"))
        for count in (1, 2):
            upstream = f"http://127.0.0.1:{source.port}"
            edge = stack.enter_context(_tier(folder, f"edge-{count}", upstream, processes=count))
            urls = {size: f"http://127.0.0.1:{edge.port}{prefix}{FOLDER}/{size}" for size in ("manifest", "segment")}
            _check_bodies(folder, urls)
            for size, url in urls.items():
                found[size, count] = _cost(edge, url, folder, load=_cores(), seconds=2)
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
    cores = _cores()
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
    prefix = _write_objects(folder)
    rates: dict[str, list[dict[str, float]]] = {"ours": [], "nginx": []}
    with _edge(folder) as source:
        for count in counts:
            tier = _tier(folder, f"edge-{count}", f"http://127.0.0.1:{source.port}", on=serving, processes=count)
            nginx = _nginx(folder, workers=count, on=serving)
            for name, started, path in (("ours", tier, prefix), ("nginx", nginx, "/")):
                with started as server:
                    base = f"http://127.0.0.1:{server.port}{path}{FOLDER}"
                    urls = {size: f"{base}/{size}" for size in ("manifest", "segment")}
                    _check_bodies(folder, urls)
                    rates[name].append(
                        {size: _cost(server, url, folder, load=asking).rate for size, url in urls.items()}
                    )
    return rates


def _handed_over_s(edge: _Server, path: str) -> float:
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


def edge_functions() -> Iterator[Row]:
    """CPU of each function that an edge runs on a request by itself, on a film's manifest and ten edges."""
    device = device_of({"user-agent": "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0)"})
    manifest = "#EXTM3U\n" + "".join(
        f'#EXT-X-STREAM-INF:BANDWIDTH={rung}000,RESOLUTION=640x{rung},CODECS="avc1.640028,mp4a.40.2"\nv/{rung}.m3u8\n'
        for rung in (240, 360, 480, 540, 720, 900, 1080, 1440, 2160)
    )
    edges = [
        EdgeState(name=f"e{at}", url=f"https://e{at}.example", capacity_bps=1e10, costs={"*": 1.0 + at})
        for at in range(10)
    ]
    mpd = Mpd("<MPD>", "<Period>", (), "</Period></MPD>")
    keys = KeyRing.generate()
    path = sign_folder(keys, FOLDER, expires_s=2_000_000_000, viewer=None) + f"{FOLDER}/a.m4s"
    functions: dict[str, Callable[[], object]] = {
        "signature": lambda: check(parse(path), keys, viewer="", now_s=1e9),
        "device filter": lambda: device_of({"user-agent": "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0)"}),
        "manifest rewrite": lambda: hls_for(manifest, device, steering="/steer", pathway="e1"),
        "steering": lambda: steer("r1", edges, bps=5e6, prices={}, path="/steer", base="e1"),
        "MPD's beginning": lambda: dash_begin(mpd, base="https://e/m/t/", steering="https://e/steer", location="e1"),
    }
    found = {name: _cpu_us(function) for name, function in functions.items()}
    yield Row(
        id="edge_functions.slowest",
        what="CPU of the slowest edge function",
        value=round(max(found.values()), 1),
        unit="µs",
        op="<=",
        goal=BUDGET_US,
        note=", ".join(f"{name} {us:.1f}" for name, us in found.items()),
    )


def _cpu_us(function: Callable[[], object], calls: int = 2000) -> float:
    """Median of several rounds."""
    rounds = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(calls):
            function()
        rounds.append((time.process_time() - began) / calls * 1e6)
    return statistics.median(rounds)


def tls_cpu() -> Iterator[Row]:
    """CPU per byte over TLS 1.3 with the same certificate, both in user space where the kernel has no TLS."""
    missing = [name for name in ("nginx", "wrk", "openssl") if shutil.which(name) is None]
    if missing:
        yield Row(
            id="data_plane.tls_cpu", what="not measured", value=None, unit="", note=f"needs {', '.join(missing)}"
        )
        return
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        prefix = _write_objects(folder)
        certificate, key = _certificate(folder)
        edge = stack.enter_context(
            _edge(folder, REELWRIGHT_TLS_CERTIFICATE=str(certificate), REELWRIGHT_TLS_KEY=str(key))
        )
        nginx = stack.enter_context(_nginx(folder, f"ssl_certificate {certificate}; ssl_certificate_key {key};"))
        pairs = (
            ("ours", edge, f"https://127.0.0.1:{edge.port}{prefix}{FOLDER}/segment"),
            ("nginx", nginx, f"https://127.0.0.1:{nginx.port}/{FOLDER}/segment"),
        )
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(ROUNDS):
            for name, server, url in pairs:
                found.setdefault((name, "segment"), []).append(_cost(server, url, folder).own_s)
        ours, theirs = (statistics.median(found[name, "segment"]) for name in ("ours", "nginx"))
    yield Row(
        id="data_plane.tls_cpu",
        what=f"our CPU per GB over TLS at {SEGMENT_BYTES // 10**6} MB / nginx's",
        value=round(ours / theirs, 3),
        unit="ratio",
        op="<=",
        goal=1.2,
        peer="nginx",
        peer_value=1.0,
        note=f"ours {ours / SEGMENT_BYTES * GB:.3f}, nginx {theirs / SEGMENT_BYTES * GB:.3f} CPU-s per GB; "
        f"{_spread(found)}",
    )


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody trusts, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


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
    prefix = _write_objects(folder)
    wanted = (folder / "media" / FOLDER / "segment-0.m4s").read_bytes()
    path = f"{prefix}{FOLDER}/segment-0.m4s"
    with _edge(folder) as edge:
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


def flash_crowd() -> Iterator[Row]:
    """Everybody wants the same cold object at once; an origin dies; all origins are away."""
    with tempfile.TemporaryDirectory() as text:
        fetches, late_ms, wrong = asyncio.run(_crowd(Path(text), dies=False))
    yield Row(
        id="flash_crowd.origin_fetches",
        what=f"origin fetches, {CROWD} clients, {EDGES} edges, 1 shield, one cold object",
        value=fetches,
        unit="fetches",
        op="==",
        goal=1,
        note=f"{wrong} bodies broken or wrong",
    )
    yield Row(
        id="flash_crowd.first_byte",
        what="p99 first byte beyond the origin's",
        value=round(statistics.quantiles(late_ms, n=100)[-1], 1),
        unit="ms",
        op="<=",
        goal=60,
        note=f"median {statistics.median(late_ms):.1f} ms; all clients and tiers on {os.cpu_count()} cores; the "
        "clients are connected, as viewers at a segment's edge are",
    )
    with tempfile.TemporaryDirectory() as text:
        fetches, _, wrong = asyncio.run(_crowd(Path(text), dies=True))
    yield Row(
        id="flash_crowd.corrupt",
        what="bodies broken or wrong when the origin dies in mid-transfer and another goes on",
        value=wrong,
        unit="bodies",
        op="==",
        goal=0,
        note=f"{fetches} fetches: one broke off",
    )
    yield Row(
        id="flash_crowd.stale_served",
        what="share of held objects served while all origins are away for 10 minutes",
        value=asyncio.run(_outage()),
        unit="share",
        op=">=",
        goal=1.0,
        note=f"{OUTAGE_OBJECTS} objects fresh for one minute, asked for once a minute",
    )


def idle_memory() -> Iterator[Row]:
    """All processes of `reelwright serve`, with nothing to do."""
    with tempfile.TemporaryDirectory() as text, _service(Path(text)) as process:
        time.sleep(IDLE_S)
        pss = {pid: pss_kb(pid) for pid in tree(process.pid)}
    yield Row(
        id="idle_memory",
        what=f"PSS of all processes of serve, {IDLE_S} s after ready",
        value=round(sum(pss.values()) / 1000, 1),
        unit="MB",
        op="<=",
        goal=450,
        note=f"{len(pss)} processes",
    )


def restart() -> Iterator[Row]:
    """Stop and start again, with live streams open when it is told to stop."""
    with tempfile.TemporaryDirectory() as text:
        with _service(Path(text)):
            pass
        began = time.monotonic()
        with _service(Path(text)) as process:
            ready_s = time.monotonic() - began
            began = time.monotonic()
            process.terminate()
            process.wait()
    yield Row(
        id="restart.ready", what="start on known data until ready", value=round(ready_s, 2), unit="s", op="<=", goal=5
    )
    yield Row(id="restart.stop", what="stop", value=round(time.monotonic() - began, 2), unit="s", op="<=", goal=5)


class _Server:
    """A server process under load."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port


def _write_objects(folder: Path) -> str:
    """Files to serve, and the path that opens them at our edge."""
    target = folder / "media" / FOLDER
    target.mkdir(parents=True)
    for number in range(OBJECTS):
        (target / f"segment-{number}.m4s").write_bytes(os.urandom(SEGMENT_BYTES))
        (target / f"manifest-{number}.m4s").write_bytes(os.urandom(MANIFEST_BYTES))
    return sign_folder(KeyRing.open(folder / KEYS_FILE), FOLDER, expires_s=int(time.time()) + 3600, viewer=None)


@contextmanager
def _edge(folder: Path, *, on: Sequence[int] = (), **environ: str) -> Iterator[_Server]:
    port = free_port()
    command = [sys.executable, "-m", "reelwright.app.roles", "edge"]
    settings = {
        "REELWRIGHT_DATA": str(folder),
        "REELWRIGHT_CDN_PORT": str(port),
        "REELWRIGHT_LOG_LEVEL": "error",
        **environ,
    }
    with _process(command, settings, on or _cores()[:1]) as process:
        wait_for_port(port)
        yield _Server(process.pid, port)


@contextmanager
def _nginx(folder: Path, tls: str = "", *, workers: int = 1, on: Sequence[int] = ()) -> Iterator[_Server]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"""
        daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log;
        {"user root;" if os.getuid() == 0 else ""}
        events {{ worker_connections 4096; }}
        http {{
          access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
          open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;
          client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
          uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
          types {{ video/iso.segment m4s; }}
          server {{
            listen 127.0.0.1:{port} {"ssl " if tls else ""}backlog=1024 reuseport; {tls} root {folder}/media;
          }}
        }}
        """
    )
    with _process(["nginx", "-p", str(folder), "-c", str(config)], {}, on or _cores()[:1]) as process:
        wait_for_port(port)
        yield _Server(process.pid, port)


@contextmanager
def _process(command: list[str], environ: dict[str, str], on: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
    """A process on some cores; it holds our pipe, and ends with us."""
    cores = _cores()
    os.sched_setaffinity(0, on)
    try:
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdin=subprocess.PIPE)
    finally:
        os.sched_setaffinity(0, cores)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _check_bodies(folder: Path, urls: dict[str, str]) -> None:
    """All objects have the files' bytes; a cache holds them from now on."""
    for size, url in urls.items():
        for number in range(OBJECTS):
            with urlopen(f"{url}-{number}.m4s") as response:  # noqa: S310 (our own address)
                if response.read() != (folder / "media" / FOLDER / f"{size}-{number}.m4s").read_bytes():
                    raise AssertionError(f"{url}-{number}.m4s gave other bytes than the file's")


class _Cost(NamedTuple):
    """CPU seconds a request, and requests a second.

    A kernel sends part of a long answer when the reader's acknowledgement comes or a pacing timer rings, so that some
    of a server's work is booked on whoever runs then. `own_s` is what was booked on the server's processes,
    `machine_s` what all cores did, the reader's copying included: it misses nothing.
    """

    own_s: float
    machine_s: float
    rate: float


def _cost(server: _Server, url: str, folder: Path, *, load: Sequence[int] = (), seconds: int = SECONDS) -> _Cost:
    """Under load from the last core, or from some."""
    script = folder / "load.lua"
    path = "/" + url.split("/", 3)[3]
    script.write_text(
        f"local n = 0\nrequest = function() n = (n + 1) % {OBJECTS}; "
        f'return wrk.format("GET", "{path}-" .. n .. ".m4s") end\n'
        'done = function(s) io.write("requests " .. s.requests .. " errors " .. s.errors.status .. "\\n") end\n'
    )
    cores = load or _cores()[-1:]
    _load(url, script, cores, seconds=1)
    before, busy = cpu_s(tree(server.pid)), _machine_cpu_s()
    requests = _load(url, script, cores, seconds=seconds)
    own, machine = cpu_s(tree(server.pid)) - before, _machine_cpu_s() - busy
    return _Cost(own / requests, machine / requests, requests / seconds)


def _load(url: str, script: Path, cores: Sequence[int], *, seconds: int) -> int:
    pin = ["taskset", "-c", ",".join(map(str, cores))] if shutil.which("taskset") else []
    many = [f"-t{len(cores)}", f"-c{CONNECTIONS * len(cores)}"]
    command = [*pin, "wrk", *many, f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = next(line for line in said.splitlines() if line.startswith("requests ")).split()
    if words[3] != "0":
        raise AssertionError(f"{words[3]} requests were answered with an error: {said}")
    return int(words[1])


def _spread(measured: dict[tuple[str, str], list[float]]) -> str:
    wide = max(max(values) / min(values) for values in measured.values())
    return f"rounds agree within {100 * (wide - 1):.0f} %"


async def _crowd(folder: Path, *, dies: bool) -> tuple[int, list[float], int]:
    """(origin fetches, first bytes behind the origin's in ms, wrong bodies) of clients that want one cold object."""
    body = os.urandom(SEGMENT_BYTES)
    asked: list[float] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            asked.append(time.perf_counter())
            start = int(head.partition("bytes=")[2].partition("-")[0] or 0)
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{len(body) - 1}/{len(body)}"
            writer.write(
                f"HTTP/1.1 {status if start else '200 OK'}\r\nContent-Length: {len(body) - start}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            for at in range(start, len(body), 50_000):
                if dies and len(asked) == 1 and at > len(body) / 2:
                    break
                writer.write(body[at : at + 50_000])
                await writer.drain()
                await asyncio.sleep(ORIGIN_S * 50_000 / len(body))
        writer.close()

    server = await asyncio.start_server(origin, "127.0.0.1", 0, backlog=1024)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    name = content_name(FOLDER, body, ".m4s")
    prefix = sign_folder(KeyRing.open(folder / KEYS_FILE), FOLDER, expires_s=int(time.time()) + 3600, viewer=None)
    with ExitStack() as stack:
        shield = stack.enter_context(_tier(folder, "shield", upstream))
        edges = [
            stack.enter_context(_tier(folder, f"edge{number}", f"http://127.0.0.1:{shield.port}"))
            for number in range(EDGES)
        ]
        crowd = _Crowd(body)
        for number in range(CROWD):
            await asyncio.get_running_loop().create_connection(crowd.join, "127.0.0.1", edges[number % EDGES].port)
        answers = await crowd.ask(prefix + name)
    server.close()
    return len(asked), [(at - asked[0]) * 1000 for at, _ in answers], sum(not right for _, right in answers)


@contextmanager
def _tier(folder: Path, name: str, upstream: str, *, on: Sequence[int] = (), processes: int = 1) -> Iterator[_Server]:
    """An edge or shield with a cache of its own and the shared key ring."""
    home = folder / name
    home.mkdir()
    shutil.copy(folder / KEYS_FILE, home / KEYS_FILE)
    patient = {"REELWRIGHT_CDN_REQUEST_S": "300", "REELWRIGHT_CDN_STALL_S": "300"}  # all connect before any asks
    several = {"REELWRIGHT_CDN_PROCESSES": str(processes)}
    with _edge(home, on=on or _cores(), REELWRIGHT_CDN_UPSTREAMS=upstream, **patient, **several) as server:
        while _listeners(server.port) < processes:
            time.sleep(0.05)
        yield server


def _listeners(port: int) -> int:
    """How many processes share a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


async def _outage() -> float:
    """Share of requests that the gateway answers from what it holds while its origin is away."""
    clock = VirtualClock()

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\n\r\nheld")
        writer.close()

    server = await asyncio.start_server(origin, "127.0.0.1", 0)
    upstream = Origin(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", stall_s=5)
    gateway = Gateway(partial(_only, upstream), GatewaySettings(), clock)
    requests = [RequestHead("GET", f"/{number}", (("host", "films"),), keep=True) for number in range(OUTAGE_OBJECTS)]

    async def answered() -> int:
        whole = 0
        for request in requests:
            with contextlib.suppress(Unavailable):
                reply = await gateway.respond(request)
                whole += reply.blocks is not None and b"".join([block async for block in reply.blocks]) == b"held"
        return whole

    await answered()
    server.close()
    await server.wait_closed()
    served = 0
    for _ in range(10):
        clock.advance(60)
        served += await answered()
    await gateway.close()
    return served / (10 * len(requests))


class _Crowd:
    """Clients that ask for one object. They share a buffer and no tasks: what they cost themselves is not the edge's.

    The rest is read when all have begun: what one process needs to read two gigabytes is no property of the edge.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.buffer = bytearray(1 << 20)
        self._clients: list[_Client] = []
        self._begun = 0

    def join(self) -> _Client:
        """One client more."""
        self._clients.append(_Client(self))
        return self._clients[-1]

    async def ask(self, path: str) -> list[tuple[float, bool]]:
        """Of each, when the first byte of its body came, and whether all of it came and is right."""
        for client in self._clients:
            client.transport.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
        return await asyncio.gather(*(client.done for client in self._clients))

    def begun(self) -> None:
        """One has its first byte."""
        self._begun += 1
        if self._begun == len(self._clients):
            for client in self._clients:
                client.transport.resume_reading()


class _Client(asyncio.BufferedProtocol):
    """One of a crowd."""

    transport: asyncio.Transport

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._head = b""
        self._first_s = 0.0
        self._at = 0
        self._right = True
        self.done: asyncio.Future[tuple[float, bool]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _hint: int) -> memoryview:
        """Room for the head and a little, or for much."""
        return memoryview(self._crowd.buffer)[: None if self._first_s else 2048]

    def buffer_updated(self, count: int) -> None:
        """Bytes have come."""
        data = bytes(memoryview(self._crowd.buffer)[:count])
        if not self._first_s:
            self._head += data
            data = self._head.partition(b"\r\n\r\n")[2]
            if not data:
                return
            self.transport.pause_reading()
            self._begin()
        self._right = self._right and data == self._crowd.body[self._at : self._at + len(data)]
        self._at += len(data)

    def _begin(self) -> None:
        self._first_s = time.perf_counter()
        self._crowd.begun()

    def connection_lost(self, _error: Exception | None) -> None:
        """The end; who has nothing by then has all that it will get, so that nobody waits for it."""
        if not self._first_s:
            self._begin()
        self.done.set_result((self._first_s, self._right and self._at == len(self._crowd.body)))


@contextmanager
def _service(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`reelwright serve`, ready."""
    settings = {
        "REELWRIGHT_DATA": str(data / "data"),
        "REELWRIGHT_PORT": str(free_port()),
        "REELWRIGHT_CDN_PORT": str(free_port()),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "reelwright.app.serve"], env={**os.environ, **settings}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    while line := process.stdout.readline():
        if b"is ready" in line:
            break
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _machine_cpu_s() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def fill() -> Iterator[Row]:
    """An edge that is filled ahead beside one of LRU, on held-out days; and the real agent's pace and window."""
    found = [_filled(seed) for seed in FILL_SEEDS]
    note = (
        f"generated VOD, 20 % of all distinct bytes, {FILL_DAYS - FILL_FROM} held-out days after {FILL_FROM}, seeds "
        f"{FILL_SEEDS}; known before a day: plays until then and its promotions; peak: mean of each day's "
        f"busiest hour; {FillRule().policy} has what the plan leaves"
    )
    for name, at, goal in (("peak", 0, 0.6), ("total", 1, 1.05)):
        yield Row(
            id=f"fill.{name}",
            what=f"{name} upstream of a filled edge / LRU's, worst of the seeds",
            value=round(max(one[at] for one in found), 3),
            unit="share",
            op="<=",
            goal=goal,
            note=note,
        )
    error, seconds = asyncio.run(_fill_pace())
    yield Row(
        id="fill.cap_error",
        what="bytes of a real fill above rate x time, and outside of its window, as a share",
        value=round(error, 4),
        unit="share",
        op="<=",
        goal=0.01,
        note=f"{FILL_RATE_BPS / 1e6:.0f} Mb/s for {seconds:.1f} s, then the window closes for 2 s",
    )


def _filled(seed: int) -> tuple[float, float]:
    scenario = VodScenario(days=FILL_DAYS, segment_s=60.0)
    days = by_day(scenario, np.random.default_rng(seed))
    capacity = int(0.2 * sum({visit.key: visit.size for day in days for visit in day}.values()))
    run = partial(run_days, days, capacity, counts_from=FILL_FROM, scenario=scenario)
    lru, ours = run(rule=None), run(rule=FillRule())
    return ours.peak / lru.peak, ours.total / lru.total


async def _fill_pace() -> tuple[float, float]:
    """How far a fill over loopback goes beyond its rate or its window, and how long it was watched."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        objects = DirectoryObjects(folder / "media")
        items = []
        for number in range(40):
            data = bytes([number]) * 500_000
            name = content_name("assets/a", data, ".m4s")
            objects.put(name, data)
            items.append(FillItem(name, len(data)))
        minute = [10.0]
        cache = DiskCache(
            folder / "cache",
            policy=make_policy("lru", 1 << 30),
            fetcher=ObjectFetcher(objects),
            monotonic_ns=time.monotonic_ns,
            budget_bytes=1 << 30,
        )
        clock = SystemClock()
        peers = HttpFetcher((), keys=KeyRing.generate(), clock=clock)
        filler = Filler(
            cache, ObjectFetcher(objects), peers=peers, folder=folder / "f", clock=clock, minute=lambda: minute[0]
        )
        filler.follow(FillPlan(id="p", items=items, window=(0, 20), rate_bps=FILL_RATE_BPS))
        task = asyncio.create_task(filler.run())
        began = time.monotonic()
        await asyncio.sleep(4)
        seconds, inside = time.monotonic() - began, filler.fetched_bytes
        minute[0] = 30.0
        await asyncio.sleep(2)
        outside = filler.fetched_bytes - inside
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cache.close()
        await peers.close()
    allowed = seconds * FILL_RATE_BPS / 8
    return max(0.0, inside - allowed) / allowed + outside / allowed, seconds
