"""Routes of levels, offers and their comparison."""

from __future__ import annotations

import msgspec
from litestar import Controller, delete, get, post, put

from reelwright.practice.api.person import PERSON
from reelwright.practice.contract import (
    Pay,
)
from reelwright.practice.core.pay import Assumptions, Comparison, Offer
from reelwright.practice.service import (
    PayService,
)


class NewComparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two offers, and what nobody promises."""

    first: Offer
    second: Offer
    assumptions: Assumptions = Assumptions()


class NewId(msgspec.Struct, frozen=True):
    """The id of what was made."""

    id: str


class PayRoutes(Controller):
    """What levels pay, and what offers are worth."""

    path = "/api/v1/practice/pay"
    tags = ("practice",)
    dependencies = PERSON

    @get("/levels", summary="Get the level table")
    async def get_levels(self, person: str, practice_pay: PayService, style: str = "netflix") -> Pay:
        """Get what each level pays: the style's estimates, or your own edition of them."""
        return await practice_pay.get_levels(person=person, style=style)

    @put("/levels", summary="Edit the level table")
    async def put_levels(self, person: str, practice_pay: PayService, data: Pay, style: str = "netflix") -> Pay:
        """Edit what each level pays, for yourself alone."""
        return await practice_pay.put_levels(person=person, pay=data, style=style)

    @get("/offers", summary="List offers")
    async def list_offers(self, person: str, practice_pay: PayService) -> dict[str, Offer]:
        """List your offers by id."""
        return await practice_pay.list_offers(person=person)

    @post("/offers", summary="Keep an offer")
    async def create_offer(self, person: str, practice_pay: PayService, data: Offer) -> NewId:
        """Keep an offer with its base, bonus, sign-on, grant, cliff, refreshers and vacation."""
        return NewId(await practice_pay.create_offer(person=person, offer=data))

    @put("/offers/{offer_id:str}", summary="Change an offer")
    async def put_offer(self, person: str, practice_pay: PayService, offer_id: str, data: Offer) -> Offer:
        """Change an offer of yours."""
        return await practice_pay.put_offer(person=person, offer_id=offer_id, offer=data)

    @delete("/offers/{offer_id:str}", summary="Delete an offer")
    async def delete_offer(self, person: str, practice_pay: PayService, offer_id: str) -> None:
        """Forget an offer of yours."""
        await practice_pay.delete_offer(person=person, offer_id=offer_id)

    @post("/comparison", summary="Compare two offers", status_code=200)
    async def compare(self, person: str, practice_pay: PayService, data: NewComparison) -> Comparison:  # noqa: ARG002
        """Compare two offers: paths, certainty equivalents, break-even growth, what speaks for each."""
        return await practice_pay.compare(**msgspec.structs.asdict(data))
