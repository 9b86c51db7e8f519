"""A design round: phases, the fact sheet, the board, and one's numbers put to the test; all of it by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Controller, Response, get, post
from markupsafe import Markup

from reelwright.kernel.errors import Conflict, Invalid
from reelwright.practice.core.board import (
    KINDS,
    Arrow,
    Board,
    Box,
    BoxKind,
    add_arrow,
    add_box,
    draw_board,
    judge_board,
    remove,
)
from reelwright.practice.core.design import HINTS, MOST_CHARS, PHASES
from reelwright.practice.core.facts import says, sheet
from reelwright.practice.labs.run_it import WrongNumbers, follow_up, say
from reelwright.practice.labs.simulations import OF_AREA
from reelwright.practice.service import DesignsService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit, chosen

MOST_FORM_CHARS = 2 * MOST_CHARS
"""Browsers send each line break as two signs."""
PLACES = {"ask": "facts", "box": "board", "arrow": "board", "remove": "board", "run": "run"}
"""Where on the page what was sent is answered; notes by default."""


class DesignPages(Controller):
    """One design round."""

    path = "/practice/interviews/{interview_id:str}/design"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_designs: DesignsService, interview_id: str) -> Response[Any]:
        """Notes by phase beside what was asked, drawn and measured."""
        return await _page(visit, practice_designs, interview_id)

    @post("/")
    async def change(self, visit: Visit, practice_designs: DesignsService, interview_id: str) -> Response[Any]:
        """Keep notes, ask, draw, run, or hand in; what cannot be done is given back with its reason."""
        form = await visit.form(most=MOST_FORM_CHARS)
        do = form.get("do", "")
        named = {"person": visit.person, "interview_id": interview_id}
        try:
            if do in ("keep", "hand in"):
                await practice_designs.put_phases(**named, phases={one: form.get(one, "") for one in PHASES})
                if do == "hand in":
                    await practice_designs.hand_in(**named)
                    return go(f"/practice/interviews/{interview_id}")
            elif do == "ask":
                await practice_designs.ask(**named, text=form.get("question", ""))
            elif do == "run":
                await practice_designs.run(**named, form=form)
            else:
                await practice_designs.draw(**named, change=_drawn(do, form))
        except (Invalid, Conflict) as error:
            return await _page(visit, practice_designs, interview_id, status=400, problem=error, sent=form)
        return go(f"/practice/interviews/{interview_id}/design#{_place(form)}")


def _drawn(do: str, form: dict[str, str]) -> Callable[[Board], Board]:
    """What a form does to the board. Raises Invalid."""
    if do == "box":
        kind = chosen(form, "kind", BoxKind, "service")
        copies = form.get("copies", "").strip()
        if not copies.isdecimal() or not copies.isascii() or len(copies) > 6:
            raise Invalid(f"how many of a box there are is a whole number, got {copies[:20]!r}")
        box = Box(form.get("name", "").strip(), kind, int(copies))
        return lambda board: add_box(board, box)
    if do == "arrow":
        arrow = Arrow(form.get("source", ""), form.get("target", ""), form.get("carries", "").strip())
        return lambda board: add_arrow(board, arrow)
    if do == "remove":
        return lambda board: remove(board, form.get("source", ""), form.get("target", ""))
    raise Invalid("the form said nothing to do; reload the page")


async def _page(
    visit: Visit, designs: DesignsService, interview_id: str, *, status: int = 200,
    problem: Invalid | Conflict | None = None, sent: dict[str, str] | None = None,
) -> Response[Any]:  # fmt: skip
    found = await designs.get(person=visit.person, interview_id=interview_id)
    gaps = await designs.gaps(found)
    return await visit.page(
        "design", status=status, round=found, design=found.design, facts=found.facts,
        problems={_place(sent): _said(problem)} if problem and sent else {},
        wrong=problem.by_key if isinstance(problem, WrongNumbers) else {},
        sent={place: sent if sent and place == _place(sent) else {} for place in {"phases", *PLACES.values()}},
        phases=PHASES, hints=HINTS, kinds=KINDS, asked=says(found.design.asked, found.question),
        most_chars=MOST_CHARS,
        unasked=len(sheet(found.question)) - len(found.facts),
        picture=Markup(draw_board(found.design.board)),  # noqa: S704 (its words are escaped)
        graph=judge_board(found.design.board, found.question.area), gaps=gaps, say=say, run_here=OF_AREA,
        follow_up=follow_up(found.simulated, gaps) if found.simulated and gaps else "",
    )  # fmt: skip


def _place(form: dict[str, str]) -> str:
    return PLACES.get(form.get("do", ""), "phases")


def _said(problem: Invalid | Conflict) -> str:
    """What is wrong; fields that are wrong say it themselves."""
    if not isinstance(problem, WrongNumbers):
        return str(problem)
    count = len(problem.by_key)
    return f"Nothing was run: {count} {'number' if count == 1 else 'numbers'} below must be put right."
