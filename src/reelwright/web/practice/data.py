"""One's data: what is kept, taking it away, deleting it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Response, get, post

from reelwright.practice.service import EverythingService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit

TAKEN = {"Content-Disposition": 'attachment; filename="practice.json"', "Cache-Control": "no-store"}
NOTE_NAMES = {
    "story": ("story", "stories"), "project": ("project", "projects"), "offer": ("offer", "offers"),
    "plan": ("plan", "plans"), "card": ("card recalled", "cards recalled"),
    "pack": ("question pack", "question packs"),
    "levels": ("level table", "level tables"), "design": ("design", "designs"),
}  # fmt: skip
"""One, and several, of each kind of note."""


class DataPages(Controller):
    """Export and deletion."""

    path = "/practice/data"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_everything: EverythingService) -> Response[Any]:
        """What is kept, in numbers."""
        return await _page(visit, practice_everything)

    @get("/practice.json", media_type="application/json")
    async def export(self, visit: Visit, practice_everything: EverythingService) -> Response[bytes]:
        """All of it as one file."""
        body = msgspec.json.encode(await practice_everything.export(person=visit.person))
        return Response(body, media_type="application/json", headers=TAKEN)

    @post("/")
    async def delete(self, visit: Visit, practice_everything: EverythingService) -> Response[Any]:
        """Delete all of it, once the word was typed."""
        form = await visit.form()
        if form.get("word", "").strip().lower() != "delete":
            return await _page(visit, practice_everything, problem="Type the word delete; nothing was deleted.")
        await practice_everything.delete(person=visit.person)
        return go("/practice")


async def _page(visit: Visit, everything: EverythingService, *, problem: str = "") -> Response[Any]:
    kept = await everything.export(person=visit.person)
    counts = [
        (len(kept.interviews), ("interview", "interviews")), (len(kept.loops), ("loop", "loops")),
        (len(kept.lab_runs), ("run of a lab", "runs of labs")),
        (len(kept.panels), ("interview that you run", "interviews that you run")),
        *((len(rows), NOTE_NAMES.get(kind, (kind, kind))) for kind, rows in kept.notes.items()),
    ]  # fmt: skip
    return await visit.page("data", status=400 if problem else 200, counts=counts, problem=problem)
