"""The plan by day with its calendar file, and the cards of what was missed."""

from __future__ import annotations

from datetime import date
from typing import Any, get_args

import msgspec
from litestar import Controller, Response, get, post

from reelwright.kernel.errors import Conflict
from reelwright.kernel.system import Resources
from reelwright.practice.core.cards import Rating
from reelwright.practice.core.plan import PlanWish
from reelwright.practice.core.wrong import say_wrong
from reelwright.practice.service import CardsService, PlansService
from reelwright.web.forms import go
from reelwright.web.practice.visit import VISIT, Visit, chosen

CALENDAR = {"Content-Disposition": 'attachment; filename="practice.ics"'}


class PlanPages(Controller):
    """When the interview is, and what to do until then."""

    path = "/practice/plan"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_plans: PlansService) -> Response[Any]:
        """Today's one action, and the days that follow."""
        return await _page(visit, practice_plans)

    @post("/")
    async def put(self, visit: Visit, practice_plans: PlansService) -> Response[Any]:
        """Say when the interview is and how much time there is, or forget it."""
        form = await visit.form()
        if form.get("do") == "delete":
            await practice_plans.delete_wish(person=visit.person)
            return go("/practice/plan")
        try:
            wish = msgspec.convert(
                {"interview": form.get("interview", ""), "hours_a_week": form.get("hours_a_week", ""),
                 "begins_at": form.get("begins_at", "18:00")}, PlanWish, strict=False,
            )  # fmt: skip
        except msgspec.ValidationError as error:
            return await _page(visit, practice_plans, problem=f"this is no plan: {say_wrong(error)}", sent=form)
        await practice_plans.put_wish(person=visit.person, wish=wish)
        return go("/practice/plan")

    @get("/practice.ics", media_type="text/calendar")
    async def calendar(self, visit: Visit, practice_plans: PlansService, resources: Resources) -> Response[bytes]:
        """The plan as a calendar file."""
        body = await practice_plans.write_calendar(person=visit.person, url=resources.public_url)
        return Response(body, media_type="text/calendar", headers=CALENDAR)


class CardPages(Controller):
    """Missed points, to recall."""

    path = "/practice/cards"
    include_in_schema = False
    dependencies = VISIT

    @get("/")
    async def show(self, visit: Visit, practice_cards: CardsService) -> Response[Any]:
        """The next card that is due, and when the others are."""
        return await _cards(visit, practice_cards)

    @post("/")
    async def review(self, visit: Visit, practice_cards: CardsService) -> Response[Any]:
        """Recall a card."""
        form = await visit.form()
        text, rating = form.get("text", ""), chosen(form, "rating", Rating, "again")
        if "rating" not in form and not text.strip():
            return await _cards(visit, practice_cards, problem="type the point, or say how well you knew it")
        judged, seen = "" if "rating" in form else text, form.get("reviews", "")
        try:
            reviewed = await practice_cards.review(
                person=visit.person, card_id=form.get("card", ""), rating=rating, text=judged,
                reviews=int(seen[:6]) if seen.isdecimal() else None,
            )  # fmt: skip
        except Conflict:  # the same form again: by a reload, a double click, another device
            return go("/practice/cards")
        return await _cards(visit, practice_cards, reviewed=reviewed)


async def _page(visit: Visit, plans: PlansService, *, problem: str = "", sent: Any = None) -> Response[Any]:
    plan = await plans.find_plan(person=visit.person)
    kept = plan.wish if plan else PlanWish(interview=date.min)
    shown = {**msgspec.to_builtins(kept), "hours_a_week": f"{kept.hours_a_week:g}"}
    wish = sent or (shown if plan else {**shown, "interview": ""})
    return await visit.page(
        "plan", status=400 if problem else 200, plan=plan, wish=wish, problem=problem,
        sample=await plans.is_sample(person=visit.person),
    )  # fmt: skip


async def _cards(visit: Visit, cards: CardsService, *, reviewed: Any = None, problem: str = "") -> Response[Any]:
    due = await cards.list_due(person=visit.person)
    known = await cards.list_cards(person=visit.person)
    return await visit.page(
        "cards",
        status=400 if problem else 200,
        due=due,
        later=[one for one in known if one not in due],
        reviewed=reviewed,
        ratings=get_args(Rating),
        problem=problem,
    )
