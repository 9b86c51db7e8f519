"""What `/readyz` and Studio say while something that the service stands on is away."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.composed import Composed

from reelwright.app.operations import ServiceOperations

pytestmark = pytest.mark.anyio
FULL = Path("/proc")
"""A file system without a free byte."""


@pytest.mark.skipif(not FULL.is_dir(), reason="needs /proc, a file system that is full")
async def test_a_disk_that_is_full_is_named_first() -> None:
    """It is the cause: an edge that cannot report, or a sign-in that fails, would be looked for elsewhere."""
    said = await ServiceOperations(FULL / "run", ()).health()
    assert [(one.system, one.state) for one in said] == [("disk", "degraded")]
    assert "/proc" in said[0].says and "free some" in said[0].do


async def test_a_disk_with_room_is_not_worth_a_line(tmp_path: Path) -> None:
    """Systems alone are listed."""
    assert await ServiceOperations(tmp_path / "run", ()).health() == []


async def test_a_bus_that_hangs_takes_nobody_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and films need no bus: `/readyz` stays 200, and says what is away however often it is asked."""
    pytest.importorskip("confluent_kafka", reason="needs the extra: pip install 'reelwright[kafka]'")
    pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")
    monkeypatch.setattr("reelwright.events.adapters.kafka.ANSWER_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        bus = f"kafka://127.0.0.1:{hangs.getsockname()[1]}/t"
        home = Composed(tmp_path / "data", events={"bus": bus})
        async with home.client() as client:
            for _ in range(2):
                answer = await client.get("/readyz")
                lake = next(one for one in answer.json() if one["system"] == "lake")
                assert (answer.status_code, lake["state"]) == (200, "degraded"), answer.text
                assert "does not answer" in lake["says"]
