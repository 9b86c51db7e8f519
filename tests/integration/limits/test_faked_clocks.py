"""Four real processes with wrong wall clocks at one store: no window holds more than the limit, nobody starves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest
from tests.engines import RedisServer, drop_database, new_database
from tests.integration.limits.skewed_process import LIMIT

from reelwright.limits.adapters.postgres import install

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]
CLOCKS = ((0.0, 0.0), (2.0, 0.0), (-2.0, -3600.0), (3600.0, -7200.0))
"""By process: off by how many seconds, and by how many more after a step in the middle."""
Told = list[tuple[int, int, bool]]


@pytest.fixture(params=["redis", "postgres"])
async def url(request: pytest.FixtureRequest) -> object:
    """Each shared engine in turn."""
    if request.param == "redis":
        server = RedisServer()
        yield server.url
        server.remove()
        return
    postgres = request.getfixturevalue("postgres_server")
    database = new_database(postgres)
    await install(database)
    yield database
    drop_database(postgres, database)


async def test_four_processes_with_wrong_clocks_share_one_limit(url: str) -> None:
    """Off by 2 s and by 1 h, stepping back while they press: what is surely within a window is within the limit."""
    told = pressed(url)
    assert fullest(told) <= LIMIT.count
    parts = [sum(admitted for _, _, admitted in one) for one in told]
    assert sum(parts) > LIMIT.count, "more than one window was filled"
    assert min(parts) >= sum(parts) / len(parts) / 10, f"a process starves: {parts}"


def pressed(url: str) -> list[Told]:
    """What each of the processes was told."""
    started = [start(url, skew_s, step_s) for skew_s, step_s in CLOCKS]
    try:
        for process in started:
            assert cast(IO[str], process.stdout).readline() == "ready\n"
        begin = f"{time.monotonic_ns() + 3 * 10**8}\n"
        for process in started:
            cast(IO[str], process.stdin).write(begin)
            cast(IO[str], process.stdin).flush()
        return [json.loads(process.communicate(timeout=60)[0]) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def start(url: str, skew_s: float, step_s: float) -> subprocess.Popen[str]:
    """One process."""
    command = [sys.executable, "-m", "tests.integration.limits.skewed_process", url, str(skew_s), str(step_s), "key"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def fullest(told: list[Told]) -> int:
    """The most admitted in any window: of those that were sent and answered within one, so surely decided in it."""
    admitted = sorted((sent, got) for one in told for sent, got, yes in one if yes)
    return max(
        sum(1 for sent, got in later(admitted, first) if got < first + LIMIT.period_ns) for first, _ in admitted
    )


def later(admitted: list[tuple[int, int]], first: int) -> Iterator[tuple[int, int]]:
    """Those that were sent from `first` on."""
    return ((sent, got) for sent, got in admitted if sent >= first)
