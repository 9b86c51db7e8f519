"""How practice is wired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.kernel.system import Health, Resources
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.adapters.guide import load_styles
from reelwright.practice.contract import Loop
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.service import LoopsService, PracticeService
from reelwright.practice.service.sample import put_sample

MIGRATIONS = "reelwright.practice"


class PracticeSystem:
    """Practice in a process."""

    name = "practice"

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        database, clock = resources.database, resources.clock
        self.service = PracticeService(
            database=database, clock=clock, questions=load_questions(), grader=RuleGrader()
        )
        self.loops = LoopsService(database=database, clock=clock, interviews=self.service, styles=load_styles())

    @property
    def given(self) -> dict[str, Any]:
        """What handlers are given by name."""
        return {"practice": self.service, "practice_loops": self.loops}

    async def put_sample(self, person: str) -> Loop:
        """Give a person the finished sample loop, unless they have it. Cost: the judging of some sixty answers."""
        questions = {one.id: one for one in load_questions()}
        now_ns = self._resources.clock.wall_ns()
        return await put_sample(
            database=self._resources.database, questions=questions, grader=RuleGrader(), styles=load_styles(),
            person=person, now_ns=now_ns,
        )  # fmt: skip

    def routes(self) -> Sequence[Any]:
        """The routes of practice."""
        from reelwright.practice.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        """Well whenever the database is."""
        return Health(system=self.name, state="ok")
