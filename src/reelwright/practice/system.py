"""How practice is wired."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from reelwright.accounts.service import AccountsService
from reelwright.kernel.errors import ReelwrightError
from reelwright.kernel.ids import UserId
from reelwright.kernel.settings import is_loopback, is_passed_on
from reelwright.kernel.system import Health, Resources
from reelwright.practice.adapters.bank import load_questions
from reelwright.practice.adapters.guide import load_styles
from reelwright.practice.contract import Loop
from reelwright.practice.core.rules import RuleGrader
from reelwright.practice.labs.labs import LABS
from reelwright.practice.service import (
    CardsService,
    DesignsService,
    EverythingService,
    LabsService,
    LoopsService,
    ModelService,
    OpinionsService,
    PanelsService,
    PayService,
    PlansService,
    PracticeService,
    StoriesService,
)
from reelwright.practice.service.sample import put_sample
from reelwright.practice.service.sample_desk import SampleDesk
from reelwright.practice.settings import PracticeSettings

MIGRATIONS = "reelwright.practice"
PURGE_EVERY_S = 3_600
log = structlog.get_logger(__name__)


class PracticeSystem:
    """Practice in a process."""

    name = "practice"

    def __init__(
        self,
        resources: Resources,
        accounts: AccountsService | None = None,
        forget: Callable[[UserId], Awaitable[None]] | None = None,
    ) -> None:
        self._resources = resources
        database, clock = resources.database, resources.clock
        settings = resources.source.section("practice", PracticeSettings)
        self.model = ModelService(database=database, clock=clock, settings=settings)
        self.stories = StoriesService(database=database, clock=clock)
        self.service = PracticeService(
            database=database, clock=clock, questions=load_questions(), grader=RuleGrader(),
            converse=self.model.converse if self.model.grader else None, read_lines=self.stories.list_lines,
        )  # fmt: skip
        self.opinions = OpinionsService(database=database, clock=clock, interviews=self.service, model=self.model)
        self.service.tell_answers(self.opinions.ask_later)
        self.loops = LoopsService(database=database, clock=clock, interviews=self.service, styles=load_styles())
        self.pay = PayService(database=database, clock=clock, styles=load_styles())

        self.labs = LabsService(
            database=database, clock=clock, labs=LABS, loopback=_is_near(resources), count_people=_counting(accounts)
        )
        self.designs = DesignsService(
            database=database, clock=clock, interviews=self.service, questions=load_questions()
        )
        self.cards = CardsService(database=database, clock=clock, interviews=self.service)
        self.panels = PanelsService(database=database, clock=clock, questions=load_questions(), grader=RuleGrader())
        self._purging: asyncio.Task[None] | None = None
        self.everything = EverythingService(
            database=database, interviews=self.service, opinions=self.opinions, loops=self.loops, labs=self.labs,
            panels=self.panels, forget=forget,
        )  # fmt: skip
        self.plans = PlansService(
            database=database, clock=clock, interviews=self.service, loops=self.loops, labs=self.labs,
            stories=self.stories, cards=self.cards,
        )  # fmt: skip

    @property
    def given(self) -> dict[str, Any]:
        """What handlers are given by name."""
        return {
            "practice": self.service, "practice_loops": self.loops, "practice_labs": self.labs,
            "practice_opinions": self.opinions, "practice_model": self.model,
            "practice_pay": self.pay, "practice_stories": self.stories, "practice_cards": self.cards,
            "practice_plans": self.plans, "practice_panels": self.panels, "practice_everything": self.everything,
            "practice_designs": self.designs,
        }  # fmt: skip

    async def put_sample(self, person: str) -> Loop:
        """Give a person the finished sample loop and a desk of samples, unless they have them.

        Cost: the judging of some sixty answers.
        """
        questions = {one.id: one for one in load_questions()}
        now_ns = self._resources.clock.wall_ns()
        desk = SampleDesk(
            clock=self._resources.clock, stories=self.stories, pay=self.pay, plans=self.plans, panels=self.panels
        )
        await desk.put(person=person, question=load_questions()[0])
        return await put_sample(
            database=self._resources.database, questions=questions, grader=RuleGrader(), styles=load_styles(),
            person=person, now_ns=now_ns,
        )  # fmt: skip

    def routes(self) -> Sequence[Any]:
        """The routes of practice."""
        from reelwright.practice.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Erase what is past its retention, now and every hour."""
        self._purging = asyncio.get_running_loop().create_task(self._purge())

    async def stop(self) -> None:
        """End the labs that run, and what the model is asked."""
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)
        await self.labs.stop()
        await self.opinions.stop()

    async def _purge(self) -> None:
        while True:
            try:
                erased = await self.panels.purge()
            except ReelwrightError as error:
                log.warning("retention_failed", error=str(error))
            else:
                if erased:
                    log.info("retention_erased", interviews=erased)
            await asyncio.sleep(PURGE_EVERY_S)

    async def health(self) -> Health:
        """Well whenever the database is."""
        return Health(system=self.name, state="ok")


def _is_near(resources: Resources) -> bool:
    """Whether only this machine reaches the service."""
    return is_loopback(resources.settings.host) and not is_passed_on(resources.settings)


def _counting(accounts: AccountsService | None) -> Callable[[], Awaitable[int]]:
    """How many people use this installation; without accounts the one at the machine."""

    async def count() -> int:
        return len(await accounts.list_users()) if accounts else 1

    return count
