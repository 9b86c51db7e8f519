"""Spark's daily statistics of an experiment are DuckDB's: one definition, run where the events lie."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

from reelwright.events.adapters.wal import Log
from reelwright.events.contract import Event, StoredBatch
from reelwright.events.core.frame import frame
from reelwright.experiments.adapters.lake import LakeViewing, SparkViewing, viewing_of
from reelwright.experiments.contract import Cell, Experiment
from reelwright.experiments.core.daily import DailySums
from reelwright.experiments.core.scorecard import measured
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.files import LocalDisk
from reelwright.kernel.ids import EventId, PlayableId, ProfileId, TitleId, new_id
from reelwright.lake.replay import open_keeper
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings

pytestmark = pytest.mark.anyio
DAY_MS = 86_400_000
NOON_MS = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS + DAY_MS // 2  # an hour that stays within its day
KEY = "it's a \\ test"
TEST = Experiment(key=KEY, layer="home-page", cells=(Cell(key="a", weight=0.5), Cell(key="b", weight=0.5)))


def viewing(draw: random.Random, cell: str | None) -> list[Event]:
    """Somebody's five days: the exposure on the third, odd figures, heartbeats that came late."""
    film: dict[str, Any] = {"title_id": TitleId(new_id()), "playable_id": PlayableId(new_id())}
    told: list[Event] = []

    def tell(kind: Any, at_ms: int, **more: Any) -> None:
        told.append(Event(id=EventId(new_id()), type=kind, at_ms=at_ms, **more))

    for day in range(5, 0, -1):
        at_ms = NOON_MS - day * DAY_MS + draw.randrange(3_600_000)
        position = draw.uniform(0, 9)
        if day == 3 and cell is not None:
            tell("exposure", at_ms, data={"experiment": KEY, "cell": cell})
        tell("play", at_ms, position_s=position, data={"start_ms": draw.uniform(1, 900)}, **film)
        for kind in ("heartbeat", "heartbeat", "stop"):
            at_ms, position = at_ms + draw.choice((10_000, 10_000, -500)), position + draw.uniform(0, 20.3)
            tell(kind, at_ms, position_s=position, data={"duration_s": 60.7}, **film)
        tell("stall", at_ms, data={"ms": draw.uniform(1, 5000)}, **film)
    return told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty viewers in a lake; every fifth was not exposed, and some of the others are simulated."""
    draw = random.Random(8)
    log = Log(LocalDisk(), tmp_path / "events" / "web-a", segment_bytes=1 << 20)
    for number in range(40):
        events = viewing(draw, None if number % 5 == 0 else "ab"[number % 2])
        batch = StoredBatch(
            events=events, profile_id=ProfileId(new_id()), received_ms=time.time_ns() // 1_000_000, source="web-a",
            synthetic=number % 7 == 1,
        )  # fmt: skip
        log.commit(frame(msgspec.json.encode(batch)))
    log.close()
    open_keeper(tmp_path).commit_all()
    return tmp_path


def lake_of(folder: Path, engine: str) -> LakeService:
    """Whoever asks, with an engine."""
    settings = LakeSettings(engine=engine)
    return LakeService(folder=folder / "lake", events=folder / "events", settings=settings, clock=SystemClock())


@pytest.mark.slow
async def test_spark_adds_up_what_duckdb_adds_up(folder: Path) -> None:
    """Counts and histograms exactly, sums to a billionth: day by day, cell by cell, metric by metric."""
    pytest.importorskip("pyspark", reason="needs the extra: pip install 'reelwright[spark]'")
    if shutil.which("java") is None:
        pytest.skip("needs Java 17: apt install openjdk-17-jre-headless")
    duck, spark = (viewing_of(lake_of(folder, engine)) for engine in ("duckdb", "local[2]"))
    assert isinstance(duck, LakeViewing) and isinstance(spark, SparkViewing)
    metrics = measured(TEST)
    (ours_made_up, ours), (theirs_made_up, theirs) = await duck.daily(TEST, metrics), await spark.daily(TEST, metrics)
    assert ours_made_up is theirs_made_up is False
    one, other = by_place(ours), by_place(theirs)
    assert one.keys() == other.keys() and len(one) >= len(metrics) * 2
    for place, sums in one.items():
        assert other[place].n == sums.n, place
        assert other[place].total == pytest.approx(sums.total, rel=1e-9), place
        assert other[place].products == pytest.approx(sums.products, rel=1e-9), place
        assert other[place].bins == sums.bins, "histograms are the same to the bit"
    starts = [sums.bins for place, sums in one.items() if place[2] == "start_p95_ms" and sums.bins]
    assert sum(sum(bins.counts) for bins in starts) == 27 * 3
    assert sum(sums.n for place, sums in one.items() if place[2] == "views") == 27
    assert all(any(sums.total) for place, sums in one.items() if place[2] == "watch_hours")


def by_place(days: Sequence[DailySums]) -> dict[tuple[int, int, str, str], Any]:
    """Sums by day, cell, metric and segment."""
    return {(daily.day, one.cell, one.metric, one.segment): one for daily in days for one in daily.sums}


async def test_folding_where_the_rows_lie_needs_spark(tmp_path: Path) -> None:
    """The setting is named."""
    with pytest.raises(Invalid, match=r"\[lake\] engine"):
        await lake_of(tmp_path, "duckdb").fold("SELECT 1", by="x", fold=lambda rows: rows, into=None)
