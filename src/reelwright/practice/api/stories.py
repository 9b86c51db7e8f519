"""Routes of stories and projects."""

from __future__ import annotations

import msgspec
from litestar import Controller, delete, get, post, put

from reelwright.practice.api.pay import NewId
from reelwright.practice.api.person import PERSON
from reelwright.practice.core.past_work import ASKED, LineQuestion, Project, questions_about
from reelwright.practice.core.stories import Flag, Matrix, Story, draw_matrix, find_flags
from reelwright.practice.service import (
    StoriesService,
)


class StoryTold(msgspec.Struct, frozen=True):
    """A story, and what would be doubted in it."""

    story: Story
    flags: tuple[Flag, ...]


class StoryRoutes(Controller):
    """Stories of one's own, and the past work that interviews ask about."""

    path = "/api/v1/practice"
    tags = ("practice",)
    dependencies = PERSON

    @get("/stories", summary="List stories")
    async def list_stories(self, person: str, practice_stories: StoriesService) -> dict[str, StoryTold]:
        """List your stories by id, each with what would be doubted in it and by which words."""
        stories = await practice_stories.list_stories(person=person)
        return {name: StoryTold(story, find_flags(story)) for name, story in stories.items()}

    @post("/stories", summary="Keep a story")
    async def create_story(self, person: str, practice_stories: StoriesService, data: Story) -> NewId:
        """Keep a story: situation, own action, measured outcome, reflection, and the topics it shows."""
        return NewId(await practice_stories.create(person=person, story=data))

    @get("/stories/matrix", summary="Get the matrix of stories")
    async def get_matrix(self, person: str, practice_stories: StoriesService) -> Matrix:
        """Get which stories speak for which topic, where there are gaps, and which story is told too often."""
        return draw_matrix(await practice_stories.list_stories(person=person))

    @put("/stories/{story_id:str}", summary="Change a story")
    async def put_story(self, person: str, practice_stories: StoriesService, story_id: str, data: Story) -> StoryTold:
        """Change a story, and see what would be doubted in it now."""
        story = await practice_stories.put(person=person, story_id=story_id, story=data)
        return StoryTold(story, find_flags(story))

    @delete("/stories/{story_id:str}", summary="Delete a story")
    async def delete_story(self, person: str, practice_stories: StoriesService, story_id: str) -> None:
        """Forget a story of yours."""
        await practice_stories.delete(person=person, story_id=story_id)

    @get("/projects", summary="List projects")
    async def list_projects(self, person: str, practice_stories: StoriesService) -> dict[str, Project]:
        """List your projects by id; the pasted CV has the id `cv`."""
        return await practice_stories.list_projects(person=person)

    @post("/projects", summary="Keep a project")
    async def create_project(self, person: str, practice_stories: StoriesService, data: Project) -> NewId:
        """Keep one of three projects, whose lines interviews then ask about."""
        return NewId(await practice_stories.put_project(person=person, project=data))

    @put("/projects/{project_id:str}", summary="Change a project")
    async def put_project(
        self, person: str, practice_stories: StoriesService, project_id: str, data: Project
    ) -> NewId:
        """Change a project of yours, or keep a pasted CV under the id `cv`."""
        return NewId(await practice_stories.put_project(person=person, project=data, project_id=project_id))

    @delete("/projects/{project_id:str}", summary="Delete a project")
    async def delete_project(self, person: str, practice_stories: StoriesService, project_id: str) -> None:
        """Forget a project of yours, or the CV."""
        await practice_stories.delete_project(person=person, project_id=project_id)

    @get("/projects/questions", summary="List questions about your lines")
    async def list_questions(self, person: str, practice_stories: StoriesService) -> list[LineQuestion]:
        """List what recruiter, phone and deep-dive interviews would ask, each with the line it quotes."""
        lines = await practice_stories.list_lines(person)
        return [one for stage in ASKED for one in questions_about(lines, stage, seed=person)]
