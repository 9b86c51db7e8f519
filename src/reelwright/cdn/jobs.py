"""What the worker does for the CDN: prices of full edges every few seconds, plans to fill every few minutes."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from reelwright.cdn.contract import EdgeView, FillItem, FillPlan
from reelwright.cdn.control import ControlPlane
from reelwright.cdn.core.fill import Want, choose, expected_plays
from reelwright.cdn.core.pace import window_of
from reelwright.cdn.ports import Demand, Forecast
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.errors import ReelwrightError, Unavailable
from reelwright.kernel.telemetry import logger

PRICE_S = 10.0
PLAN_S = 600.0
DEMAND_S = 900
"""Sessions of the last quarter of an hour are the demand that prices are made for."""
LEAST = 0.2
"""Objects that are asked for more seldom than once in five days are not filled."""
ITEMS_MOST = 20_000
log = logger(__name__)


async def keep(control: ControlPlane, demand: Demand, settings: CdnSettings) -> None:
    """Price and plan for ever; what fails is said and tried again."""
    waited_s = PLAN_S
    while True:
        try:
            await reprice(control)
            if waited_s >= PLAN_S and settings.fill_mbps > 0:
                waited_s = 0.0
                await plan_fills(control, await demand.forecast(), settings)
        except ReelwrightError as error:
            log.warning("the CDN could not be planned", problem=str(error))
        await asyncio.sleep(PRICE_S)
        waited_s += PRICE_S


async def reprice(control: ControlPlane) -> None:
    """Give full edges a price, so that those who lose least by going elsewhere go."""
    states, wanted = await control.states(), await control.demand(DEMAND_S)
    if len(states) < 2 or not wanted:
        return
    from reelwright.cdn.core.flows import plan_flows  # SciPy, for those who have edges to choose among

    # The demand is there already: prices come from all of it through all of the capacity.
    empty = [msgspec.structs.replace(state, load_bps=0.0) for state in states]
    try:
        plan = plan_flows(wanted, empty)
    except Unavailable as error:
        log.warning("more is wanted than the edges can carry", problem=str(error))
        return
    await control.set_prices(plan.prices)


async def plan_fills(control: ControlPlane, forecast: Forecast, settings: CdnSettings) -> None:
    """What each edge with a cache is to hold."""
    edges = [edge for edge in await control.list_edges() if edge.kind == "edge" and edge.budget_bytes > 0]
    if not edges or not forecast.shelves:
        return
    plays = expected_plays(forecast.history, forecast.promoted, forecast.added)
    rates: dict[FillItem, float] = {}  # shelves may share objects: a film, and what is left of it for some
    for shelf in forecast.shelves:
        for item, share in shelf.items:
            rates[item] = rates.get(item, 0.0) + plays.get(shelf.title, 0.0) * share / len(edges)
    wants = [Want(item, item.size, rate) for item, rate in rates.items()]
    plans = {edge.name: plan_for(edge, edges, wants, settings) for edge in edges}
    await control.order_fills({name: plan for name, plan in plans.items() if plan.items})


def plan_for(edge: EdgeView, edges: list[EdgeView], wants: list[Want], settings: CdnSettings) -> FillPlan:
    """One edge's plan; edges of the same regions are its peers."""
    chosen = choose(wants, int(edge.budget_bytes * settings.fill_share), least=LEAST)[:ITEMS_MOST]
    items = [one.key for one in chosen if isinstance(one.key, FillItem)]
    near = [one.url for one in edges if one.name != edge.name and set(one.regions) & set(edge.regions)]
    plan = FillPlan(
        items=items, window=window_of(settings.fill_window), rate_bps=settings.fill_mbps * 1e6, peers=near[:4]
    )
    return msgspec.structs.replace(plan, id=hashlib.sha256(msgspec.json.encode(plan)).hexdigest()[:32])
