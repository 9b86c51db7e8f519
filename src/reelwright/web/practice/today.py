"""The first page: the one thing to do today, the loops, and stages by themselves."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post

from reelwright.practice.contract import Role, Stage, Track
from reelwright.practice.service import LoopsService, PlansService, PracticeService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit, chosen


class TodayPage(Controller):
    """Practice for whoever is signed in, and for the one person at the machine itself."""

    path = "/practice"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(
        self, visit: Visit, practice: PracticeService, practice_loops: LoopsService, practice_plans: PlansService
    ) -> Response[Any]:
        """What to do next, and what was done."""
        interviews = await practice.list_interviews(person=visit.person)
        loops = await practice_loops.list_loops(person=visit.person)
        mine = [one for one in loops if not one.sample and one.open_rounds]
        return await visit.page(
            "today", loops=loops, current=mine[0] if mine else None,
            interviews=[one for one in interviews if not one.loop_id],
            plan=await practice_plans.find_plan(person=visit.person),
            sampled_plan=await practice_plans.is_sample(person=visit.person),
            wanted=visit.request.query_params.get("stage", ""),
        )  # fmt: skip

    @post("/")
    async def start(self, visit: Visit, practice: PracticeService) -> Response[Any]:
        """Begin a stage by itself."""
        form = await visit.form()
        interview = await practice.start(
            person=visit.person,
            stage=chosen(form, "stage", Stage, ""),
            role=chosen(form, "role", Role, "senior"),
            track=chosen(form, "track", Track, "streaming"),
        )
        return go(f"/practice/interviews/{interview.id}")
