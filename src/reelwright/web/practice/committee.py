"""The committee's packet, made to be printed."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get

from reelwright.practice.core.committee import say_chance
from reelwright.practice.service import LoopsService
from reelwright.web.practice.visit import VISIT, Visit


class CommitteePage(Controller):
    """Debrief and decision of a loop."""

    path = "/practice/loops/{loop_id:str}/committee"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_loops: LoopsService, loop_id: str) -> Response[Any]:
        """The decision with its reason and quotes, the dimensions against the bar, the rounds."""
        return await visit.page(
            "committee",
            packet=await practice_loops.get_packet(person=visit.person, loop_id=loop_id),
            say_chance=say_chance,
        )
