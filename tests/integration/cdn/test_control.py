"""Edges and their control plane over real sockets, and without it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from tests.composed import Composed
from tests.service import RunningService, free_port

from reelwright.app.asgi import build
from reelwright.app.serving import serve_asgi
from reelwright.cdn.adapters.agent import REPORTS
from reelwright.cdn.contract import EdgeReport, FillItem, FillPlan, PurgeOrder, Viewing, sign_folder
from reelwright.cdn.control import CdnSystem, ControlPlane
from reelwright.cdn.settings import CdnSettings
from reelwright.cdn.system import EdgeOptions, EdgeServer
from reelwright.kernel.clock import SystemClock, VirtualClock
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import DirectoryObjects, content_name
from reelwright.kernel.peers import peer_token
from reelwright.lake.cli import open_keeper

pytestmark = pytest.mark.anyio
FAR = 4_000_000_000
VIEWING = Viewing(session_id="s", viewer="v", folder="assets/a", bps=1e6, address="127.0.0.1", token="t")
HANGS_S = 60


class Stage:
    """A service's web process and edges beside it: a shield that has the films, and edges that fetch from it."""

    def __init__(self, folder: Path, heartbeat_s: float = 0.2) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = Composed(
            folder / "web", port=self.port, cdn={"heartbeat_s": heartbeat_s}, lake={"sql_s": 300, "sql_rows": 10_000}
        )
        self.keys = self.home.resources.keys
        self.cdn: ControlPlane = self.home.wiring.dependencies["cdn"]
        self.media = DirectoryObjects(folder / "media")
        self.nothing = DirectoryObjects(folder / "nothing")
        self.edges: dict[str, EdgeServer] = {}
        self.client = httpx.AsyncClient(timeout=30)
        self._serving: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """The web process begins."""
        self._stopping = asyncio.Event()
        application = build(self.home.resources, self.home.wiring)
        self._serving = asyncio.create_task(serve_asgi(application, self.home.resources.settings, self._stopping))
        await self.until(self._answers)

    async def _answers(self) -> bool:
        try:
            return (await self.client.get(f"{self.url}/healthz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def edge(
        self, name: str, *, keys_file: Path | None = None, clock: Any = None, url: str = "", **more: Any
    ) -> EdgeServer:
        """An edge that reports; without upstreams it serves the media store itself."""
        options = EdgeOptions(
            host="127.0.0.1",
            settings=CdnSettings(port=0, **more),
            keys_file=keys_file or self.folder / "web" / "keys.json",
            objects=self.media if "upstreams" not in more else self.nothing,
            cache_folder=self.folder / name / "cache",
            origins=frozenset(),
            name=name,
            control=self.url,
            url=url,
        )
        server = self.edges[name] = EdgeServer(options, clock or SystemClock())
        await server.start()
        return server

    async def stop(self) -> None:
        """All of it."""
        for edge in self.edges.values():
            await edge.stop()
        await self.away()
        await self.client.aclose()
        self.home.resources.database.close()

    async def away(self) -> None:
        """The web process ends."""
        if self._serving is not None:
            self._stopping.set()
            await self._serving
            self._serving = None

    def put(self, data: bytes, asset: str = "a1") -> str:
        """A film's segment."""
        name = content_name(f"assets/{asset}", data, ".m4s")
        self.media.put(name, data)
        return name

    async def get(self, edge: str, name: str, keys: KeyRing | None = None) -> httpx.Response:
        """Ask an edge for an object."""
        path = sign_folder(keys or self.keys, name.rpartition("/")[0], expires_s=FAR, viewer=None)
        return await self.client.get(f"http://127.0.0.1:{self.edges[edge].port}{path}{name}")

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait for something; only a hang ends it."""
        async with asyncio.timeout(HANGS_S):
            while True:
                found = holds()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.05)

    async def known(self, name: str) -> bool:
        """Whether an edge is registered and well."""
        return any(one.name == name and one.state == "ok" for one in await self.cdn.list_edges())


def _hear(said: list[str], _logger: Any, _method: str, fields: Any) -> Any:
    said.append(fields["event"])
    raise structlog.DropEvent


def _hear_why(said: list[str], _logger: Any, _method: str, fields: Any) -> Any:
    said.append(f"{fields['event']}: {fields['problem']}")
    raise structlog.DropEvent


class Counted:
    """How many reports of edges have ended so from now on."""

    def __init__(self, outcome: str) -> None:
        self._count = REPORTS.labels(outcome)
        self._begin = self._read()

    def _read(self) -> float:
        return float(self._count._value.get())

    def since(self) -> float:
        """The number."""
        return self._read() - self._begin


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The web process, a shield, and two edges behind it, all registered."""
    made = Stage(tmp_path)
    await made.serve()
    shield = await made.edge("shield")
    for name in ("one", "two"):
        await made.edge(name, upstreams=(f"http://127.0.0.1:{shield.port}",))
    for name in ("shield", "one", "two"):
        await made.until(partial(made.known, name))
    yield made
    await made.stop()


async def test_one_call_purges_at_every_edge_by_url_prefix_and_tag(stage: Stage) -> None:
    """Hard forgets, soft proves again; the shield that serves the store itself has nothing to forget."""
    names = [stage.put(bytes([number]) * 1000, asset) for number, asset in enumerate(("a1", "a1", "a2"))]
    for edge in ("one", "two"):
        for name in names:
            assert (await stage.get(edge, name)).status_code == 200
    for order, count in (
        (PurgeOrder(tag="a1", soft=True), 2),
        (PurgeOrder(path=f"/{names[0]}"), 1),
        (PurgeOrder(prefix="/assets/a1/"), 1),
        (PurgeOrder(tag="a2"), 1),
        (PurgeOrder(tag="a2"), 0),
    ):
        result = await stage.cdn.purge(order, by="x")
        assert (result.purged, result.later) == ({"one": count, "two": count}, []), order
    assert (await stage.get("one", names[2])).status_code == 200


async def test_only_our_own_processes_may_purge_or_report(stage: Stage) -> None:
    """A stranger, an expired token, and a token of another ring."""
    edge = f"http://127.0.0.1:{stage.edges['one'].port}/"
    old = peer_token(stage.keys, VirtualClock(1_600_000_000_000_000_000))
    for token in ("x", "rwp.x.1.y", old, peer_token(KeyRing.generate(), SystemClock())):
        headers = {"Authorization": f"Bearer {token}", "Purge-Prefix": "/"}
        assert (await stage.client.request("PURGE", edge, headers=headers)).status_code == 403
        report = await stage.client.post(f"{stage.url}/api/v1/cdn/edges/evil/report", headers=headers, json={})
        assert report.status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"{" * 5000, b'{"boot":"b","url":"ftp://x","capacity_bps":1}', b'{"boot":"b","url":"http://x","capacity_bps":-1}',
     b'{"boot":"b","url":"http://x","capacity_bps":1e400}', b'{"boot":"b","url":"http://x","capacity_bps":1,"inventory":{"a":-1}}'],
)  # fmt: skip
async def test_a_report_that_makes_no_sense_is_refused(stage: Stage, body: bytes) -> None:
    """And registers nobody."""
    headers = {"Authorization": f"Bearer {peer_token(stage.keys, SystemClock())}", "Content-Type": "application/json"}
    answer = await stage.client.post(f"{stage.url}/api/v1/cdn/edges/odd/report", headers=headers, content=body)
    assert answer.status_code == 400
    assert not await stage.known("odd")


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://[:::1]", "http://a:99999", "http://a:", "http://a;script-src", 'http://a"b', "http://ж.example",
     "http://ada@a.example", "http://a?b", "http://a#b"],
)  # fmt: skip
async def test_an_edge_whose_url_is_none_is_told_so(stage: Stage, url: str) -> None:
    """It would end the policy of every page in the middle, and every purge with an error."""
    headers = {"Authorization": f"Bearer {peer_token(stage.keys, SystemClock())}"}
    body = {"boot": "b", "url": url, "capacity_bps": 1e9}
    refused = await stage.client.post(f"{stage.url}/api/v1/cdn/edges/odd/report", json=body, headers=headers)
    assert refused.status_code == 422 and "cdn.advertise" in refused.json()["detail"], refused.text
    assert url not in stage.cdn.known_urls()


async def test_every_web_process_comes_to_know_an_edge_that_reported_to_another(stage: Stage) -> None:
    """Its pages would else forbid players to fetch from it, until somebody asked this process about edges."""
    other = CdnSystem(stage.home.resources, events=stage.home.wiring.dependencies["events"])
    await other.start()
    report = EdgeReport(boot="b", url="https://late.example", capacity_bps=1e9)
    await stage.cdn.report("late", report)
    assert report.url not in other.service.known_urls()

    async def known() -> bool:
        return report.url in other.service.known_urls()

    await stage.until(known)
    await other.stop()


async def test_an_edge_may_have_any_host_name(stage: Stage) -> None:
    """Letters, digits, a port, an address in brackets."""
    headers = {"Authorization": f"Bearer {peer_token(stage.keys, SystemClock())}"}
    hosts = "abcdefghijklmnopqrstuvwxyz-0123456789.example", "EDGES.SAINT-ISSUS.example:8443", "[2001:db8::5]:8001"
    for number, host in enumerate(hosts):
        told = {"boot": "b", "url": f"https://{host}", "capacity_bps": 1e9}
        url = f"{stage.url}/api/v1/cdn/edges/named{number}/report"
        answer = await stage.client.post(url, headers=headers, json=told)
        assert answer.status_code == 200, answer.text
        assert await stage.known(f"named{number}")


async def test_an_edge_that_is_refused_says_at_once_why(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is another's: nothing that it could wait for."""
    said: list[str] = []
    monkeypatch.setattr(
        "reelwright.cdn.adapters.agent.log", structlog.wrap_logger(None, processors=[partial(_hear_why, said)])
    )
    headers = {"Authorization": f"Bearer {peer_token(stage.keys, SystemClock())}"}
    told = {"boot": "another", "url": "https://elsewhere.example", "capacity_bps": 1e9}

    async def heard_beside_the_first() -> bool:
        url = f"{stage.url}/api/v1/cdn/edges/twin/report"
        assert (await stage.client.post(url, headers=headers, json=told)).status_code == 200
        return bool(said)

    assert not await heard_beside_the_first()
    heard = asyncio.create_task(stage.until(heard_beside_the_first))
    await stage.edge("twin", upstreams=("http://127.0.0.1:1",))
    await heard
    assert "refuses this edge's reports" in said[0]
    assert "is registered as 'twin'" in said[0]


async def test_an_edge_without_a_usable_url_says_at_once_why(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """And names the setting, instead of waiting for a control plane that is there."""
    said: list[str] = []
    monkeypatch.setattr(
        "reelwright.cdn.adapters.agent.log", structlog.wrap_logger(None, processors=[partial(_hear_why, said)])
    )
    await stage.edge("odd", upstreams=("http://127.0.0.1:1",), url="http://a:99999")

    async def heard() -> bool:
        return bool(said)

    await stage.until(heard)
    assert "refuses this edge's reports" in said[0] and "cdn.advertise" in said[0]


async def test_an_edge_serves_on_while_the_control_plane_is_away_and_catches_up(stage: Stage) -> None:
    """Also after a restart of its own; an order that it missed is carried out when it is back."""
    name = stage.put(b"held" * 1000)
    assert (await stage.get("one", name)).status_code == 200
    await stage.until(lambda: stage.edges["one"].agent.remembered.purged == -1)
    await stage.edges["one"].stop()
    result = await stage.cdn.purge(PurgeOrder(tag="a1"), by="x")
    assert result.later == ["one"]
    await stage.away()
    shield = f"http://127.0.0.1:{stage.edges['shield'].port}"
    again = await stage.edge("one", upstreams=(shield,))
    assert (await stage.get("one", name)).status_code == 200, "it serves what it held without asking anybody"
    held = stage.folder / "one" / "cache" / name
    assert held.exists()
    await stage.serve()
    await stage.until(lambda: again.agent.remembered.purged == 0)
    assert not held.exists()


async def test_an_edge_says_once_that_the_control_plane_is_away_and_once_that_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while both are starting: an edge is up long before the service that it reports to."""

    class Pushed(SystemClock):
        ahead_ns = 0

        def monotonic_ns(self) -> int:
            return super().monotonic_ns() + self.ahead_ns

    stage, clock = Stage(tmp_path), Pushed()
    failures = Counted("failed")
    said: list[str] = []
    heard = structlog.wrap_logger(None, processors=[partial(_hear, said)])
    monkeypatch.setattr("reelwright.cdn.adapters.agent.log", heard)
    await stage.edge("early", clock=clock, upstreams=("http://127.0.0.1:1",))
    await stage.until(lambda: failures.since() >= 2)
    assert said == []
    clock.ahead_ns = 60 * 10**9
    await stage.until(lambda: failures.since() >= 4)
    assert said == ["the control plane does not answer; this edge serves on"]
    await stage.serve()
    await stage.until(lambda: stage.known("early"))
    await stage.until(lambda: len(said) == 2)
    assert said[1] == "the control plane answers again"
    await stage.stop()


async def test_a_rotated_ring_reaches_an_edge_that_has_a_copy_of_its_own(stage: Stage, tmp_path: Path) -> None:
    """Sealed with the key that the edge has; afterwards it opens URLs that are signed with the new key."""
    copy = tmp_path / "elsewhere" / "keys.json"
    copy.parent.mkdir()
    file = stage.folder / "web" / "keys.json"
    copy.write_bytes(file.read_bytes())
    shield = f"http://127.0.0.1:{stage.edges['shield'].port}"
    await stage.edge("far", keys_file=copy, upstreams=(shield,))
    await stage.until(lambda: stage.known("far"))
    rotated = stage.keys.rotated()
    rotated.save(file)
    await stage.until(lambda: copy.read_bytes() == file.read_bytes())
    name = stage.put(b"new" * 1000)
    assert (await stage.get("far", name, rotated)).status_code == 200


async def test_an_edge_with_a_wrong_clock_can_report(stage: Stage) -> None:
    """Its tokens would have expired an hour ago; it takes the time of the answer that refuses them."""

    class Late(SystemClock):
        def wall_ns(self) -> int:
            return super().wall_ns() - 3600 * 10**9

    await stage.edge("late", clock=Late(), upstreams=("http://127.0.0.1:1",))
    await stage.until(lambda: stage.known("late"))


async def test_what_an_edge_serves_arrives_as_events_and_classes(stage: Stage) -> None:
    """A first request is fetched through, the second lies there."""
    name = stage.put(b"seen" * 1000)
    for _ in range(2):
        await stage.get("one", name)

    async def counted() -> bool:
        found = {(row["edge"], row["kind"]): row["requests"] for row in await stage.cdn.misses()}
        return found.get(("one", "content")) == 1 and found.get(("one", "hit")) == 1

    await stage.until(counted)
    edge = next(one for one in await stage.cdn.list_edges() if one.name == "one")
    assert (edge.requests, edge.hits) == (2, 1)


JOINED = """
SELECT a.data->>'$.object', a.data->>'$.kind', a.session_id, d.session_id, CASE
    WHEN a.data->>'$.edge' = d.data->>'$.input'->>'$.nearest' THEN
        CASE a.data->>'$.cache' WHEN 'hit' THEN 'hit' ELSE 'content' END
    WHEN a.data->>'$.edge' <> d.data->>'$.choice' THEN 'health'
    ELSE CASE d.data->>'$.reason' WHEN '' THEN 'steering' ELSE d.data->>'$.reason' END
END
FROM events a JOIN events d ON d.id = a.data->>'$.decision' AND d.type = 'decision'
WHERE a.type = 'edge_access' ORDER BY a.id
"""


async def test_what_an_edge_serves_names_the_decision_that_sent_the_viewer_there(tmp_path: Path) -> None:
    """By the signature alone: the class of each miss is a join in the lake, and what a player says of itself is none.

    An altered signature opens nothing and leaves no event.
    """
    stage = Stage(tmp_path, heartbeat_s=5.0)  # so that on a busy machine none is thought down
    await stage.serve()
    shield = await stage.edge("shield", costs=("nowhere=1",))
    for edge, cost in (("near", 1), ("far", 3)):
        await stage.edge(edge, upstreams=(f"http://127.0.0.1:{shield.port}",), costs=(f"*={cost}",))
        await stage.until(partial(stage.known, edge))
    user_id = await stage.home.person("Ada")
    profile = await stage.home.profile(user_id, name="Ada P")
    sessions: dict[str, str] = {}
    names: dict[str, str] = {}

    async def watch(kind: str, at: str, edge: str, says: str = "") -> httpx.Response:
        """Begin a film of its own; it is steered to one edge, and a segment is fetched there or elsewhere."""
        _, (film,) = await stage.home.title(kind)
        client = await stage.home.session(user_id, profile)
        session = (await client.post("/api/v1/playback/sessions", json={"playable_id": film.id})).json()
        sessions[kind], names[kind] = session["id"], stage.put(kind.encode() * 1000, str(film.asset_id))
        base = session["media_bases"][0]
        assert base.startswith(f"http://127.0.0.1:{stage.edges[at].port}/"), kind
        url = base.replace(str(stage.edges[at].port), str(stage.edges[edge].port)) + names[kind]
        headers = {"Cookie": client.headers["Cookie"], "CMCD-Session": f'sid="{says or session["id"]}"'}
        altered = url.replace("/m/", "/m/x")
        assert (await stage.client.get(altered, headers=headers)).status_code == 403
        answer = await stage.client.get(url, headers=headers)
        assert answer.status_code == 200
        return await stage.client.get(url, headers=headers) if kind == "content" else answer

    await watch("content", "near", "near")
    await watch("health", "near", "far", says=sessions["content"])
    await stage.cdn.drain("near", on=True, by="x")
    await watch("policy", "far", "far")
    await stage.cdn.drain("near", on=False, by="x")
    await stage.cdn.set_prices({"near": 9.0})
    await stage.cdn.list_edges()
    await watch("steering", "far", "far")

    async def counted() -> bool:
        rows = await stage.cdn.misses()
        found = {row["kind"]: row["requests"] for row in rows if row["edge"] != "shield"}
        return found == {"content": 1, "hit": 1, "health": 1, "policy": 1, "steering": 1}

    await stage.until(counted)
    await stage.home.wiring.dependencies["events"].catch_up()
    await asyncio.to_thread(open_keeper(stage.home.resources.data).commit_all)
    rows = (await stage.home.wiring.dependencies["lake"].ask(JOINED)).rows
    await stage.stop()
    kinds = ("content", "health", "hit", "policy", "steering")
    assert sorted((row[1], row[4]) for row in rows) == [(kind, kind) for kind in kinds]
    said = {row[0]: (row[2], row[3]) for row in rows}
    assert said[names["health"]] == (sessions["content"], sessions["health"]), "whatever the player says"
    assert all(said[names[kind]][1] == sessions[kind] for kind in names)


async def test_a_plan_fills_an_edge_from_a_peer_then_from_upstream_and_proves_every_byte(stage: Stage) -> None:
    """What nothing proves is not taken in; what is there already is kept."""
    held, cold = stage.put(b"peer" * 50_000), stage.put(b"tier" * 50_000)
    assert (await stage.get("two", held)).status_code == 200
    wrong = "assets/a1/film.m4s"
    stage.media.put(wrong, b"wrong" * 10)
    right = hashlib.sha256(b"wrong" * 10).hexdigest()
    items = [
        FillItem(held, 200_000),
        FillItem(cold, 200_000),
        FillItem(wrong, 50, "0" * 64),
        FillItem("assets/a1/unproved.m4s", 5),
    ]
    peers = [f"http://127.0.0.1:{stage.edges['two'].port}"]
    before = stage.edges["shield"].edge.totals["requests"]
    plan = FillPlan(id="p", items=items, window=(0, 0), rate_bps=80e6, peers=peers)
    await stage.cdn.order_fills({"one": plan})
    filler = stage.edges["one"].filler
    assert filler is not None
    await stage.until(lambda: filler.progress().done == 2 and filler.progress().failed == 2)
    assert stage.edges["two"].edge.totals["requests"] >= 2
    for name in (held, cold):
        assert (stage.folder / "one" / "cache" / name).stat().st_size == 200_000
    assert not (stage.folder / "one" / "cache" / wrong).exists()
    assert stage.edges["shield"].edge.totals["requests"] > before
    fine = FillPlan(id="q", items=[FillItem(wrong, 50, right)], window=(0, 0), rate_bps=80e6)
    await stage.cdn.order_fills({"one": fine})
    await stage.until(lambda: filler.progress().plan == "q" and filler.progress().done == 1)


@pytest.mark.slow
async def test_an_edge_that_is_killed_while_it_fills_serves_nothing_half_and_goes_on_where_it_was(
    stage: Stage, tmp_path: Path
) -> None:
    """kill -9 of the process; what comes after the restart is the rest by range, and the whole is proved."""
    data = bytes(range(256)) * 8000
    name = stage.put(data, "a9")
    environ = {
        "REELWRIGHT_KEYS": f"{stage.folder}/web/keys.json",
        "REELWRIGHT_CDN_CONTROL": stage.url,
        "REELWRIGHT_CDN_NAME": "killed",
        "REELWRIGHT_CDN_UPSTREAMS": f"http://127.0.0.1:{stage.edges['shield'].port}",
    }
    shield = stage.edges["shield"].edge
    before = dict(shield.totals)
    path = sign_folder(stage.keys, "assets/a9", expires_s=FAR, viewer=None) + name
    with RunningService(tmp_path / "killed", "edge", environ=environ) as service:
        url = f"{service.edge_url}{path}"
        await stage.cdn.order_fills(
            {"killed": FillPlan(id="k", items=[FillItem(name, len(data))], window=(0, 0), rate_bps=4e6)}
        )

        def begun() -> int:
            return max((one.stat().st_size for one in (tmp_path / "killed" / "filling").glob("*")), default=0)

        await stage.until(lambda: begun() > 300_000)
        pid = service.pid_of("edge")
        os.kill(pid, signal.SIGKILL)
        have = begun()
        assert 0 < have < len(data)
        await stage.until(lambda: service.pid_of("edge") != pid)
        held = {"Cache-Control": "only-if-cached"}

        async def asked() -> int:
            try:
                return (await stage.client.get(url, headers=held)).status_code
            except httpx.HTTPError:
                return 0

        async def refused() -> bool:
            return await asked() == 404

        await stage.until(refused)
        assert not (tmp_path / "killed" / "cache" / name).exists()

        async def whole() -> bool:
            return await asked() == 200

        await stage.until(whole)
        assert (await stage.client.get(url, headers=held)).content == data
    grown = {what: shield.totals[what] - before[what] for what in ("requests", "sent_bytes")}
    assert (grown["requests"], grown["sent_bytes"]) == (2, 2 * len(data) - have), (
        "what was there before the kill is not fetched again"
    )


@pytest.mark.slow
async def test_gateways_that_share_a_port_register_each_and_purge_at_once(stage: Stage) -> None:
    """One call reaches the memory of every process, whichever the kernel would have given it to."""
    version = 1

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nCache-Tag: film\r\nContent-Length: 1\r\n\r\n%d"
            % version
        )
        writer.close()

    origin = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("reelwright")),
        "cdn",
        "front",
        "--name",
        "front",
        "--processes",
        "2",
    ]
    command += ["--origin", f"http://127.0.0.1:{origin.sockets[0].getsockname()[1]}", "--port", str(port)]
    command += ["--data", str(stage.folder / "web"), "--control", stage.url]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        for name in ("front-0", "front-1"):
            await stage.until(partial(stage.known, name))
        own = {one.name: one.url for one in await stage.cdn.list_edges() if one.kind == "gateway"}
        assert len(set(own.values())) == 2

        async def asked(url: str, path: str) -> str:
            return (await stage.client.get(url + path, headers={"Host": "films.example"})).text

        for order in (PurgeOrder(tag="film"), PurgeOrder(prefix="/a"), PurgeOrder(path="/a/1", host="films.example")):
            for url in own.values():
                assert await asked(url, "/a/1") == str(version)
            version += 1
            for url in own.values():
                assert await asked(url, "/a/1") == str(version - 1), "it is held"
            result = await stage.cdn.purge(order, by="x")
            assert {name: result.purged[name] for name in own} == {"front-0": 1, "front-1": 1}, order

            async def read(seq: int = result.seq) -> bool:
                found = {one.name: one.purged for one in await stage.cdn.list_edges()}
                return all(found[name] == seq for name in own)

            await stage.until(read)  # the order comes with the next report too, and would take what is held then
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/a/1")).text == str(version)
        assert (await stage.cdn.steer(VIEWING)).edges[0][0] not in own, "nobody is sent to a gateway"
    finally:
        process.terminate()
        assert await process.wait() == 0
        origin.close()
