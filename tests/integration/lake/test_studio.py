"""Studio's pages about data, the ledger and sending refused events again, in the whole application."""

from __future__ import annotations

import asyncio
import datetime
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

import httpx
import msgspec
import sqlalchemy as sa
from tests.composed import Composed
from typer.testing import CliRunner

from reelwright.events.contract import Tally, TallyHour
from reelwright.events.core.schema import SCHEMA, Schema
from reelwright.events.core.tally import SETTLE_MS
from reelwright.kernel.ids import made_ms, new_id
from reelwright.lake import service
from reelwright.lake.cli import app, find_place, open_keeper

pytestmark = pytest.mark.anyio


OLDER = Schema(tuple(kind for (name, _), kind in SCHEMA.kinds.items() if name == "play"), {})
"""The schema of a release that knew `play` alone."""


def event(**fields: Any) -> dict[str, Any]:
    """A heartbeat of a session that has gone well so far."""
    now_ms = time.time_ns() // 1_000_000
    so_far = {"watched_ms": 40_000, "stalls": 1, "stalled_ms": 400, "start_ms": 700, "bitrate_bps": 2e6, "edge": "e1"}
    return {
        "id": new_id(),
        "type": "heartbeat",
        "at_ms": now_ms,
        "session_id": new_id(),
        "title_id": new_id(),
        "playable_id": new_id(),
        "position_s": 40.0,
        "data": {"duration_s": 60, **so_far},
        **fields,
    }


async def report(client: httpx.AsyncClient, *events: dict[str, Any]) -> list[str]:
    """Verdicts of a batch."""
    answer = await client.post("/api/v1/events", json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    return [verdict["status"] for verdict in answer.json()["verdicts"]]


async def test_events_are_accounted_for_and_refused_ones_sent_again(tmp_path: Path) -> None:
    """From a player's report to Studio: ledger, quality, and a replay that makes no duplicates."""
    composed = Composed(tmp_path, lake={"sql_s": 300})
    admin = await composed.person("admin", "admin")
    profile = await composed.profile(admin)
    client = await composed.session(admin, profile)
    events = composed.wiring.dependencies["events"]
    lake = composed.wiring.dependencies["lake"]
    await events.start()
    try:
        page = (await client.get("/studio/data")).text
        assert "Nothing has happened" in page
        assert "Nobody has watched" in (await client.get("/studio/quality")).text

        good, bad = event(), event(position_s=-1.0)
        assert await report(client, good, bad, good) == ["stored", "failed", "duplicate"]
        await events.catch_up()
        ledger = (await client.get("/api/v1/analytics/ledger")).json()
        assert ledger["gaps"] == []
        counts = ("received", "acknowledged", "failed", "stored")
        assert [sum(entry[name] for entry in ledger["entries"]) for name in counts] == [2, 1, 1, 1]

        open_keeper(tmp_path).commit_all()
        open_keeper(tmp_path).compute()
        page = (await client.get("/studio/data")).text
        assert "Yes: all 1 of the last 24 hours" in page
        assert "position_s" in page
        for by in ("edge", "title"):
            quality = await client.get(f"/studio/quality?days=7&by={by}")
            assert "Films start in <b>0.7 s</b>" in quality.text
            assert "0.99 %" in quality.text
        today = datetime.datetime.now(datetime.UTC).date()
        window = f"first={today - datetime.timedelta(days=6)}&last={today}"
        for form in ("csv", "parquet"):
            href = f"/api/v1/analytics/charts/titles/file?{window}&format={form}"
            assert href.replace("&", "&amp;") in quality.text
            file = await client.get(href)
            assert file.headers["content-disposition"].endswith(f'.{form}"')
            assert file.content.startswith(b"PAR1" if form == "parquet" else b'"title_id","viewer_days"')
        chart = (await client.get(f"/api/v1/analytics/charts/titles?{window}")).json()
        assert chart["rows"][0][0] == good["title_id"]
        assert "Most watched titles" in quality.text

        for _ in range(2):  # still bad: refused again, and not kept twice
            answer = (await client.post("/api/v1/analytics/failed/replay")).json()
            assert answer == {"stored": 0, "duplicate": 0, "failed": 1}
        assert len((await client.get("/api/v1/analytics/failed")).json()) == 1
        assert await report(client, {**bad, "position_s": 1.0}) == ["stored"]  # the client was mended
        assert (await client.get("/api/v1/analytics/failed")).json() == []
    finally:
        await events.stop()
        await lake.stop()


async def test_all_that_was_refused_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what lies behind a thousand newer ones that are still bad; each once, whatever came in the same moment."""
    monkeypatch.setattr(service, "REPLAYED_AT_ONCE", 2)
    composed = Composed(tmp_path, lake={"sql_s": 300})
    admin = await composed.person("admin", "admin")
    client = await composed.session(admin, await composed.profile(admin))
    events = composed.wiring.dependencies["events"]
    await events.start()
    try:
        for size in (3, 1, 1):
            assert set(await report(client, *({**event(), "position_s": "late"} for _ in range(size)))) == {"failed"}
        open_keeper(tmp_path).commit_all()
        answer = (await client.post("/api/v1/analytics/failed/replay")).json()
        assert answer == {"stored": 0, "duplicate": 0, "failed": 5}
    finally:
        await events.stop()


async def test_what_a_device_sent_and_never_came_is_an_alarm(tmp_path: Path) -> None:
    """In the API, in Studio and in the terminal; while it adds up, none of them says so."""
    composed = Composed(tmp_path, lake={"sql_s": 300})
    admin = await composed.person("admin", "admin")
    profile = await composed.profile(admin)
    client = await composed.session(admin, profile)
    events = composed.wiring.dependencies["events"]
    await events.start()
    try:
        sender, first = new_id(), event()
        hour = made_ms(first["id"]) // 3_600_000
        tally = {"sender": sender, "hours": [{"hour": hour, "made": 3, "done": 1}]}
        answer = await client.post("/api/v1/events", json={"events": [first], "tally": tally})
        assert answer.status_code == 200, answer.text
        found = (await client.get("/api/v1/analytics/ledger")).json()
        assert (found["gaps"], [(one["made"], one["stored"]) for one in found["sent"]]) == ([], [(3, 1)])
        assert "Everything adds up." in (await _ledger(tmp_path)).output

        told = Tally(sender=sender, hours=[TallyHour(hour=hour, made=3, done=3)])
        earlier_ms = time.time_ns() // 1_000_000 - SETTLE_MS - 1000
        await events.record_array(msgspec.Raw(b"[]"), profile_id=profile.id, tally=told, now_ms=earlier_ms)
        await composed.resources.database.write(_told_before, earlier_ms)
        found = (await client.get("/api/v1/analytics/ledger")).json()
        assert [(gap["kind"], gap["count"]) for gap in found["gaps"]] == [("missing", 2)]
        assert "2 events that a device says it sent have not come" in (await client.get("/studio/data")).text
        shown = await _ledger(tmp_path)
        assert shown.exit_code == 1
        assert "have not come" in shown.output
    finally:
        await events.stop()
        await composed.wiring.dependencies["lake"].stop()


def _told_before(connection: sa.Connection, at_ms: int) -> None:
    """Let ten minutes have passed."""
    connection.execute(sa.text("UPDATE events_tally SET told_ms = :at_ms"), {"at_ms": at_ms})


async def _ledger(folder: Path) -> Any:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["ledger", "--data", str(folder)]))


def test_the_terminal_asks_where_events_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bus, the folder and the section `[lake]` are those of the settings."""
    settings = tmp_path / "reelwright.toml"
    settings.write_text(
        f'data = "{tmp_path}/elsewhere"\n[events]\nbus = "kafka://broker:9092/home"\n[lake]\nsql_rows = 7\n'
    )
    monkeypatch.setenv("REELWRIGHT_CONFIG", str(settings))
    place = find_place(None, sql_s=2.0)
    assert (place.bus, place.data) == ("kafka://broker:9092/home", tmp_path / "elsewhere")
    assert (place.settings.sql_rows, place.settings.sql_s) == (7, 2.0)


async def test_a_replay_stores_once_what_passes_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the cause is mended, refused events are stored as they came, for whom they came from."""
    composed = Composed(tmp_path, lake={"sql_s": 300})
    admin = await composed.person("admin", "admin")
    profile = await composed.profile(admin)
    client = await composed.session(admin, profile)
    events, lake = composed.wiring.dependencies["events"], composed.wiring.dependencies["lake"]
    await events.start()
    try:
        with monkeypatch.context() as patch:
            patch.setattr("reelwright.events.service.SCHEMA", OLDER)
            assert await report(client, event(), event()) == ["failed", "failed"]
        form = {"csrf": client.headers["X-CSRF-Token"]}
        answer = await client.post("/studio/data/replay", data=form)
        assert answer.headers["location"] == "/studio/data?replayed=2-0"
        assert (await client.post("/api/v1/analytics/failed/replay")).json()["stored"] == 0
        found = await client.post("/api/v1/analytics/sql", json={"sql": "SELECT profile_id FROM events"})
        assert found.json()["rows"] == [[profile.id], [profile.id]]
    finally:
        await events.stop()
        await lake.stop()


@pytest.mark.parametrize("path", ["/studio/data", "/studio/quality", "/api/v1/analytics/ledger"])
async def test_only_administrators_see_what_viewers_did(tmp_path: Path, path: str) -> None:
    """Editors do not."""
    composed = Composed(tmp_path, lake={"sql_s": 300})
    client = await composed.session(await composed.person("ed", "editor"))
    assert (await client.get(path)).status_code == 403


async def test_without_the_lake_the_pages_say_how_to_get_it(tmp_path: Path) -> None:
    """Turned off, or not installed."""
    composed = Composed(tmp_path, lake={"enabled": False})
    client = await composed.session(await composed.person("admin", "admin"))
    for path in ("/studio/data", "/studio/quality"):
        assert "pip install" in (await client.get(path)).text
