"""The product's own questions share one child; what people ask never goes there, and nobody gets another's answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

from reelwright.kernel.clock import SystemClock
from reelwright.lake.contract import Chart, TookTooLong
from reelwright.lake.replay import Sender
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings

pytestmark = pytest.mark.anyio
YEAR = ("2026-01-01", "2026-12-31")


def service(folder: Path, *, sql_s: float = 120) -> LakeService:
    """The lake in a folder, as a service that stays asks it."""
    settings = LakeSettings(sql_s=sql_s)
    return LakeService(
        folder=folder / "lake", events=folder / "events", settings=settings, clock=SystemClock(), spare=True
    )


@pytest.fixture
async def lake(tmp_path: Path) -> AsyncIterator[LakeService]:
    """Without a table yet."""
    found = service(tmp_path)
    yield found
    await found.stop()


def child(lake: LakeService) -> int:
    """The process that stands."""
    standing = lake._standing._child
    assert standing is not None
    return standing.pid


async def test_every_chart_is_answered_by_one_child(lake: LakeService) -> None:
    """With refused events, quality and the ledger."""
    found = {}
    for chart in get_args(Chart):
        assert (await lake.chart(chart, *YEAR)).rows == []
        found[chart] = child(lake)
    assert await lake.list_refused() == []
    assert (await lake.quality(first=YEAR[0], last=YEAR[1], by="edge")).total.sessions == 0
    assert (await lake.reconcile([], [])).entries == []
    assert set(found.values()) == {child(lake)}


async def test_what_people_ask_has_a_process_of_its_own(tmp_path: Path, lake: LakeService) -> None:
    """The one that stands is not even started for it."""
    sender = Sender(tmp_path / "events", random.Random(1))
    sender.send()
    assert (await lake.ask("SELECT count(*) FROM events")).rows == [[len(sender.acknowledged)]]
    assert lake._standing._child is None


async def test_a_child_that_dies_is_replaced(lake: LakeService) -> None:
    """The question that it had fails clearly, the next is answered."""
    await lake.chart("titles", *YEAR)
    first = child(lake)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(TookTooLong, match="ended before it answered"):
        await lake.chart("titles", *YEAR)
    assert (await lake.chart("titles", *YEAR)).columns[0] == "title_id"
    assert child(lake) != first


async def test_nobody_gets_the_answer_of_a_question_that_was_given_up(lake: LakeService) -> None:
    """Whoever goes away takes the child along."""
    await lake.chart("edges", *YEAR)
    asking = asyncio.create_task(lake.chart("edges", *YEAR))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    several = await asyncio.gather(*(lake.chart(chart, *YEAR) for chart in ("titles", "devices", "titles")))
    assert [answer.columns[0] for answer in several] == ["title_id", "device", "title_id"]


async def test_a_question_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """By its own time, and the child with it."""
    lake = service(tmp_path, sql_s=0.1)  # less than it takes to read the libraries
    with pytest.raises(TookTooLong, match="stopped after"):
        await lake.chart("titles", *YEAR)
    assert lake._standing._child is None
    await lake.stop()
