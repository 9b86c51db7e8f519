"""The catalogue keeps the same promises on SQLite and PostgreSQL: who sees what, search, overtaken edits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.composed import Composed, composed

from reelwright.catalog.adapters import sql
from reelwright.catalog.contract import Person, Title
from reelwright.catalog.service import CatalogService, TitleChange
from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import NotFound, ReelwrightError
from reelwright.kernel.ids import TitleId, new_id
from reelwright.kernel.principal import EVERYTHING, Principal

pytestmark = pytest.mark.anyio
EDITOR = Principal(kind="session", role="editor", maturity_limit=EVERYTHING)
VIEWER = Principal(kind="session", role="viewer", maturity_limit=EVERYTHING)
CHILD = Principal(kind="session", role="viewer", maturity_limit=7, kids=True)


class Home:
    """A catalogue with four titles."""

    def __init__(self, made: Composed) -> None:
        self.made = made
        self.service: CatalogService = made.wiring.dependencies["catalog"]

    async def fill(self) -> Home:
        """Three films and a series."""
        person = {"name": "Mira Solberg", "role": "director"}
        self.sun = await self._put("Low Sun", maturity=0, genres=("Nature",), summary="A small sun cannot decide.")
        self.clock = await self._put("The Tide Clock", maturity=0, genres=("Documentary",), people=(person,))
        self.knife = await self._put("Velvet Knife", maturity=16, genres=("Mystery",), summary="Nature looks away.")
        self.harbour = await self._put("Harbour", maturity=None, episodes=2)
        return self

    async def _put(self, name: str, *, episodes: int = 0, people: Any = (), **more: Any) -> Title:
        credited = msgspec.convert(people, tuple[Person, ...])
        return (await self.made.title(name, episodes=episodes, people=credited, **more))[0]

    async def found(self, text: str, caller: Principal = VIEWER) -> list[str]:
        """Names that a search gives, best first."""
        return [title.name for title in await self.service.search(text, caller)]


@pytest.fixture
async def home(database_url: str, tmp_path: Path) -> AsyncIterator[Home]:
    """The filled catalogue, on each engine."""
    async with composed(tmp_path / "data", database=database_url) as made:
        yield await Home(made).fill()


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("low sun", "Low Sun"),
        ("SUN", "Low Sun"),
        ("tid", "The Tide Clock"),
        ("clck", "The Tide Clock"),
        ("tide clokc", "The Tide Clock"),
        ("solberg", "The Tide Clock"),
        ("solbreg", "The Tide Clock"),
        ("documentary", "The Tide Clock"),
        ("harbuor", "Harbour"),
        ("cannot decide", "Low Sun"),
        ("nature", "Low Sun"),
    ],
)
async def test_titles_are_found_by_word_prefix_and_near_miss(home: Home, text: str, best: str) -> None:
    """Names, people, genres and summaries; a name counts for more than a summary."""
    assert (await home.found(text))[:1] == [best]


@pytest.mark.parametrize(
    "text", ["", "   ", "zzzzzz", "low zzzzzz", '"', "a* OR b", "' & | ! :*", "\0", "(" * 200, "é" * 300]
)
async def test_no_text_breaks_a_search(home: Home, text: str) -> None:
    """Signs that an engine's own query language knows are letters like others; every word must be found."""
    assert await home.found(text) == []


async def test_search_keeps_to_what_the_caller_may_see(home: Home) -> None:
    """Unrated counts as adult."""
    assert await home.found("velvet", CHILD) == [] and await home.found("velvet") == ["Velvet Knife"]
    assert await home.found("harbour", CHILD) == []
    assert await home.found("nature", CHILD) == ["Low Sun"]


async def test_an_edit_is_found_by_its_new_words_and_no_longer_by_the_old(home: Home) -> None:
    """The index follows the title."""
    await home.service.change_title(home.sun.id, EDITOR, TitleChange(name="High Moon"), home.sun.revision)
    assert await home.found("moon") == ["High Moon"] and "High Moon" not in await home.found("low")


async def test_what_was_removed_is_not_found(home: Home) -> None:
    """Nor listed, nor named."""
    await home.service.delete_title(home.sun.id, EDITOR)
    assert await home.found("sun") == []
    with pytest.raises(NotFound):
        await home.service.get_title(home.sun.id, VIEWER)


async def test_a_title_is_there_within_its_window_only(home: Home) -> None:
    """Editors prepare it before; viewers do not know of it."""
    future = home.made.resources.clock.wall_ns() // 1_000_000 + 86_400_000
    change = TitleChange(available_from_ms=future)
    await home.service.change_title(home.sun.id, EDITOR, change, home.sun.revision)
    assert await home.found("sun") == [] and await home.found("sun", EDITOR) == ["Low Sun"]
    with pytest.raises(NotFound):
        await home.service.get_title(home.sun.id, VIEWER)


async def test_of_two_edits_of_one_revision_the_second_is_refused(home: Home) -> None:
    """Nobody's change is overwritten unseen."""
    await home.service.change_title(home.sun.id, EDITOR, TitleChange(name="One"), home.sun.revision)
    with pytest.raises(ReelwrightError, match="meanwhile"):
        await home.service.change_title(home.sun.id, EDITOR, TitleChange(name="Two"), home.sun.revision)
    assert (await home.service.get_title(home.sun.id, VIEWER)).title.name == "One"


async def test_a_list_is_kept_until_anybody_changes_something(home: Home, database_url: str) -> None:
    """Also another process, which this one hears nothing of."""
    elsewhere = Database(database_url)
    detail = (await home.service.list_titles(VIEWER))[0]
    changes: list[tuple[Callable[..., None], tuple[Any, ...], dict[str, Any]]] = [
        (sql.set_playable, (detail.playables[0].id,), {"name": "Another"}),
        (sql.change_title, (msgspec.structs.replace(detail.title, name="Renamed"),), {}),
        (sql.put_title, (msgspec.structs.replace(detail.title, id=TitleId(new_id())), "film|new|"), {}),
        (sql.set_playable, (detail.playables[0].id,), {"state": "failed"}),
    ]
    for change, arguments, more in changes:
        for caller in (VIEWER, EDITOR):
            assert await home.service.list_titles(caller) is await home.service.list_titles(caller)
            assert await home.service.list_all(caller) is await home.service.list_all(caller)
        before = [await home.service.list_titles(VIEWER), await home.service.list_all(EDITOR)]
        await elsewhere.write(change, *arguments, **more)
        after = [await home.service.list_titles(VIEWER), await home.service.list_all(EDITOR)]
        assert before[1] != after[1]
        assert after[0] == tuple(await home.service.list_page(VIEWER, limit=100))
        assert after[1] == tuple(await home.service.list_page(EDITOR, limit=100, waiting=True))
    elsewhere.close()


async def test_a_list_is_not_kept_beyond_a_windows_edge(database_url: str, tmp_path: Path) -> None:
    """A title comes and goes by the clock, which may also step back."""
    clock = VirtualClock()
    async with composed(tmp_path / "data", database=database_url) as made:
        await made.title("Always", maturity=0)
        now_ms = clock.wall_ns() // 1_000_000
        await made.title("Tonight", maturity=0, available_from_ms=now_ms + 1000, available_until_ms=now_ms + 2000)
        service = CatalogService(
            database=made.resources.database, objects=made.resources.objects, clock=clock, source_arrived=_nobody
        )
        seen = []
        for second in (0, 0.999, 1, 1.999, 2, 1.5, 0.5):
            clock.step_wall(now_ms / 1000 + second - clock.wall_ns() / 1e9)
            seen.append({detail.title.name for detail in await service.list_titles(VIEWER)})
        both, one = {"Always", "Tonight"}, {"Always"}
        assert seen == [one, one, both, both, one, both, one]


async def _nobody(*, playable_id: object, path: object, subtitles: object, backlog: bool) -> None:
    """Nothing arrives here."""


async def test_two_who_change_titles_do_not_wait_for_each_other(postgres_url: str, tmp_path: Path) -> None:
    """The count of changes is taken at the end: from the first change on, it would be a deadlock."""
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    async with composed(tmp_path / "data", database=postgres_url) as made:
        home = await Home(made).fill()
        with engine.connect() as first, engine.connect() as second:
            second.execute(sa.text("SET lock_timeout = '5s'"))
            sql.change_title(first, msgspec.structs.replace(home.sun, summary="First"))
            sql.change_title(second, msgspec.structs.replace(home.clock, summary="Second"))
            second.commit()
            sql.change_title(first, msgspec.structs.replace(home.clock, summary="Third"))
            first.commit()
        summaries = {detail.title.summary for detail in await home.service.list_titles(VIEWER)}
    engine.dispose()
    assert summaries >= {"First", "Third"}


async def test_many_who_ask_at_once_have_the_titles_read_once(home: Home) -> None:
    """A class opens its home pages together."""
    lists = await asyncio.gather(*(home.service.list_titles(VIEWER) for _ in range(20)))
    assert len({id(one) for one in lists}) == 1
