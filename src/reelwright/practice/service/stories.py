"""Stories and past work: kept, checked, and fed into interviews."""

from __future__ import annotations

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.ids import new_id
from reelwright.practice.contract import NoNote, Unfit
from reelwright.practice.core.past_work import CV, MOST_PROJECTS, Line, Project, find_lines
from reelwright.practice.core.stories import Story
from reelwright.practice.service.notes import Shelf

MOST_STORIES = 60


class StoriesService:
    """Stories and projects of the people of this installation."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._stories = Shelf(database=database, clock=clock, kind="story", shape=Story, most=MOST_STORIES)
        self._projects = Shelf(database=database, clock=clock, kind="project", shape=Project, most=MOST_PROJECTS + 1)

    async def create(self, *, person: str, story: Story, sample: bool = False) -> str:
        """Keep a story, and return its id."""
        story_id = new_id(self._clock)
        await self._stories.put(person, story_id, story, sample=sample)
        return story_id

    async def put(self, *, person: str, story_id: str, story: Story) -> Story:
        """Change a story. Raises NoNote."""
        await self._stories.get(person, story_id)
        return await self._stories.put(person, story_id, story)

    async def get(self, *, person: str, story_id: str) -> Story:
        """A story. Raises NoNote."""
        return await self._stories.get(person, story_id)

    async def list_stories(self, *, person: str) -> dict[str, Story]:
        """The person's stories by id, oldest first."""
        return await self._stories.list(person)

    async def list_sampled(self, *, person: str) -> frozenset[str]:
        """Stories and projects that the demo made."""
        return await self._stories.sampled(person) | await self._projects.sampled(person)

    async def delete(self, *, person: str, story_id: str) -> None:
        """Forget a story. Raises NoNote."""
        await self._stories.delete(person, story_id)

    async def put_project(self, *, person: str, project: Project, project_id: str = "", sample: bool = False) -> str:
        """Keep a project, or the CV as `cv`, and return its id. Raises NoNote, and Unfit where there are three."""
        known = await self._projects.list(person)
        named = project_id or new_id(self._clock)
        if project_id and project_id not in (CV, *known):
            raise NoNote(f"no project {project_id[:40]!r} of yours")
        if named not in (CV, *known) and len(known.keys() - {CV}) >= MOST_PROJECTS:
            raise Unfit(f"three projects are enough to ask about; change one of {', '.join(_names(known))}")
        await self._projects.put(person, named, project, sample=sample)
        return named

    async def list_projects(self, *, person: str) -> dict[str, Project]:
        """The person's projects by id; the CV's is `cv`."""
        return await self._projects.list(person)

    async def delete_project(self, *, person: str, project_id: str) -> None:
        """Forget a project, or the CV. Raises NoNote."""
        await self._projects.delete(person, project_id)

    async def list_lines(self, person: str) -> list[Line]:
        """The lines that interviews may ask about; the demo's only where there is nothing of one's own."""
        known, sampled = await self._projects.list(person), await self._projects.sampled(person)
        own = [one for name, one in known.items() if name not in sampled]
        return [line for project in own or known.values() for line in find_lines(project)]


def _names(projects: dict[str, Project]) -> list[str]:
    return [f"“{one.name}”" for name, one in projects.items() if name != CV]
