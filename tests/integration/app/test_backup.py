"""A service is restored from exactly what `docs/how-to/back-up.md` says to copy."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.films import Films
from tests.integration.app.test_roles import heartbeat
from tests.service import RunningService, expect, set_up, signed_in

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "back-up.md"


def told_to_copy() -> list[str]:
    """Patterns that the page names."""
    listed = re.search(r"Copy the folder \((.*?)\)", PAGE.read_text(), re.DOTALL)
    assert listed
    return re.findall(r"`([^`]+)`", listed[1])


def test_what_the_page_names_is_all_that_is_needed(tmp_path: Path) -> None:
    """People, films, what was watched and what the lake holds are there again, under another path."""
    first, second = tmp_path / "first", tmp_path / "second"
    (tmp_path / "library").mkdir()
    environ = {"REELWRIGHT_LIBRARY": str(tmp_path / "library"), "REELWRIGHT_LAKE_ENABLED": "true"}
    environ |= {"REELWRIGHT_LAKE_COMMIT_S": "1", "REELWRIGHT_LAKE_LOG_H": "0"}
    with RunningService(first, environ=environ) as service:
        client = set_up(service)
        shutil.move(Films(tmp_path).make("clip.mp4", seconds=4), tmp_path / "library" / "A Small Film (2020).mp4")
        session = begin(client, service)
        told = heartbeat(session, 2.5)
        expect(client.post("/api/v1/events", json={"events": [told]}), 200)
        wait_until(lambda: has_rows(client), service)
    second.mkdir()
    for pattern in told_to_copy():
        for path in first.glob(pattern.rstrip("/")):
            shutil.copytree(path, second / path.name) if path.is_dir() else shutil.copy2(path, second)
    shutil.rmtree(first)
    with RunningService(second, environ=environ | {"REELWRIGHT_LIBRARY": ""}) as service:
        client = signed_in(service)
        assert expect(client.get("/api/v1/history"), 200)[0]["position_s"] == 2.5
        wait_until(lambda: expect(client.get("/api/v1/cdn/edges"), 200)[0]["url"] == service.edge_url, service)
        again = begin(client, service)
        answer = first_segment(client, again)
        assert answer.status_code == 200 and len(answer.content) > 1000
        count = {"sql": f"SELECT count(*) FROM events WHERE id = '{told['id']}'"}
        assert expect(client.post("/api/v1/analytics/sql", json=count), 200)["rows"] == [[1]]


def begin(client: httpx.Client, service: RunningService) -> dict[str, str]:
    """A playback session of the only film, once it can be played whole."""

    def ready() -> bool:
        titles = expect(client.get("/api/v1/titles"), 200)["titles"]
        return bool(titles) and titles[0]["playables"][0]["state"] == "ready"

    wait_until(ready, service)
    playable = expect(client.get("/api/v1/titles"), 200)["titles"][0]["playables"][0]["id"]
    found: dict[str, str] = expect(client.post("/api/v1/playback/sessions", json={"playable_id": playable}), 201)
    return found


def first_segment(client: httpx.Client, session: dict[str, str]) -> httpx.Response:
    """What an edge answers for the first segment that a session's playlist names."""
    track = next(line for line in client.get(session["hls_url"]).text.splitlines() if line.startswith("/api"))
    segment = next(line for line in client.get(track).text.splitlines() if line.startswith("http"))
    return httpx.get(segment, headers={"Cookie": client.headers["Cookie"]})


def has_rows(client: httpx.Client) -> bool:
    """Whether the lake's table holds events."""
    tables = expect(client.get("/api/v1/analytics/tables"), 200)
    return any(one["table"] == "events" and one["rows"] for one in tables)


def wait_until(holds: Callable[[], bool], service: RunningService) -> None:
    """Wait for something; only a hang ends it."""
    until = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < until, service.output()[-3000:]
        time.sleep(0.2)
