"""Stories: the bank with its matrix, and past work with the questions that it feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post

from reelwright.kernel.errors import Invalid
from reelwright.practice.core.past_work import ASKED, CV, Project, find_lines, questions_about
from reelwright.practice.core.stories import PARTS, TOPICS, Story, draw_matrix, find_flags
from reelwright.practice.core.wrong import say_wrong
from reelwright.practice.service import StoriesService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit

MOST_CHARS = 20_000
HINTS = {
    "situation": "Where, when, what was at stake: two sentences.",
    "own_action": "What you did yourself, in the first person, that one time.",
    "outcome": "What came of it, with a number and how it was measured.",
    "reflection": "What you do otherwise since.",
}


class StoryPages(Controller):
    """One's own stories."""

    path = "/practice/stories"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_stories: StoriesService) -> Response[Any]:
        """The matrix with gaps and overuse, and each story with what would be doubted."""
        stories = await practice_stories.list_stories(person=visit.person)
        return await visit.page(
            "stories", stories=stories, matrix=draw_matrix(stories), topics=TOPICS,
            flags={id: find_flags(story) for id, story in stories.items()},
            sampled=await practice_stories.list_sampled(person=visit.person),
        )  # fmt: skip

    @get("/new")
    async def blank(self, visit: Visit) -> Response[Any]:
        """An empty form."""
        return await _form(visit, {"shows": visit.request.query_params.get("shows", "")[:40]})

    @post("/new")
    async def add(self, visit: Visit, practice_stories: StoriesService) -> Response[Any]:
        """Keep a story."""
        form = await visit.form(most=MOST_CHARS)
        try:
            story_id = await practice_stories.create(person=visit.person, story=read_story(form))
        except Invalid as error:
            return await _form(visit, form, status=400, problem=str(error))
        return go(f"/practice/stories/{story_id}?kept=1")

    @get("/{story_id:str}")
    async def edit(self, visit: Visit, practice_stories: StoriesService, story_id: str) -> Response[Any]:
        """One story with what would be doubted in it."""
        story = await practice_stories.get(person=visit.person, story_id=story_id)
        sent = {**msgspec.structs.asdict(story), "shows": " ".join(story.shows)}
        return await _form(visit, sent, flags=find_flags(story))

    @post("/{story_id:str}")
    async def change(self, visit: Visit, practice_stories: StoriesService, story_id: str) -> Response[Any]:
        """Change a story, or forget it."""
        form = await visit.form(most=MOST_CHARS)
        if form.get("do") == "delete":
            await practice_stories.delete(person=visit.person, story_id=story_id)
            return go("/practice/stories")
        try:
            await practice_stories.put(person=visit.person, story_id=story_id, story=read_story(form))
        except Invalid as error:
            return await _form(visit, form, status=400, problem=str(error))
        return go(f"/practice/stories/{story_id}")


class PastWorkPages(Controller):
    """Three projects, or a CV."""

    path = "/practice/past-work"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_stories: StoriesService) -> Response[Any]:
        """What was pasted, and what each stage would ask about it."""
        return await _past_work(visit, practice_stories)

    @post("/")
    async def put(self, visit: Visit, practice_stories: StoriesService) -> Response[Any]:
        """Keep or forget a project, or the CV."""
        form = await visit.form(most=MOST_CHARS + 100)
        project_id = form.get("id", "")
        if form.get("do") == "delete":
            await practice_stories.delete_project(person=visit.person, project_id=project_id)
            return go("/practice/past-work")
        try:
            project = _read(Project, {"name": form.get("name", "").strip(), "text": form.get("text", "")})
            known = await practice_stories.list_projects(person=visit.person)
            named = project_id if project_id == CV or project_id in known else ""
            await practice_stories.put_project(person=visit.person, project=project, project_id=named)
        except Invalid as error:
            return await _past_work(visit, practice_stories, problem=str(error), sent=form)
        return go("/practice/past-work?kept=1")


async def _form(
    visit: Visit, sent: Mapping[str, Any], *, status: int = 200, problem: str = "", flags: Any = ()
) -> Response[Any]:
    shown = set(str(sent.get("shows", "")).split()) | {one.removeprefix("shows-") for one in sent if "shows-" in one}
    return await visit.page(
        "story", status=status, sent=sent, problem=problem, flags=flags, topics=TOPICS, shown=shown,
        named={"situation": "Situation", "own_action": "Your own action", "outcome": "Measured outcome",
               "reflection": "Reflection"}, hints=HINTS,
    )  # fmt: skip


async def _past_work(
    visit: Visit, stories: StoriesService, *, problem: str = "", sent: Mapping[str, str] | None = None
) -> Response[Any]:
    projects = await stories.list_projects(person=visit.person)
    lines = await stories.list_lines(visit.person)
    feeds = {stage: questions_about(lines, stage, seed=visit.person) for stage in ASKED}
    return await visit.page(
        "past_work", status=400 if problem else 200, projects=projects, feeds=feeds, count=len(lines),
        unread=[one.name for one in projects.values() if not find_lines(one)], problem=problem, sent=sent or {},
        sampled=await stories.list_sampled(person=visit.person),
    )  # fmt: skip


def read_story(form: Mapping[str, str]) -> Story:
    """A story from its form. Raises Invalid."""
    values: dict[str, Any] = {part: form.get(part, "") for part in PARTS}
    shows = [topic for topic in TOPICS if f"shows-{topic}" in form]
    found: Story = _read(Story, {**values, "title": form.get("title", "").strip(), "shows": shows})
    return found


def _read(kind: Any, values: Mapping[str, Any]) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"this cannot be kept: {say_wrong(error)}") from error
