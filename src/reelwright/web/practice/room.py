"""The interview room: the question that waits, and the feedback on every answer."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post

from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.contract import Interview
from reelwright.practice.core.guards import MAX_CHARS
from reelwright.practice.service import PracticeService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit

MOST_FORM_CHARS = 2 * MAX_CHARS
"""Browsers send each line break as two signs."""


class RoomPages(Controller):
    """One interview."""

    path = "/practice/interviews/{interview_id:str}"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice: PracticeService, interview_id: str) -> Response[Any]:
        """The question that waits, and the feedback on every answer so far, the newest first."""
        interview = await practice.get(person=visit.person, interview_id=interview_id)
        return await _page(visit, interview)

    @post("/")
    async def answer(self, visit: Visit, practice: PracticeService, interview_id: str) -> Response[Any]:
        """Answer, pause or go on; an answer that is not taken is given back, not lost."""
        form, named = await visit.form(most=MOST_FORM_CHARS), {"person": visit.person, "interview_id": interview_id}
        turn, text = form.get("turn", ""), form.get("answer", "")
        if not turn.isdecimal():
            raise Invalid("the form named no turn; reload the page")
        number = int(turn[:6])
        try:
            if form.get("do") in ("pause", "go_on"):
                await practice.put_draft(**named, turn=number, text=text)
                await practice.put_timer(**named, running=form["do"] == "go_on")
            else:
                await practice.answer(**named, turn=number, text=text)
        except Conflict as error:
            return await _page(visit, await practice.get(**named), status=409, problem=str(error), unsaved=text)
        return go(f"/practice/interviews/{interview_id}")


async def _page(
    visit: Visit, interview: Interview, *, status: int = 200, problem: str = "", unsaved: str = ""
) -> Response[Any]:
    return await visit.page(
        "room", status=status, interview=interview, problem=problem, unsaved=unsaved, most_chars=MAX_CHARS
    )
