"""Events over HTTP when the disk is full, the database is away, or more comes than can be held."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.composed import Composed, composed
from tests.engines import PostgresServer, small_disk

from reelwright.kernel.ids import new_id

pytestmark = pytest.mark.anyio


def heartbeat(title_id: str, playable_id: str, position_s: float = 1.0, **data: Any) -> dict[str, Any]:
    """One event of a player."""
    return {
        "id": new_id(),
        "type": "heartbeat",
        "at_ms": int(time.time() * 1000),
        "title_id": title_id,
        "playable_id": playable_id,
        "position_s": position_s,
        "data": data,
    }


class Sofa:
    """Somebody who watches a film."""

    def __init__(self, home: Composed, client: httpx.AsyncClient, title_id: str, playable_id: str) -> None:
        self.home = home
        self.client = client
        self.title_id, self.playable_id = title_id, playable_id

    def event(self, position_s: float = 1.0, **data: Any) -> dict[str, Any]:
        """A heartbeat of it."""
        return heartbeat(self.title_id, self.playable_id, position_s, **data)

    def long_event(self) -> dict[str, Any]:
        """One of two kilobytes."""
        return {"id": new_id(), "type": "search", "at_ms": int(time.time() * 1000), "data": {"text": "x" * 2000}}

    async def send(self, *events: dict[str, Any]) -> httpx.Response:
        """A batch."""
        return await self.client.post("/api/v1/events", json={"events": list(events)})

    async def stored(self, expected: int) -> int:
        """What the ledger says once it is counted: `expected`, or what it says in the end."""
        until = time.monotonic() + 90
        while (found := await self._ledger()) < expected and time.monotonic() < until:
            await asyncio.sleep(0.1)
        return found

    async def _ledger(self) -> int:
        rows = (await self.client.get("/api/v1/events/ledger")).json()
        return sum(row["stored"] for row in rows) if isinstance(rows, list) else -1


async def sofa(home: Composed) -> Sofa:
    """Somebody new, with a film that may be seen."""
    ada = await home.person("Ada", role="admin")
    client = await home.session(ada, await home.profile(ada))
    title, playables = await home.title(maturity=0)
    return Sofa(home, client, title.id, playables[0].id)


@pytest.fixture
def log_disk(tmp_path: Path) -> Iterator[Path]:
    """The log's folder as a disk of 1 MB."""
    with small_disk(tmp_path / "data" / "events", "1m") as disk:
        yield disk


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, log_disk: Path) -> None:
    """What was acknowledged is counted; what was not is told to come later, and is taken when there is space."""
    async with composed(tmp_path / "data", events={"segment_bytes": 65_536}) as home:
        viewer = await sofa(home)
        acknowledged, refused = 0, None
        for _ in range(400):
            batch = [viewer.long_event() for _ in range(8)]
            answer = await viewer.send(*batch)
            if answer.status_code != 200:
                refused = answer
                break
            acknowledged += sum(verdict["status"] == "stored" for verdict in answer.json()["verdicts"])
        assert refused is not None, "the disk never filled"
        assert refused.status_code in (429, 503) and int(refused.headers["retry-after"]) >= 1
        assert await viewer.stored(acknowledged) == acknowledged > 0
        await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=8m", str(log_disk)], check=True)
        until = time.monotonic() + 90
        while (again := await viewer.send(*batch)).status_code != 200:
            assert time.monotonic() < until, again.text
            await asyncio.sleep(0.2)
        assert await viewer.stored(acknowledged + len(batch)) == acknowledged + len(batch)


async def test_more_than_can_be_held_is_told_to_come_later(tmp_path: Path) -> None:
    """Bodies count from their announcement: 429 before memory grows; the service goes on for others."""
    async with composed(tmp_path / "data", events={"waiting_bytes": 65_536}) as home:
        viewer = await sofa(home)
        batches = [[viewer.long_event() for _ in range(15)] for _ in range(12)]
        answers = await asyncio.gather(*(viewer.send(*batch) for batch in batches))
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {200, 429}, codes
        late = next(answer for answer in answers if answer.status_code == 429)
        assert late.json()["type"].endswith("backlogged") and int(late.headers["retry-after"]) >= 1
        for batch, answer in zip(batches, answers, strict=True):
            if answer.status_code == 429:
                assert (await viewer.send(*batch)).status_code == 200
        assert await viewer.stored(180) == 180


async def test_while_the_database_is_away_events_are_taken(tmp_path: Path, own_postgres: PostgresServer) -> None:
    """Whoever was known goes on reporting; all of it is counted when the database is back."""
    async with composed(tmp_path / "data", database=own_postgres.url) as home:
        viewer = await sofa(home)
        assert (await viewer.send(viewer.event(1))).status_code == 200
        await asyncio.to_thread(own_postgres.stop)
        for position_s in (2, 3, 4):
            answer = await viewer.send(viewer.event(position_s))
            assert answer.status_code == 200, answer.text
        health = (await viewer.client.get("/readyz")).json()
        assert any(part["system"] == "events" and part["state"] == "degraded" for part in health)
        await asyncio.to_thread(own_postgres.start)
        assert await viewer.stored(4) == 4
        history = (await viewer.client.get("/api/v1/history")).json()
        assert [row["position_s"] for row in history] == [4]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"events": 1}', 400),
        (b'{"events": [], "more": 1}', 400),
        (b'{"events": [' + b"1," * 600 + b"1]}", 400),
        (b"[" * 100_000, 400),
        (b'{"events": ["' + b"x" * (3 << 20) + b'"]}', 413),
        (b"\xff\xfe", 400),
    ],
    ids=["empty", "list", "number", "unknown field", "too many", "deep", "huge", "no text"],
)
async def test_a_batch_that_is_none_is_refused_clearly(tmp_path: Path, body: bytes, status: int) -> None:
    """A problem that says what a batch looks like; the next one is taken."""
    async with composed(tmp_path / "data") as home:
        viewer = await sofa(home)
        answer = await viewer.client.post(
            "/api/v1/events", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == status and "batch" in answer.json()["detail"]
        assert (await viewer.send(viewer.event())).status_code == 200


def packed(data: bytes) -> bytes:
    """As gzip."""
    return gzip.compress(data)


BOMB = gzip.compress(b'{"events": [' + b" " * (100 << 20) + b"]}")
"""A hundred megabytes in a hundred kilobytes."""


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (BOMB, "gzip", 413),
        (packed(b'{"events": [' + b" " * (1 << 20) + b"]}"), "gzip", 413),
        (packed(packed(b'{"events": []}')), "gzip", 400),
        (packed(b'{"events": []}')[:-9], "gzip", 400),
        (packed(b'{"events": []}') * 2, "gzip", 400),
        (b'{"events": []}', "gzip", 400),
        (packed(b'{"events": ['), "gzip", 400),
        (b'{"events": []}', "br", 415),
        (b'{"events": []}', "gzip, gzip", 415),
        (b'{"events": []}', "identity", 200),
    ],
    ids=["bomb", "small bomb", "twice", "torn", "two", "plain", "no JSON", "brotli", "list", "identity"],
)
async def test_a_packed_batch_is_bounded_by_what_it_unpacks_to(
    tmp_path: Path, body: bytes, encoding: str, status: int
) -> None:
    """A bomb is refused before it is in memory, also one that is small: it was counted by its packed length. The next
    batch is taken, packed or not.
    """
    async with composed(tmp_path / "data") as home:
        viewer = await sofa(home)
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        tracemalloc.start()
        answer = await viewer.client.post("/api/v1/events", content=body, headers=headers)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.status_code == status, answer.text
        assert most < 16 << 20, "the bomb was unpacked"
        good = json.dumps({"events": [viewer.event()]}).encode()
        headers["Content-Encoding"] = "gzip"
        answer = await viewer.client.post("/api/v1/events", content=packed(good), headers=headers)
        assert answer.status_code == 200 and answer.json()["verdicts"][0]["status"] == "stored"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
async def test_a_hundred_megabytes_are_refused_early(tmp_path: Path, announced: bool) -> None:
    """At the latest where the limit is reached; nobody reads on."""
    sent = 0

    async def blocks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * (1 << 20)

    async with composed(tmp_path / "data") as home:
        viewer = await sofa(home)
        headers = {"Content-Length": str(100 << 20)} if announced else {}
        answer = await viewer.client.post("/api/v1/events", content=blocks(), headers=headers)
        assert answer.status_code == 413 and sent <= 4
        assert (await viewer.send(viewer.event())).status_code == 200


async def test_a_foreign_player_reports_by_cmcd(tmp_path: Path) -> None:
    """One report a line; a bad one fails alone and is kept, and a line that is sent twice is one event."""
    async with composed(tmp_path / "data") as home:
        viewer = await sofa(home)
        now_ms = int(time.time() * 1000)
        lines = [
            f'v=2,e=ps,sta=s,ts={now_ms - 900},sid="{new_id()}",cid="{viewer.playable_id}",sn=0',
            f"v=2,e=ps,sta=p,ts={now_ms},msd=900,bl=(4000;v),br=(3200;v 128;a),pt=0,sn=1",
            "v=2,e=ps,sta=dancing",
        ]
        headers = {"Content-Type": "application/cmcd"}
        answer = await viewer.client.post("/api/v1/cmcd", content="\n".join(lines), headers=headers)
        verdicts = answer.json()["verdicts"]
        assert [verdict["status"] for verdict in verdicts] == ["stored", "stored", "failed"]
        assert verdicts[2]["reason"].startswith("CMCD: sta")
        again = await viewer.client.post("/api/v1/cmcd", content=lines[1] + "\r\n", headers=headers)
        assert again.json()["verdicts"] == [{"id": verdicts[1]["id"], "status": "duplicate"}]
        assert await viewer.stored(2) == 2
        refused = await viewer.client.post("/api/v1/cmcd", content=b"\xff\xfe", headers=headers)
        assert refused.status_code == 400 and "UTF-8" in refused.json()["detail"]
        many = await viewer.client.post("/api/v1/cmcd", content="x\n" * 501, headers=headers)
        assert many.status_code == 400 and "at most 500" in many.json()["detail"]
