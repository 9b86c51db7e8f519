"""How practice is wired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.kernel.system import Health, Resources
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.service import PracticeService

MIGRATIONS = "reelwright.practice"


class PracticeSystem:
    """Practice in a process."""

    name = "practice"

    def __init__(self, resources: Resources) -> None:
        self.service = PracticeService(
            database=resources.database, clock=resources.clock, questions=load_questions(), grader=RuleGrader()
        )

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
