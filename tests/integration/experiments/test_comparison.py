"""A change that could not be randomised is measured from the lake, beside what did not change."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

from reelwright.events.adapters.wal import Log
from reelwright.events.contract import Event, StoredBatch
from reelwright.events.core.frame import frame
from reelwright.experiments.cli import app
from reelwright.experiments.core.comparison import compare
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import EventId, ProfileId, SessionId, TitleId, new_id
from reelwright.lake.core.rows import date_of
from reelwright.lake.replay import open_keeper

DAYS, CHANGED = 10, 6
LAST = time.time_ns() // 86_400_000_000_000 - 1


def day_of(number: int) -> str:
    """The name of one of the days."""
    return date_of(LAST - DAYS + 1 + number).isoformat()


def stalled(edge: int, number: int) -> float:
    """Seconds stalled of an hour: each edge has its level, all have one trend; two stall more since the change."""
    odd = (edge * 7 + number * 5) % 4
    return 40.0 + 15 * edge + 3 * number + odd + (30.0 if edge in (2, 5) and number >= CHANGED else 0.0)


def bitrate(edge: int, number: int) -> float:
    """Bits a second; of one edge alone they fall with the change."""
    odd = (edge * 5 + number * 3) % 4
    return 1e6 + 1e5 * edge + 2e4 * number + 1e3 * odd - (2e5 if edge == 2 and number >= CHANGED else 0.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six edges, one long session a day each, in a lake; and an edge that came late."""
    log = Log(LocalDisk(), tmp_path / "events" / "web-a", segment_bytes=1 << 20)
    for edge in range(7):
        for number in range(DAYS):
            if edge == 6 and number < 5:
                continue
            clock = VirtualClock((LAST - DAYS + 1 + number) * 86_400_000_000_000 + 3_600_000_000_000)
            event = Event(
                id=EventId(new_id(clock)), type="heartbeat", at_ms=clock.wall_ns() // 1_000_000,
                session_id=SessionId(new_id(clock)), title_id=TitleId(new_id()), position_s=3600.0,
                data={"watched_ms": 3_600_000, "stalled_ms": stalled(edge, number) * 1000, "edge": f"eu-{edge}",
                      "bitrate_bps": bitrate(edge, number)},
            )  # fmt: skip
            batch = StoredBatch(
                events=[event], profile_id=ProfileId(new_id()), received_ms=event.at_ms, source="web-a"
            )
            log.commit(frame(msgspec.json.encode(batch)))
    log.close()
    keeper = open_keeper(tmp_path)
    keeper.commit_all()
    keeper.compute()
    return tmp_path


def test_edges_that_changed_are_compared_with_those_that_did_not(data: Path) -> None:
    """By differences and by a synthetic control: what was put in; as text and as JSON."""
    expected = 30 / 3650
    common = ["--since", day_of(CHANGED), "--data", str(data)]
    both = ["compare", "edge", "eu-2", "eu-5", "--design", "differences", *common]
    found = json.loads(CliRunner().invoke(app, [*both, "--json"]).output)
    assert found["low"] < expected < found["high"] and found["left_out"] == ["eu-6"]
    assert found["beside"].keys() == {"eu-0", "eu-1", "eu-3", "eu-4"}
    assert "share of time stalled: +" in CliRunner().invoke(app, both).output
    alone = ["compare", "edge", "eu-2", "--measure", "bitrate_bps", *common, "--json"]
    one = json.loads(CliRunner().invoke(app, alone).output)
    assert (
        one["effect"] == pytest.approx(-2e5, rel=0.1)
        and one["p"] == pytest.approx(1 / 6)
        and sum(one["beside"].values()) == pytest.approx(1)
    )


def test_what_cannot_be_compared_is_named(data: Path) -> None:
    """An edge without figures, a day outside, one treated unit too many or too few, an unknown measure."""
    flat = {f"u{at}": {f"2026-01-0{day}": float(np.sin(at + day)) for day in range(1, 8)} for at in range(4)}
    for treated, since, design, says in (
        (["x"], "2026-01-04", "synthetic", "x has no figure"),
        (["u0"], "2027-01-01", "synthetic", "not after the last"),
        (["u0", "u1"], "2026-01-04", "synthetic", "for one unit, got 2"),
        (["u0"], "2026-01-04", "differences", "two units that changed"),
    ):
        with pytest.raises(Invalid, match=says):
            compare(flat, measure="start_ms", treated=treated, since=since, design=design)  # type: ignore[arg-type]
    wrong = CliRunner().invoke(app, ["compare", "edge", "eu-2", "--since", "x", "--measure", "joy"])
    assert isinstance(wrong.exception, Invalid) and "no measure 'joy'" in str(wrong.exception)
