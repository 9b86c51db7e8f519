"""The loop: its interviews in order, what is next, and beginning a round."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from litestar import Controller, Response, get, post

from reelwright.practice.contract import Pace, Role, Stage, Track
from reelwright.practice.service import LoopsService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit, chosen

SITTING_NAMES = {
    "recruiter": "Recruiter screen",
    "phone": "Technical phone screen",
    "onsite_engineers": "Onsite, engineers",
    "onsite_managers": "Onsite, engineering managers",
    "product": "Cross-functional: product manager",
    "designer": "Cross-functional: designer",
}


class LoopPages(Controller):
    """Loops of interviews."""

    path = "/practice/loops"
    include_in_schema = False
    dependencies = VISIT

    @post("/")
    async def create(self, visit: Visit, practice_loops: LoopsService) -> Response[Any]:
        """Plan a loop."""
        form = await visit.form()
        loop = await practice_loops.create(
            person=visit.person,
            role=chosen(form, "role", Role, "senior"),
            track=chosen(form, "track", Track, "streaming"),
            pace=chosen(form, "pace", Pace, "weeks"),
        )
        return go(f"/practice/loops/{loop.id}")

    @get("/{loop_id:str}")
    async def show(self, visit: Visit, practice_loops: LoopsService, loop_id: str) -> Response[Any]:
        """The interviews with their rounds, the next one first in view."""
        loop = await practice_loops.get(person=visit.person, loop_id=loop_id)
        sittings = [
            (SITTING_NAMES[name], list(rounds)) for name, rounds in groupby(loop.rounds, lambda one: one.sitting)
        ]
        following = loop.open_rounds[0] if loop.open_rounds else None
        return await visit.page("loop", loop=loop, sittings=sittings, following=following)

    @post("/{loop_id:str}")
    async def begin(self, visit: Visit, practice_loops: LoopsService, loop_id: str) -> Response[Any]:
        """Begin a round, or go on with it."""
        stage = chosen(await visit.form(), "stage", Stage, "")
        interview = await practice_loops.begin_round(person=visit.person, loop_id=loop_id, stage=stage)
        return go(f"/practice/interviews/{interview.id}")
