"""A batch of events skips the framework's router, and meets what it would meet there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.composed import Composed, composed

from reelwright.app.asgi import Bypass
from reelwright.kernel.ids import new_id
from reelwright.kernel.peers import peer_token

pytestmark = pytest.mark.anyio
SHORT = "/api/v1/events"
LONG = "/api/v1/events/"
"""The same route for the framework, which takes the slash away, and not for the short way."""
EVENT = {"id": new_id(), "type": "page_view", "at_ms": 1, "data": {"page": "/"}}
CASES: dict[str, dict[str, Any]] = {
    "stored": {"json": {"events": [EVENT]}},
    "one of two is bad": {"json": {"events": [EVENT, {"id": "no"}]}},
    "no array": {"json": {"events": 3}},
    "no JSON": {"content": b"{"},
    "unknown field": {"json": {"events": [], "more": 1}},
    "gzip": {
        "content": gzip.compress(json.dumps({"events": [EVENT]}).encode()),
        "headers": {"Content-Encoding": "gzip"},
    },
    "torn gzip": {"content": gzip.compress(b"{}")[:-4], "headers": {"Content-Encoding": "gzip"}},
    "gzip bomb": {"content": gzip.compress(bytes(8 << 20)), "headers": {"Content-Encoding": "gzip"}},
    "too large": {"content": bytes(3 << 20)},
    "unknown packing": {"content": b"{}", "headers": {"Content-Encoding": "br"}},
    "another host": {"json": {"events": []}, "headers": {"Host": "elsewhere.example"}},
    "another site": {"json": {"events": []}, "headers": {"Origin": "https://elsewhere.example"}},
    "no CSRF value": {"json": {"events": []}, "headers": {"X-CSRF-Token": ""}},
    "no caller": {"json": {"events": []}, "headers": {"Cookie": ""}},
    "a token that is none": {"json": {"events": []}, "headers": {"Authorization": "Bearer rwt_none"}},
}


async def viewer(home: Composed) -> httpx.AsyncClient:
    """Somebody who watches."""
    ada = await home.person("Ada")
    return await home.session(ada, await home.profile(ada))


def told(response: httpx.Response) -> dict[str, Any]:
    """What an answer says; whose counter it took from differs between the two."""
    return {"status": response.status_code, "body": response.content, "headers": sorted(response.headers.keys())}


@pytest.mark.parametrize("case", CASES)
async def test_both_ways_answer_the_same(tmp_path: Path, case: str) -> None:
    """Status, body and the names of all header fields."""
    answers = []
    for path in (SHORT, LONG):
        async with composed(tmp_path / str(len(path))) as home:
            client = await viewer(home)
            answers.append(told(await client.post(path, **CASES[case])))
    assert answers[0] == answers[1]


async def test_a_profile_must_be_chosen(tmp_path: Path) -> None:
    """An account without one is told so on both ways."""
    async with composed(tmp_path) as home:
        client = await home.session(await home.person("Ada"))
        short, long = [await client.post(path, json={"events": []}) for path in (SHORT, LONG)]
        assert told(short) == told(long)
        assert short.status_code == 403


async def test_who_comes_too_fast_is_refused_on_the_short_way(tmp_path: Path) -> None:
    """429 as a problem with the limit's fields, from the door that is for events."""
    async with composed(tmp_path, limits={"events": "2/minute"}) as home:
        client = await viewer(home)
        answers = [await client.post(SHORT, json={"events": []}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["content-type"] == "application/problem+json"
        assert "events" in answers[2].headers["ratelimit-policy"]


async def test_only_peers_report_for_others(tmp_path: Path) -> None:
    """A person is refused, a holder of the key ring is not."""
    async with composed(tmp_path) as home:
        body = {"events": [EVENT], "profile_id": new_id()}
        assert (await (await viewer(home)).post("/api/v1/peer/events", json=body)).status_code == 401
        bearer = f"Bearer {peer_token(home.resources.keys, home.resources.clock)}"
        answer = await home.client(Authorization=bearer).post("/api/v1/peer/events", json=body)
        assert answer.json()["verdicts"][0]["status"] == "stored"


async def test_an_error_that_nobody_expected_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 as a problem, on both ways the same."""

    async def fail(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("the inside")

    async with composed(tmp_path) as home:
        client = await viewer(home)
        monkeypatch.setattr(home.wiring.dependencies["events"], "record_array", fail)
        short, long = [await client.post(path, json={"events": []}) for path in (SHORT, LONG)]
        assert told(short) == told(long)
        assert short.status_code == 500
        assert b"inside" not in short.content


async def test_the_short_way_is_taken(tmp_path: Path) -> None:
    """By the application as it is served."""
    async with composed(tmp_path) as home:
        way = home.application.asgi_handler
        assert isinstance(way, Bypass)
        assert ("POST", SHORT) in way.direct
