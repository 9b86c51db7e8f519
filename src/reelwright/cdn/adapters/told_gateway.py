"""What a gateway says of itself to the control plane, and how it obeys."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.cdn.adapters.gateway import Gateway
from reelwright.cdn.adapters.origin import Origin
from reelwright.cdn.contract import Atlas, EdgeReport, FillPlan, PurgeOrder
from reelwright.cdn.core.load import Load
from reelwright.cdn.core.purge import Purge
from reelwright.kernel.clock import Clock

CAPACITY_BPS = 1e9
"""Nobody is steered to a gateway, so that it is for people to read."""


class GatewaySelf:
    """One gateway process, as its control plane sees it."""

    def __init__(
        self, gateway: Gateway, origins: Sequence[Origin], *, url: str, budget_bytes: int, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._origins = origins
        self._url = url
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._load = Load()

    def describe(self) -> EdgeReport:
        """The gateway now."""
        totals = self._gateway.totals
        return EdgeReport(
            boot="-",
            url=self._url,
            kind="gateway",
            capacity_bps=CAPACITY_BPS,
            costs={"*": 1.0},
            load_bps=self._load.bps(totals["sent_bytes"], self._clock.monotonic_ns()),
            connections=totals["connections"],
            requests=totals["requests"],
            hits=totals["hits"],
            failed=totals["failed"],
            sent_bytes=totals["sent_bytes"],
            fetched_bytes=sum(origin.fetched_bytes for origin in self._origins),
            held_bytes=self._gateway.store.held_bytes(),
            budget_bytes=self._budget_bytes,
            inventory={},
        )

    def purge(self, order: PurgeOrder) -> int:
        """Forget or age what is meant; without a host, under every host."""
        anywhere = not order.host
        if order.tag:
            return self._gateway.purge(Purge(tag=order.tag.strip().lower(), soft=order.soft))
        if order.prefix:
            return self._gateway.purge(Purge(prefix=order.host + order.prefix, soft=order.soft, any_host=anywhere))
        return self._gateway.purge(Purge(url=order.host + order.path, soft=order.soft, any_host=anywhere))

    def purge_all(self) -> None:
        """Forget everything."""
        self._gateway.purge(Purge(prefix="/", any_host=True))

    def fill(self, plan: FillPlan) -> None:
        """Gateways hold what is asked for."""

    def follow(self, atlas: Atlas) -> None:
        """And steer nobody."""

    def show_all(self) -> None:
        """Nor do they have an inventory."""

    def keys_changed(self) -> None:
        """The token of a purge is judged anew each time."""

    def sent(self, accesses: int, decided: int) -> None:
        """They report no accesses."""
