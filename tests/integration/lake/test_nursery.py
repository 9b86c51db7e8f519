"""Each question has a process of its own, forked from one that is ready; none outlives its time or who asked."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra: pip install 'reelwright[lake]'")

from tests.composed import Composed

from reelwright.kernel.clock import SystemClock
from reelwright.lake.contract import Chart, TookTooLong
from reelwright.lake.replay import Sender
from reelwright.lake.service import LakeService
from reelwright.lake.settings import LakeSettings

pytestmark = pytest.mark.anyio
YEAR = ("2026-01-01", "2026-12-31")
ENDLESS = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b"


def service(folder: Path, *, sql_s: float = 120) -> LakeService:
    """The lake in a folder."""
    settings = LakeSettings(sql_s=sql_s)
    return LakeService(folder=folder / "lake", events=folder / "events", settings=settings, clock=SystemClock())


@pytest.fixture
async def lake(tmp_path: Path) -> AsyncIterator[LakeService]:
    """Without a table yet."""
    found = service(tmp_path)
    yield found
    await found.stop()


def nursery(lake: LakeService) -> int:
    """The process that forks."""
    pid = lake._nursery.pid
    assert pid is not None
    return pid


def group(pid: int) -> list[int]:
    """Processes of the nursery's group, itself included; none that has ended."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(one[0]) for one in rows if int(one[1]) == pid and not one[2].startswith("Z")]


async def until_group(pid: int, count: int) -> None:
    """Wait until so many processes are there."""
    async with asyncio.timeout(60):
        while len(group(pid)) != count:
            await asyncio.sleep(0.05)


async def test_every_chart_is_answered_from_one_nursery(tmp_path: Path, lake: LakeService) -> None:
    """With refused events, quality, the ledger and what people ask; afterwards no child is left."""
    sender = Sender(tmp_path / "events", random.Random(1))
    sender.send()
    assert (await lake.ask("SELECT count(*) FROM events")).rows == [[len(sender.acknowledged)]]
    first = nursery(lake)
    for chart in get_args(Chart):
        assert (await lake.chart(chart, *YEAR)).columns
    assert await lake.list_refused() == []
    assert (await lake.quality(first=YEAR[0], last=YEAR[1], by="edge")).total.sessions == 0  # not computed yet
    assert sum(entry.stored for entry in (await lake.reconcile([], [])).entries) == len(sender.acknowledged)
    assert nursery(lake) == first
    await until_group(first, 1)


async def test_who_opens_studio_has_the_libraries_read(tmp_path: Path) -> None:
    """So that its page of data, opened next, need not wait for them; that page asks the same process."""
    composed = Composed(tmp_path)
    client = await composed.session(await composed.person("admin", "admin"))
    lake = composed.wiring.dependencies["lake"]
    try:
        assert lake._nursery.pid is None
        for _ in range(2):
            assert (await client.get("/studio")).status_code == 200
        first = nursery(lake)
        await lake.ask("SELECT 1")
        assert nursery(lake) == first
    finally:
        await lake.stop()


async def test_questions_do_not_wait_for_each_other(lake: LakeService) -> None:
    """One that would never end stands beside others that are answered; stopping the service ends it."""
    asking = asyncio.create_task(lake.ask(ENDLESS))
    several = await asyncio.gather(*(lake.chart(chart, *YEAR) for chart in ("titles", "devices", "titles")))
    assert [answer.columns[0] for answer in several] == ["title_id", "device", "title_id"]
    pid = nursery(lake)
    await until_group(pid, 2)
    await lake.stop()
    with pytest.raises(TookTooLong, match="ended before it answered"):
        await asking
    assert group(pid) == []


async def test_a_question_that_takes_too_long_is_stopped_and_its_process_with_it(tmp_path: Path) -> None:
    """By its own time."""
    lake = service(tmp_path, sql_s=3)
    await lake.chart("titles", *YEAR)
    with pytest.raises(TookTooLong, match="stopped after 3 s"):
        await lake.ask(ENDLESS)
    await until_group(nursery(lake), 1)
    await lake.stop()


async def test_a_nursery_that_dies_is_replaced(lake: LakeService) -> None:
    """The next question is answered by another."""
    await lake.chart("titles", *YEAR)
    first = nursery(lake)
    os.kill(first, signal.SIGKILL)
    await until_group(first, 0)
    assert (await lake.chart("titles", *YEAR)).columns[0] == "title_id"
    assert nursery(lake) != first


async def test_nothing_outlives_a_service_that_is_killed(tmp_path: Path) -> None:
    """Neither the process that forks nor a question on the way."""
    script = (
        "import asyncio, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from test_nursery import ENDLESS, service\n"
        "lake = service(Path(sys.argv[1]), sql_s=8)\n"
        "async def main():\n"
        "    asking = asyncio.ensure_future(lake.ask(ENDLESS))\n"
        "    await asyncio.sleep(0.5)\n"
        "    print(lake._nursery.pid, flush=True)\n"
        "    await asyncio.gather(asking, return_exceptions=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    owner = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    await until_group(pid, 2)
    owner.kill()
    await owner.wait()
    await until_group(pid, 0)
