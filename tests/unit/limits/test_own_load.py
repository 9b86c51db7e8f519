"""The service sheds its own load: playing outlives browsing, and ordinary use never meets it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.composed import Composed

from reelwright.kernel.errors import Invalid
from reelwright.limits.adapters.cpu import Cpu, follow_cpu
from reelwright.limits.api import BACKGROUND, BROWSING, PLAYING, rank_of
from reelwright.limits.contract import Overloaded
from reelwright.limits.core.shedding import Gate
from reelwright.limits.settings import LimitsSettings
from reelwright.limits.system import LimitsSystem, gate_of

pytestmark = pytest.mark.anyio


def request(path: str, *, method: str = "GET", address: str = "10.0.0.1", **fields: str) -> Any:
    """An HTTP scope."""
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return {"type": "http", "method": method, "path": path, "client": (address, 1), "headers": headers, "state": {}}


@pytest.mark.parametrize(
    ("path", "priority"),
    [
        ("/api/v1/playback/sessions", PLAYING),
        ("/api/v1/playback/sessions/x/master.m3u8", PLAYING),
        ("/watch/x", PLAYING),
        ("/api/v1/events", PLAYING),
        ("/", BROWSING),
        ("/api/v1/titles", BROWSING),
        ("/studio", BROWSING),
        ("/art/x/poster", BACKGROUND),
        ("/static/main.js", BACKGROUND),
    ],
)
def test_playing_matters_more_than_browsing_and_that_more_than_pictures(path: str, priority: int) -> None:
    """By path; whoever asks is the tenant."""
    assert rank_of(request(path)) == (priority, "address 10.0.0.1")


def test_what_a_browser_fetches_ahead_is_background() -> None:
    """It says so itself."""
    assert rank_of(request("/title/x", sec_purpose="prefetch")) == (BACKGROUND, "address 10.0.0.1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/api/v1/media/jobs/stream"),
        ("PATCH", "/api/v1/uploads/x"),
        ("POST", "/api/v1/session"),
        ("GET", "/metrics"),
    ],
)
def test_what_takes_long_by_its_nature_holds_no_slot(method: str, path: str) -> None:
    """Streams, uploads and password checks pass by."""
    assert rank_of(request(path, method=method)) is None


class Door:
    """The service's own middleware in front of an application that works until it is told to end."""

    def __init__(self, home: Composed) -> None:
        self.system = next(one for one in home.wiring.systems if isinstance(one, LimitsSystem))
        self.app = self.system.middleware(self._work)
        self.done = asyncio.Event()
        self.inside: list[str] = []

    async def _work(self, scope: Any, receive: Any, send: Any) -> None:
        self.inside.append(scope["path"])
        await self.done.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def get(self, path: str, address: str = "10.0.0.1") -> int:
        """The status of the answer."""
        found: list[int] = []

        async def send(message: Any) -> None:
            found.append(message.get("status", 0))

        try:
            await self.app(request(path, address=address), None, send)  # type: ignore[arg-type]
        except Overloaded as error:
            return error.status
        return found[0]


async def test_playing_goes_before_browsing_when_there_is_room_for_few(tmp_path: Path) -> None:
    """Ten browse, one begins to play after them: of two places, it gets the first that becomes free."""
    home = Composed(tmp_path, limits={"inflight_least": 2, "inflight_most": 2})
    door = Door(home)
    browsing = [asyncio.create_task(door.get("/", f"10.0.0.{number}")) for number in range(10)]
    await until(lambda: len(door.inside) == 2)
    playing = asyncio.create_task(door.get("/watch/film"))
    await until(lambda: door.system.gate is not None and door.system.gate.waiting == 9)
    door.done.set()
    assert await playing == 200 and set(await asyncio.gather(*browsing)) == {200}
    assert door.inside.index("/watch/film") == 2
    home.resources.database.close()


async def test_who_cannot_be_answered_in_time_is_turned_away_and_counted(tmp_path: Path) -> None:
    """A 503 that says when to come again, on the page and in the history; those inside are answered."""
    home = Composed(tmp_path, limits={"inflight_least": 2, "inflight_most": 2})
    door = Door(home)
    inside = [asyncio.create_task(door.get("/")) for _ in range(2)]
    await until(lambda: len(door.inside) == 2)
    late = await asyncio.gather(*(door.get("/search", f"10.0.1.{number}") for number in range(3)))
    assert late == [503, 503, 503]
    door.done.set()
    assert await asyncio.gather(*inside) == [200, 200]
    assert door.system.history is not None
    minutes = await door.system.history.minutes(5)  # one may have begun meanwhile
    counts = [minute.counts["load browsing"] for minute in minutes if "load browsing" in minute.counts]
    assert (sum(one.shed for one in counts), sum(one.allowed for one in counts)) == (3, 2)
    home.resources.database.close()


async def test_a_busy_cpu_sheds_browsing_but_not_playing(tmp_path: Path) -> None:
    """And only while more are inside than a service always takes."""
    home = Composed(tmp_path, limits={"inflight_least": 2, "inflight_most": 50})
    door = Door(home)
    assert door.system.gate is not None
    door.system.gate.cpu = 0.99
    alone = [asyncio.create_task(door.get("/")) for _ in range(2)]
    await until(lambda: len(door.inside) == 2)
    assert await door.get("/search") == 503
    playing = asyncio.create_task(door.get("/watch/film"))
    await until(lambda: len(door.inside) == 3)
    door.done.set()
    assert await asyncio.gather(playing, *alone) == [200, 200, 200]
    home.resources.database.close()


async def test_shedding_can_be_turned_off(tmp_path: Path) -> None:
    """Then there is no gate, and everybody comes in."""
    home = Composed(tmp_path, limits={"shed": False})
    door = Door(home)
    assert door.system.gate is None
    door.done.set()
    assert await door.get("/") == 200
    home.resources.database.close()


def test_bounds_that_exclude_each_other_are_refused() -> None:
    """With both numbers."""
    with pytest.raises(Invalid, match="inflight_least"):
        gate_of(LimitsSettings(inflight_least=10, inflight_most=5))


async def test_the_gate_is_told_how_busy_the_event_loop_is() -> None:
    """A loop that computes all the time nears 1, one that waits nears 0: a real measurement."""
    cpu = Cpu()
    busy_until = time.thread_time() + 0.5
    while time.thread_time() < busy_until:
        cpu.measure()
    peak = cpu.lately
    assert 0.05 < peak <= 1.0
    for _ in range(20):
        await asyncio.sleep(0.01)
        cpu.measure()
    assert cpu.lately < peak
    gate = Gate()
    following = asyncio.create_task(follow_cpu(gate, every_s=0.01))
    await until(lambda: gate.cpu > 0)
    following.cancel()


async def until(holds: Any, within_s: float = 60) -> None:
    """Wait for a state."""
    limit = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < limit
        await asyncio.sleep(0.001)
