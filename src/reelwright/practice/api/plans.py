"""Routes of the plan and its cards."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, post, put
from msgspec import Meta

from reelwright.kernel.system import Resources
from reelwright.practice.api.person import PERSON
from reelwright.practice.core.cards import Card, Rating, Reviewed
from reelwright.practice.core.plan import Plan, PlanWish
from reelwright.practice.service import (
    CardsService,
    PlansService,
)


class NewReview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a card was recalled: in a sentence that is judged, else by one's own rating."""

    rating: Rating = "again"
    text: Annotated[str, Meta(max_length=10_000)] = ""


class PlanRoutes(Controller):
    """The plan until the interview, and the cards of what was missed."""

    path = "/api/v1/practice"
    tags = ("practice",)
    dependencies = PERSON

    @get("/plan", summary="Get the plan")
    async def get_plan(self, person: str, practice_plans: PlansService) -> Plan | None:
        """Get the plan by day, made anew from what you did, with one thing to do today; null where there is none."""
        return await practice_plans.find_plan(person=person)

    @put("/plan", summary="Plan until the interview")
    async def put_plan(self, person: str, practice_plans: PlansService, data: PlanWish) -> Plan | None:
        """Say when the interview is and how many hours a week there are."""
        await practice_plans.put_wish(person=person, wish=data)
        return await practice_plans.find_plan(person=person)

    @delete("/plan", summary="Forget the plan")
    async def delete_plan(self, person: str, practice_plans: PlansService) -> None:
        """Forget the date and the hours."""
        await practice_plans.delete_wish(person=person)

    @get("/plan.ics", summary="Get the plan as a calendar", media_type="text/calendar")
    async def get_calendar(self, person: str, practice_plans: PlansService, resources: Resources) -> Response[bytes]:
        """Get the plan as an iCalendar file (RFC 5545); importing it again doubles nothing."""
        body = await practice_plans.write_calendar(person=person, url=resources.public_url)
        return Response(body, media_type="text/calendar")

    @get("/cards", summary="List cards")
    async def list_cards(self, person: str, practice_cards: CardsService) -> list[Card]:
        """List each criterion that your latest answer missed, with when it is due, the first due first."""
        return await practice_cards.list_cards(person=person)

    @post("/cards/{card_id:str}/reviews", summary="Recall a card", status_code=200)
    async def review(self, person: str, practice_cards: CardsService, card_id: str, data: NewReview) -> Reviewed:
        """Recall a card: a sentence is judged by its criterion, else your rating counts; FSRS sets the date."""
        return await practice_cards.review(person=person, card_id=card_id, rating=data.rating, text=data.text)
