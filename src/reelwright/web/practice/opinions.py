"""Feedback on one answer from all sides: rules, the model, a pasted reply, oneself, another person."""

from __future__ import annotations

from typing import Any, Literal

import anyio.to_thread
from litestar import Controller, Response, get, post

from reelwright.kernel.errors import Invalid
from reelwright.practice.core.reply import MAX_REPLY_CHARS
from reelwright.practice.service import ModelService, OpinionsService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit, chosen


class FeedbackPage(Controller):
    """One answered turn."""

    path = "/practice/interviews/{interview_id:str}/turns/{number:int}"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(
        self, visit: Visit, practice_opinions: OpinionsService, interview_id: str, number: int
    ) -> Response[Any]:
        """Every opinion beside the words it rests on, and the ways to give another."""
        return await _page(visit, practice_opinions, interview_id, number)

    @post("/")
    async def give(
        self, visit: Visit, practice_opinions: OpinionsService, interview_id: str, number: int
    ) -> Response[Any]:
        """Take a pasted reply, or a form; what was typed is given back where it cannot be taken."""
        form = await visit.form(most=MAX_REPLY_CHARS)
        kind = chosen(form, "kind", Literal["paste", "self", "human"], "")
        named: dict[str, Any] = {"person": visit.person, "interview_id": interview_id, "number": number}
        try:
            if kind == "paste":
                await practice_opinions.put_pasted(**named, reply=form.get("reply", ""))
            else:
                stated = {
                    name.removeprefix("state-"): (state, form.get(f"quote-{name.removeprefix('state-')}", ""))
                    for name, state in form.items()
                    if name.startswith("state-")
                }
                await practice_opinions.put_form(**named, kind=kind, name=form.get("name", ""), form=stated)
        except Invalid as error:
            return await _page(
                visit, practice_opinions, interview_id, number, status=400, problem=str(error), sent=form
            )
        return go(f"/practice/interviews/{interview_id}/turns/{number}")


async def _page(
    visit: Visit,
    opinions: OpinionsService,
    interview_id: str,
    number: int,
    *,
    status: int = 200,
    problem: str = "",
    sent: dict[str, str] | None = None,
) -> Response[Any]:
    named: dict[str, Any] = {"person": visit.person, "interview_id": interview_id}
    turn, criteria = await opinions.get_turn(**named, number=number)
    given = (await opinions.list_opinions(**named)).get(number, [])
    return await visit.page(
        "turn", status=status, turn=turn, criteria=criteria, interview_id=interview_id, problem=problem,
        sent=sent or {}, prompt=await opinions.get_prompt(**named, number=number),
        opinions=[(one, {verdict.criterion: verdict for verdict in one.verdicts}) for one in given],
        rules={one.criterion: one for one in turn.verdicts},
    )  # fmt: skip


class GradersPage(Controller):
    """Who judges, and what is known of each grader."""

    path = "/practice/graders"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_model: ModelService) -> Response[Any]:
        """Rules, measurement, the model with its calibration and cost, paste, self, human."""
        return await visit.page("graders", model=await practice_model.tell(), said="")

    @post("/")
    async def test(self, visit: Visit, practice_model: ModelService) -> Response[Any]:
        """Call the endpoint once."""
        await visit.form()
        said = await anyio.to_thread.run_sync(practice_model.test)
        return await visit.page("graders", model=await practice_model.tell(), said=said)
