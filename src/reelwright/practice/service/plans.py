"""The plan, made anew from what is known today, and the cards of what was missed."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from anyio import to_thread

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict
from reelwright.practice.adapters.meaning import find_meaning
from reelwright.practice.adapters.scheduler import recall
from reelwright.practice.contract import NoNote
from reelwright.practice.core.calendar import write_calendar
from reelwright.practice.core.cards import Card, Memory, Missed, Rating, Reviewed, all_cards
from reelwright.practice.core.marks import Spelling, mark
from reelwright.practice.core.plan import Known, Plan, PlanWish, make_plan
from reelwright.practice.core.reference import Graded
from reelwright.practice.core.stories import draw_matrix
from reelwright.practice.service.interviews import PracticeService
from reelwright.practice.service.labs import LabsService
from reelwright.practice.service.loops import LoopsService
from reelwright.practice.service.notes import Shelf
from reelwright.practice.service.stories import StoriesService

MOST_CARDS = 5_000
ONE = "plan"
"""A person has one plan."""


class CardsService:
    """Cards of the people of this installation."""

    def __init__(self, *, database: Database, clock: Clock, interviews: PracticeService) -> None:
        self._clock = clock
        self._interviews = interviews
        self._memories = Shelf(database=database, clock=clock, kind="card", shape=Memory, most=MOST_CARDS)

    async def list_cards(self, *, person: str) -> list[Card]:
        """Every missed criterion as a card, the first due first."""
        return all_cards(await self._interviews.list_missed(person=person), await self._memories.list(person))

    async def list_due(self, *, person: str) -> list[Card]:
        """Cards to recall now."""
        now_ms = self._clock.wall_ns() // 1_000_000
        return [one for one in await self.list_cards(person=person) if one.due_ms <= now_ms]

    async def review(
        self, *, person: str, card_id: str, rating: Rating = "again", text: str = "", reviews: int | None = None
    ) -> Reviewed:
        """Recall a card: what is typed is judged by its criterion, else one's own rating counts.

        Raises NoNote, and Conflict where it was recalled more often than `reviews` times, as when a form comes twice.
        """
        known = next((one for one in await self.list_cards(person=person) if one.id == card_id), None)
        if known is None:
            raise NoNote(f"no card {card_id[:40]!r} of yours")
        if reviews is not None and known.reviews != reviews:
            raise Conflict("this card was recalled meanwhile; it comes back when it is due")
        verdict = self._interviews.judge_criterion(known.missed, text) if text.strip() else None
        if verdict is not None:
            rating = "good" if verdict.state == "met" else "again"
        now_ms = self._clock.wall_ns() // 1_000_000
        before = await self._memories.find(person, card_id)
        state, due_ms = recall(before.state if before else None, rating, now_ms=now_ms)
        memory = Memory(missed=known.missed, state=state, due_ms=due_ms, reviews=known.reviews + 1)
        await self._memories.put(person, card_id, memory, sample=known.missed.sample)
        return Reviewed(
            card=msgspec.structs.replace(known, due_ms=due_ms, reviews=memory.reviews), rating=rating,
            shown=None if verdict is None else verdict.state == "met", quote=verdict.quote if verdict else "",
            mark=None if verdict is None else await to_thread.run_sync(_mark, known.missed, text),
        )  # fmt: skip


def _mark(missed: Missed, text: str) -> float:
    """A thread's work: the first one loads the model, where the extra is installed."""
    one = Graded(missed.question_id, missed.asks, (missed.says,), text, 0.0)
    return round(mark(one, find_meaning() or Spelling()), 1)


class PlansService:
    """Plans of the people of this installation."""

    def __init__(
        self, *, database: Database, clock: Clock, interviews: PracticeService, loops: LoopsService,
        labs: LabsService, stories: StoriesService, cards: CardsService,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._interviews = interviews
        self._loops = loops
        self._labs = labs
        self._stories = stories
        self._cards = cards
        self._wishes = Shelf(database=database, clock=clock, kind="plan", shape=PlanWish, most=1)

    async def put_wish(self, *, person: str, wish: PlanWish, sample: bool = False) -> PlanWish:
        """Say when the interview is, and how many hours a week there are."""
        return await self._wishes.put(person, ONE, wish, sample=sample)

    async def delete_wish(self, *, person: str) -> None:
        """Forget it. Raises NoNote."""
        await self._wishes.delete(person, ONE)

    async def find_plan(self, *, person: str) -> Plan | None:
        """The plan from today on; None where no date was said."""
        wish = await self._wishes.find(person, ONE)
        if wish is None:
            return None
        today = datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC).astimezone().date()  # of this machine
        return make_plan(wish, await self._known(person), today)

    async def is_sample(self, *, person: str) -> bool:
        """Whether the demo made it."""
        return bool(await self._wishes.sampled(person))

    async def write_calendar(self, *, person: str, url: str = "") -> bytes:
        """The plan as a calendar file. Raises NoNote where there is no plan."""
        plan = await self.find_plan(person=person)
        if plan is None:
            raise NoNote("there is no plan yet; say at /practice/plan when the interview is")
        return write_calendar(plan, now_ms=self._clock.wall_ns() // 1_000_000, url=url, owner=person)

    async def _known(self, person: str) -> Known:
        loops = [one for one in await self._loops.list_loops(person=person) if not one.sample]
        labs = await self._labs.list_labs(person=person)
        interviews = await self._interviews.list_interviews(person=person)
        return Known(
            answered=any(not one.sample for one in interviews),
            skills=tuple(await self._interviews.list_skills(person=person)),
            story_gaps=draw_matrix(await self._stories.list_stories(person=person)).gaps,
            has_lines=bool(await self._stories.list_lines(person)),
            cards_due=len(await self._cards.list_due(person=person)),
            labs_open=tuple((one.id, one.title) for one in labs if one.best != "true"),
            rounds_open=tuple(
                (loop.id, each.stage) for loop in loops[:1] for each in loop.open_rounds
            ),
        )  # fmt: skip
