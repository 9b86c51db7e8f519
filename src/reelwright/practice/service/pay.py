"""Pay: the level table, offers, and what they are worth beside each other."""

from __future__ import annotations

from collections.abc import Mapping

import anyio.to_thread

from reelwright.kernel.clock import Clock
from reelwright.kernel.database import Database
from reelwright.kernel.ids import new_id
from reelwright.practice.contract import NoStyle, Pay, Style, Unfit
from reelwright.practice.core.pay import Assumptions, Comparison, Offer, check_levels, compare
from reelwright.practice.service.notes import Shelf

SEED = 20_261_126
"""Of the paths: the same offers have the same figures again."""
MOST_OFFERS = 20


class PayService:
    """Level tables and offers of the people of this installation."""

    def __init__(self, *, database: Database, clock: Clock, styles: Mapping[str, Style]) -> None:
        self._clock = clock
        self._styles = styles
        self._tables = Shelf(database=database, clock=clock, kind="levels", shape=Pay, most=20)
        self._offers = Shelf(database=database, clock=clock, kind="offer", shape=Offer, most=MOST_OFFERS)

    async def get_levels(self, *, person: str, style: str = "netflix") -> Pay:
        """The level table: the person's own edition, else the style's. Raises NoStyle."""
        known = self._styles.get(style)
        if known is None:
            raise NoStyle(f"no style {style[:40]!r}; the styles are {', '.join(self._styles)}")
        return await self._tables.find(person, style) or known.pay

    async def put_levels(self, *, person: str, pay: Pay, style: str = "netflix") -> Pay:
        """Edit the table for oneself. Raises Unfit, NoStyle."""
        await self.get_levels(person=person, style=style)
        problem = check_levels(pay)
        if problem:
            raise Unfit(problem)
        return await self._tables.put(person, style, pay)

    async def create_offer(self, *, person: str, offer: Offer, sample: bool = False) -> str:
        """Keep an offer, and return its id. Raises Unfit."""
        _check(offer)
        offer_id = new_id(self._clock)
        await self._offers.put(person, offer_id, offer, sample=sample)
        return offer_id

    async def put_offer(self, *, person: str, offer_id: str, offer: Offer) -> Offer:
        """Change an offer. Raises NoNote, Unfit."""
        _check(offer)
        await self._offers.get(person, offer_id)
        return await self._offers.put(person, offer_id, offer)

    async def get_offer(self, *, person: str, offer_id: str) -> Offer:
        """An offer. Raises NoNote."""
        return await self._offers.get(person, offer_id)

    async def list_offers(self, *, person: str) -> dict[str, Offer]:
        """The person's offers by id, oldest first."""
        return await self._offers.list(person)

    async def list_sampled(self, *, person: str) -> frozenset[str]:
        """Offers that the demo made."""
        return await self._offers.sampled(person)

    async def delete_offer(self, *, person: str, offer_id: str) -> None:
        """Forget an offer. Raises NoNote."""
        await self._offers.delete(person, offer_id)

    async def compare(self, *, first: Offer, second: Offer, assumptions: Assumptions) -> Comparison:
        """What both are worth."""
        return await anyio.to_thread.run_sync(lambda: compare(first, second, assumptions, seed=SEED))


def _check(offer: Offer) -> None:
    if offer.grant and offer.cliff_months > 12 * offer.vest_years:
        raise Unfit(f"a cliff of {offer.cliff_months} months is longer than the {offer.vest_years} years of vesting")
