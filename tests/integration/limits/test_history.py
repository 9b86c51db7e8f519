"""What limits did, for those who run the service: of all processes, by minute, and tried again with other rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.composed import Composed, composed

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Unavailable
from reelwright.limits import Ask, Limits, MemoryStore, parse_limit, parse_limits
from reelwright.limits.adapters.history import History

pytestmark = pytest.mark.anyio
API = parse_limit("2/minute", "api")


class Process:
    """Limits with a history, as a web process has them."""

    def __init__(self, database: Any, clock: VirtualClock) -> None:
        self.limits = Limits(store=MemoryStore(clock=clock))
        self.history = History(database, clock=clock, hours=48)
        self.limits.note = self.history.note

    async def press(self, key: str, times: int, *, shadow: bool = False) -> None:
        """One key asks so often."""
        for _ in range(times):
            await self.limits.decide([Ask(API, key, 1, shadow)])


@pytest.fixture
def database(tmp_path: Path) -> Any:
    """With the tables of limits."""
    found = Database(f"sqlite:///{tmp_path}/rw.sqlite")
    found.migrate(["reelwright.limits"])
    yield found
    found.close()


async def test_processes_write_their_own_minutes_and_read_all(database: Database) -> None:
    """Counts and hot keys add up; a process that starts again within the minute writes over nothing."""
    clock = VirtualClock()
    one, other = Process(database, clock), Process(database, clock)
    await one.press("a", 5)
    await other.press("a", 3)
    await other.press("b", 1)
    await other.press("c", 3, shadow=True)
    other.history.note_load("browsing", "shed")
    await one.history.flush()
    await other.history.flush()
    again = Process(database, clock)
    await again.press("a", 3)
    minutes = await again.history.minutes(3)
    told = minutes[-1]
    assert [minute.processes for minute in minutes] == [0, 0, 3]
    counts = told.counts["api"]
    assert (counts.allowed, counts.denied, counts.shadow) == (2 + 2 + 1 + 2 + 2, 3 + 1 + 1, 1)
    assert told.counts["load browsing"].shed == 1
    assert sum(told.hot.values()) == 6 and max(told.hot, key=told.hot.__getitem__) == "a"


async def test_yesterday_is_tried_with_another_rule(database: Database) -> None:
    """Requests that were denied are tried too; what is older or younger than asked for is not."""
    clock = VirtualClock()
    one, other = Process(database, clock), Process(database, clock)
    for process in (one, other):
        await process.press("a", 4)
        await process.history.flush()
    clock.advance(24 * 3600)
    await one.press("a", 7)
    replayed = await one.history.replay(parse_limits("5/minute"), "api", hours=24, ago_hours=23)
    assert (replayed.requests, replayed.admitted, replayed.denied) == (8, 5, 3)
    assert replayed.worst_keys == (("a", 3),) and replayed.one_key_in == 1
    assert sum(one.denied for one in replayed.slices) == 3
    assert (await one.history.replay(parse_limits("5/minute"), "pages", hours=24)).requests == 0


async def test_what_is_old_is_forgotten(database: Database) -> None:
    """After the hours that are kept."""
    clock = VirtualClock()
    process = Process(database, clock)
    await process.press("a", 4)
    await process.history.flush()
    clock.advance(49 * 3600)
    await process.press("a", 1)
    await process.history.flush()
    assert (await process.history.replay(parse_limits("1/minute"), "api", hours=72)).requests == 1


async def test_a_minute_that_ends_is_written_whole(database: Database) -> None:
    """Its last requests, too."""
    clock = VirtualClock()
    process = Process(database, clock)
    await process.press("a", 1)
    process.history.count()
    clock.advance(60)
    await process.press("a", 1)
    assert [minute.counts["api"].allowed for minute in await process.history.minutes(2)] == [1, 1]


async def test_without_the_database_nobody_is_hurt(database: Database) -> None:
    """Decisions go on, and so does writing once it is back."""
    clock = VirtualClock()

    class Broken:
        def __init__(self) -> None:
            self.broken = True

        async def write(self, *args: Any, **more: Any) -> None:
            if self.broken:
                raise Unavailable("gone")
            await database.write(*args, **more)

        read = database.read

    broken = Broken()
    process = Process(broken, clock)
    await process.press("a", 3)
    await process.history.flush()
    broken.broken = False
    await process.press("a", 1)
    assert (await process.history.minutes(1))[0].counts["api"].allowed == 2


async def test_the_page_tells_who_was_denied_and_tries_a_rule(tmp_path: Path) -> None:
    """Empty it explains itself; then charts, hot keys and a replay; only administrators see it."""
    limits = {"pages": "15/hour", "api": "1000/minute"}
    async with composed(tmp_path / "data", limits=limits) as home:
        admin, viewer = await people(home)
        page = (await admin.get("/studio/limits")).text
        assert "Nobody was denied." in page and "Who is turned away" in page
        assert (await viewer.get("/studio/limits")).status_code == 403
        assert (await viewer.get("/api/v1/limits/minutes")).status_code == 403
        stranger = home.client()
        codes = [(await stranger.get("/sign-in")).status_code for _ in range(20)]
        assert codes.count(429) == 5
        page = (await admin.get("/studio/limits")).text
        assert "address 127.0.0.1" in page and 'class="bar-denied"' in page and "load browsing" in page
        told = (await admin.get("/api/v1/limits/minutes", params={"count": 10})).json()
        assert sum(minute["counts"].get("pages", {"denied": 0})["denied"] for minute in told) == 5
        tried = {"limit": "pages", "rule": "3/minute", "when": "hour"}
        page = (await admin.get("/studio/limits/replay", params=tried)).text
        assert "Would be denied" in page and "address 127.0.0.1" in page
        wrong = await admin.get("/studio/limits/replay", params={**tried, "rule": "often"})
        assert (await admin.get("/api/v1/limits/replay", params={"limit": "x", "rule": "0"})).status_code == 422
        assert wrong.status_code == 400 and "a limit looks like" in wrong.text
        none = await admin.get("/studio/limits/replay", params={**tried, "limit": "sign_in"})
        assert "no request was recorded then" in none.text


async def test_without_a_history_the_page_says_how_to_have_one(tmp_path: Path) -> None:
    """And a replay is refused with the setting's name."""
    async with composed(tmp_path / "data", limits={"history_hours": 0, "shed": False}) as home:
        admin, _ = await people(home)
        page = (await admin.get("/studio/limits")).text
        assert "limits.history_hours" in page and "shedding is off" in page
        refused = await admin.get("/api/v1/limits/replay", params={"limit": "api", "rule": "1/minute"})
        assert refused.status_code == 409 and "history_hours" in refused.json()["detail"]


async def people(home: Composed) -> tuple[Any, Any]:
    """Browsers of an administrator and of a viewer."""
    found = []
    for name, role in (("root", "admin"), ("guest", "viewer")):
        user = await home.person(name, role)  # type: ignore[arg-type]
        found.append(await home.session(user, await home.profile(user)))
    return found[0], found[1]
