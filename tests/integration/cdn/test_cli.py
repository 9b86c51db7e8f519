"""`reelwright cdn`: what each command prints, against a running control plane and real traces."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.integration.cdn.test_control import Stage
from typer.testing import CliRunner, Result

from reelwright.app.incidents import write_processes
from reelwright.cdn.cli import app
from reelwright.cdn.contract import EdgeReport, FillProgress
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.keys import KEYS_FILE, KeyRing
from reelwright.kernel.operations import ProcessState

pytestmark = pytest.mark.anyio
COSTS = {"near": {"eu": 1.0}, "far": {"eu": 3.0, "us": 1.0}}


async def report(stage: Stage, name: str, **more: object) -> None:
    """An edge that is somewhere else, and says this."""
    form = {
        "boot": name, "url": f"http://{name}.example", "capacity_bps": 1e9, "costs": COSTS[name], "load_bps": 25e6,
        "requests": 200, "hits": 150, "sent_bytes": 4_000, "fetched_bytes": 1_000, "held_bytes": 10,
        "budget_bytes": 100,
        **more,
    }  # fmt: skip
    await stage.cdn.report(name, EdgeReport(**form))  # type: ignore[arg-type]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A control plane that two edges have reported to."""
    made = Stage(tmp_path, heartbeat_s=60)  # what they said once is good for the whole test
    await made.serve()
    await report(
        made, "near", fill=FillProgress(plan="p", done=3, total=4, done_bytes=3 * 10**9, total_bytes=4 * 10**9)
    )
    await report(made, "far")
    yield made
    await made.stop()


def run(*words: str) -> Result:
    """A command's output; what it refuses is an error of ours, which the command line prints."""
    return CliRunner().invoke(app, list(words))


async def ask(stage: Stage, *words: str) -> str:
    """What a command prints that asks the service."""
    where = ("--url", stage.url, "--data", str(stage.folder / "web"))
    result = await asyncio.to_thread(run, *words, *where)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


async def test_status_says_in_three_lines_how_it_is(stage: Stage) -> None:
    """Edges, load, hits, misses by class."""
    lines = (await ask(stage, "status")).splitlines()
    assert lines == [
        "2 of 2 edges are well; 50.0 of 2000 Mb/s in use",
        "400 requests, 75.0% of them from what lay there",
        "last 24 hours: none",
    ]


async def test_gateways_are_told_apart(stage: Stage) -> None:
    """Nobody is steered to them, nor do they have a plan, and their capacity is nobody's."""
    await report(stage, "far", kind="gateway")
    assert (await ask(stage, "status")).splitlines()[:2] == [
        "1 gateway in front of other origins",
        "1 of 1 edges are well; 25.0 of 1000 Mb/s in use",
    ]
    assert (await ask(stage, "edges")).split()[:5] == ["far", "ok", "25.0", "(gateway)", "Mb/s"]
    assert "far" not in await ask(stage, "fill")


async def test_edges_lists_each_with_load_hits_and_where_it_is(stage: Stage) -> None:
    """One that is gone for good can be forgotten."""
    far, near = (await ask(stage, "edges")).splitlines()
    assert near.split() == ["near", "ok", "25.0", "of", "1000", "Mb/s", "hits", "75%", "http://near.example"]
    assert far.split()[0] == "far"
    assert (await ask(stage, "edges", "--forget", "far")).splitlines() == [near]


async def test_fill_says_how_far_each_edge_is(stage: Stage) -> None:
    """Or that it has no plan."""
    lines = (await ask(stage, "fill")).splitlines()
    assert [line.split(None, 1) for line in lines] == [
        ["far", "no plan"],
        ["near", "3 of 4 objects, 3.00 of 4.00 GB, 0.0 Mb/s, 0 failed"],
    ]


async def test_a_drain_changes_what_steering_explains(stage: Stage) -> None:
    """Each edge with the reason for its place; without --explain only those that may serve."""
    explained = (await ask(stage, "steer", "--region", "eu", "--explain")).splitlines()
    assert [line.split(None, 2) for line in explained] == [
        ["1", "near", "cost and price 1.000"],
        ["2", "far", "cost and price 3.000"],
    ]
    assert (await ask(stage, "drain", "near")) == "near is drained\n"
    explained = (await ask(stage, "steer", "--region", "eu", "--explain")).splitlines()
    assert [line.split(None, 2) for line in explained] == [
        ["1", "far", "cost and price 3.000"],
        ["-", "near", "policy: the edge is draining"],
    ]
    assert (await ask(stage, "steer", "--region", "eu")).split() == ["1", "far"]
    assert (await ask(stage, "drain", "near", "--end")) == "near takes viewers again\n"
    refused = (await ask(stage, "steer", "--region", "us", "--explain")).splitlines()[-1]
    assert refused.split(None, 2) == ["-", "near", "policy: it does not serve us"]


async def test_a_purge_says_what_went_where_and_who_is_late(stage: Stage) -> None:
    """Edges that do not answer do it with their next report."""
    holder = await stage.edge("holder", upstreams=(f"http://127.0.0.1:{(await stage.edge('shield')).port}",))
    await stage.until(lambda: stage.known("holder"))
    name = stage.put(b"film" * 100)
    assert (await stage.get("holder", name)).status_code == 200
    lines = sorted((await ask(stage, "purge", "--tag", "a1")).splitlines())
    late = "does not answer; it purges with its next report"
    assert lines == [f"far: {late}", "holder: 1 purged", f"near: {late}"]
    assert holder.edge.totals["requests"] >= 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["drain", "nobody"], "no edge 'nobody' is registered"),
        (["purge"], "name what to purge"),
        (["purge", "--tag", "a", "--path", "/b"], "name what to purge"),
        (["edges", "--forget", "nobody"], "no edge 'nobody' is registered"),
        (["steer", "--bps", "0"], "bps: Expected"),
    ],
)
async def test_what_cannot_be_done_is_said(stage: Stage, words: list[str], says: str) -> None:
    """In words that say what to do."""
    where = ("--url", stage.url, "--data", str(stage.folder / "web"))
    result = await asyncio.to_thread(run, *words, *where)
    assert isinstance(result.exception, ReelwrightError) and says in str(result.exception)


async def test_the_service_that_serves_the_folder_is_found(stage: Stage) -> None:
    """Without --url, where its supervisor has written down which port its web process took."""
    web = ProcessState(name="web", state="ready", pid=1, since_ms=0, restarts=0, address=stage.url)
    write_processes(stage.folder / "web" / "run", [web])
    found = await asyncio.to_thread(run, "edges", "--data", str(stage.folder / "web"))
    named = await asyncio.to_thread(run, "edges", "--url", stage.url, "--data", str(stage.folder / "web"))
    assert found.exception is None and found.output == named.output


def test_a_service_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """With the option that names another; the folder is a service's."""
    KeyRing.open(tmp_path / KEYS_FILE)
    result = run("status", "--url", "http://127.0.0.1:9", "--data", str(tmp_path))
    assert isinstance(result.exception, ReelwrightError) and "--url" in str(result.exception)


class Page(BaseHTTPRequestHandler):
    """What a proxy says when its service is away."""

    def do_GET(self) -> None:
        """A page, which is no JSON."""
        self.send_response(502)
        self.end_headers()
        self.wfile.write(b"<h1>502 Bad Gateway</h1>")

    def log_message(self, *_said: object) -> None:
        """Nothing."""


def test_what_is_no_service_is_said_to_be_none(tmp_path: Path) -> None:
    """A proxy whose service is away, and a URL that is none."""
    KeyRing.open(tmp_path / KEYS_FILE)
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}"
        for asked, says in ((url, "answers 502"), ("http://[::1", "--url")):
            refused = run("status", "--url", asked, "--data", str(tmp_path)).exception
            assert isinstance(refused, ReelwrightError) and says in str(refused)


REQUESTS = [(at, key) for at, key in enumerate("abcabcddabcaabbccdda")]
"""Four objects of a thousand bytes."""


def written(folder: Path, kind: str) -> Path:
    """The same requests in a format."""
    path = (
        folder
        / {"csv": "t.csv", "oracle": "t.oracleGeneral.bin", "log": "access.jsonl", "events": "lake.ndjson"}[kind]
    )
    if kind == "csv":
        path.write_text("time,key,size\n" + "".join(f"{at},{key},1000\n" for at, key in REQUESTS))
    elif kind == "oracle":
        path.write_bytes(b"".join(struct.pack("<IQIq", at, ord(key), 1000, -1) for at, key in REQUESTS))
    elif kind == "log":
        rows = [
            {"at_ms": at * 1000, "object": key, "size": 1000, "status": 200, "session": "s"} for at, key in REQUESTS
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        data = [
            {"edge": "e", "object": key, "status": 200, "size_bytes": 1000, "cache": "hit"} for _, key in REQUESTS
        ]
        rows = [{"id": "x", "type": "edge_access", "at_ms": at * 1000, "session_id": None, "data": one}
                for at, one in enumerate(data)]  # fmt: skip
        rows.append({"id": "y", "type": "play", "at_ms": 1, "data": {}})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["csv", "oracle", "log", "events"])
def test_a_replay_prints_each_policy_between_lru_and_belady(tmp_path: Path, kind: str) -> None:
    """The same numbers whatever the format: CSV, oracleGeneral, the edge's log, and access events."""
    path = written(tmp_path, kind)
    result = run(
        "replay", str(path), "--policy", "lru", "--policy", "sieve", "--policy", "belady", "--capacity", "2000"
    )
    assert result.exit_code == 0, result.exception
    lines = result.output.splitlines()
    assert lines[0] == "20 requests, 4,000 distinct bytes, capacity 2,000"
    assert lines[1].split() == ["policy", "byte", "miss", "object", "miss", "gap", "closed"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:5]}
    assert rows["lru"] == ["0.7500", "0.7500", "0.0%"], "15 of 20, counted by hand"
    assert rows["belady"] == ["0.4500", "0.4500", "100.0%"], "9 of 20, likewise"
    assert 0.45 <= float(rows["sieve"][0]) <= 1


def test_a_trace_from_a_spreadsheet_is_read_whole(tmp_path: Path) -> None:
    """Its mark is no header; sizes and times that cannot be are told with their lines."""
    path = tmp_path / "trace.csv"
    path.write_bytes("\ufeff1,a,100\r\n2,b,200\r\n".encode())
    assert run("replay", str(path), "--policy", "lru").output.startswith("2 requests, 300 distinct bytes")
    path.write_text("1,a,99999999999999999999999\nnan,b,5\n")
    refused = run("replay", str(path)).exception
    assert refused is not None and "`time,key,size`: line 1" in str(refused) and "line 2" in str(refused)


@pytest.mark.parametrize("edge", ['"capacity_bps": 0', '"capacity_bps": 1e9, "costs": {"*": -5}'])
def test_edges_that_cannot_be_are_refused(tmp_path: Path, edge: str) -> None:
    """An edge without capacity is one that is left out of the list."""
    path = tmp_path / "edges.json"
    path.write_text(f'[{{"name": "a", {edge}}}]')
    refused = run("steer", "--edges", str(path)).exception
    assert refused is not None and "is no list of edges" in str(refused)
    path.write_bytes(b'\xef\xbb\xbf[{"name": "a", "capacity_bps": 1e9, "costs": {"*": 1}}]')
    assert '"a"' in run("steer", "--edges", str(path)).output


def test_a_plan_says_how_many_edges_where_what_offload_and_what_cost(tmp_path: Path) -> None:
    """Pulled through and filled ahead, on one demand; a failed site costs its neighbours."""
    path = tmp_path / "scenario.json"
    path.write_text(run("plan", "--example").output)
    plain = run("plan", str(path))
    assert plain.exit_code == 0, plain.exception
    for word in ("edges", "offload", "cost"):
        assert word in plain.output.lower(), plain.output
    found = json.loads(run("plan", str(path), "--json").output)
    assert [one["design"] for one in found] == ["pull", "fill"]
    site = found[1]["sites"][0]["name"]
    assert site in plain.output
    rows = {
        line[:20].strip(): line[20:].split() for line in run("plan", str(path), "--failed", site).output.splitlines()
    }
    assert float(rows["fill after failure"][2].rstrip("%")) < float(rows["fill"][2].rstrip("%")) == 100
    wrong = run("plan", str(path), "--failed", "nowhere")
    assert isinstance(wrong.exception, ReelwrightError) and "nowhere" in str(wrong.exception)
