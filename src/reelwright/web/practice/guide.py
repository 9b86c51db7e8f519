"""The guide: chapters stage by stage, scenes that check acting on the culture, and the readiness check."""

from __future__ import annotations

import functools
from typing import Any

from litestar import Controller, Response, get
from markdown_it import MarkdownIt
from markupsafe import Markup

from reelwright.kernel.errors import NotFound
from reelwright.practice.adapters.guide import load_guide, load_readiness, load_scenarios, load_styles
from reelwright.practice.core.readiness import assess
from reelwright.web.practice.visit import VISIT, Visit


class GuidePages(Controller):
    """What is evaluated, and how to prepare."""

    path = "/practice/guide"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show_all(self, visit: Visit) -> Response[Any]:
        """The first chapter, and the list of all."""
        return await _chapter(visit, load_guide()[0].id)

    @get("/{chapter_id:str}")
    async def show(self, visit: Visit, chapter_id: str) -> Response[Any]:
        """One chapter."""
        return await _chapter(visit, chapter_id)

    @get("/scenarios")
    async def scenarios(self, visit: Visit) -> Response[Any]:
        """Scenes, each option with why it fits or does not."""
        return await visit.page("scenarios", chapters=load_guide(), scenarios=load_scenarios(), chapter=None)

    @get("/readiness")
    async def readiness(self, visit: Visit) -> Response[Any]:
        """Ten minutes of yes and no, and what to build first."""
        said = visit.request.query_params
        items = load_readiness()
        result = assess(items, {item.id: item.id in said for item in items}) if "checked" in said else None
        return await visit.page(
            "readiness", chapters=load_guide(), items=items, said=set(said), result=result, chapter=None
        )


async def _chapter(visit: Visit, chapter_id: str) -> Response[Any]:
    chapters = load_guide()
    at = next((at for at, one in enumerate(chapters) if one.id == chapter_id), None)
    if at is None:
        raise NotFound(f"no chapter {chapter_id[:40]!r} in the guide; it begins at /practice/guide")
    following = chapters[at + 1] if at + 1 < len(chapters) else None
    return await visit.page(
        "guide", chapters=chapters, chapter=chapters[at], text=_html(chapters[at].text), following=following,
        styles=list(load_styles().values()),
    )  # fmt: skip


@functools.lru_cache(maxsize=64)
def _html(text: str) -> Markup:
    """Markdown of the package, without HTML in it."""
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))  # noqa: S704
