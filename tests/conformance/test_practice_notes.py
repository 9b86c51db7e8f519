"""Documents of people on either database: kept, changed, bounded, and each person's own."""

from __future__ import annotations

import pytest

from reelwright.kernel.clock import VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.adapters import sql
from reelwright.practice.contract import NoNote
from reelwright.practice.core.past_work import CV, Project
from reelwright.practice.core.stories import Story
from reelwright.practice.service import StoriesService
from reelwright.practice.service.notes import Shelf

pytestmark = pytest.mark.anyio
STORY = Story(title="A story", situation="naïve 👍 \x00 text", shows=("impact",))


@pytest.fixture
def database(database_url: str) -> Database:
    """A new, empty database."""
    made = Database(database_url)
    made.migrate(["reelwright.practice"])
    return made


@pytest.fixture
def stories(database: Database) -> StoriesService:
    """The story bank on it."""
    return StoriesService(database=database, clock=VirtualClock())


async def test_a_story_is_kept_changed_and_forgotten(stories: StoriesService) -> None:
    """Also one with a zero character, which PostgreSQL does not store."""
    story_id = await stories.create(person="ada", story=STORY)
    assert (await stories.get(person="ada", story_id=story_id)).situation == "naïve 👍  text"
    await stories.put(person="ada", story_id=story_id, story=Story(title="Other"))
    assert [one.title for one in (await stories.list_stories(person="ada")).values()] == ["Other"]
    await stories.delete(person="ada", story_id=story_id)
    assert await stories.list_stories(person="ada") == {}


@pytest.mark.parametrize("text", ["\\u0000", 'rejects \\u0000","title":"another', "\\\\u0000"])
async def test_a_document_that_speaks_of_the_zero_character_is_kept_as_it_is(
    stories: StoriesService, text: str
) -> None:
    """Its escape, written out, is text like any other."""
    story = Story(title="Parser", situation=text)
    story_id = await stories.create(person="ada", story=story)
    assert await stories.list_stories(person="ada") == {story_id: story}


async def test_a_document_of_which_nothing_is_left_is_refused(stories: StoriesService) -> None:
    """It would stand in the way of reading all others."""
    with pytest.raises(Invalid):
        await stories.create(person="ada", story=Story(title="\x00"))
    assert await stories.list_stories(person="ada") == {}


async def test_nobody_reaches_what_is_another_s(stories: StoriesService) -> None:
    """Neither reading, changing nor deleting."""
    story_id = await stories.create(person="ada", story=STORY)
    for asked in (
        stories.get(person="bob", story_id=story_id),
        stories.put(person="bob", story_id=story_id, story=STORY),
        stories.delete(person="bob", story_id=story_id),
    ):
        with pytest.raises(NoNote):
            await asked
    assert await stories.list_stories(person="bob") == {}


async def test_a_shelf_is_bounded(database: Database) -> None:
    """The one too many is refused; changing one that is there is not."""
    shelf = Shelf(database=database, clock=VirtualClock(), kind="story", shape=Story, most=2)
    for name in ("a", "b", "a"):
        await shelf.put("ada", name, STORY)
    with pytest.raises(Conflict):
        await shelf.put("ada", "c", STORY)
    assert list(await shelf.list("ada")) == ["a", "b"]


async def test_three_projects_and_a_cv(stories: StoriesService) -> None:
    """A fourth project is refused, and names the three; the CV is beside them."""
    for number in range(3):
        await stories.put_project(person="ada", project=Project(name=f"P{number}", text="Built 3 nodes in a week."))
    await stories.put_project(person="ada", project=Project(name="CV", text="x"), project_id=CV)
    with pytest.raises(Invalid, match="P2"):
        await stories.put_project(person="ada", project=Project(name="P3", text="x"))
    assert len(await stories.list_projects(person="ada")) == 4
    assert {one.project for one in await stories.list_lines("ada")} == {"P0", "P1", "P2"}


async def test_what_the_demo_made_gives_way(stories: StoriesService) -> None:
    """Lines of the sample are asked about only until there are lines of one's own."""
    await stories.put_project(
        person="ada", project=Project(name="S", text="Built 30 sample nodes a week."), sample=True
    )
    assert [one.project for one in await stories.list_lines("ada")] == ["S"]
    await stories.put_project(person="ada", project=Project(name="Own", text="Built 3 own nodes a week."))
    assert [one.project for one in await stories.list_lines("ada")] == ["Own"]


async def test_deleting_a_person_forgets_their_documents(database: Database, stories: StoriesService) -> None:
    """And nobody else's."""
    for person in ("ada", "bob"):
        await stories.create(person=person, story=STORY)
    await database.write(sql.delete_person, "ada")
    assert await stories.list_stories(person="ada") == {}
    assert len(await stories.list_stories(person="bob")) == 1
