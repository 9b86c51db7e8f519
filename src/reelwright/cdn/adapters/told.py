"""What an edge says of itself to the control plane, and how it obeys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reelwright.cdn.adapters.cache import DiskCache
from reelwright.cdn.adapters.fill import Filler
from reelwright.cdn.contract import Atlas, Decided, EdgeReport, FillPlan, FillProgress, PurgeOrder
from reelwright.cdn.core.load import Load
from reelwright.cdn.service import Edge, Request
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Forbidden, Invalid
from reelwright.kernel.peers import is_peer

INVENTORY_S = 10.0
FOLDERS_MOST = 10_000
ACCESSES_A_REPORT = 500
DECIDED_A_REPORT = 200


class EdgeSelf:
    """One edge process, as its control plane sees it."""

    def __init__(
        self,
        edge: Edge,
        cache: DiskCache | None,
        *,
        url: str,
        settings: CdnSettings,
        clock: Clock,
        connections: Callable[[], int],
        filler: Filler | None,
        changed: Callable[[], None],
    ) -> None:
        self._changed = changed
        """Has other processes of this edge know that it was told something."""
        self._edge = edge
        self._cache = cache
        self._filler = filler
        self._manifests = edge.manifests
        self._settings = settings
        self._clock = clock
        self._connections = connections
        self._costs = costs_of(settings.costs)
        self._url = url
        self._load = Load()
        self._inventory: dict[str, int] | None = None
        """As the control plane has it."""
        self._offered: dict[str, int] | None = None
        self._inventory_ns = 0
        self._accepted = 0
        edge.reports = True

    def describe(self) -> EdgeReport:
        """The edge now."""
        totals = self._edge.totals
        held_bytes = self._cache.held()[0] if self._cache else 0
        return EdgeReport(
            boot="-",
            url=self._url,
            capacity_bps=self._settings.capacity_mbps * 1e6,
            costs=self._costs,
            load_bps=self._load.bps(totals["sent_bytes"], self._clock.monotonic_ns()),
            source=self._cache is None,
            connections=self._connections(),
            requests=totals["requests"],
            hits=totals["hits"],
            failed=totals["failed"],
            sent_bytes=totals["sent_bytes"],
            fetched_bytes=self._cache.fetched_bytes if self._cache else 0,
            held_bytes=held_bytes,
            budget_bytes=self._settings.cache_bytes if self._cache else 0,
            inventory=self._changed_inventory(),
            fill=self._filler.progress() if self._filler else FillProgress(),
            atlas=self._manifests.atlas if self._manifests else "",
            decided=self._decided(),
            accesses=[self._edge.unreported[at] for at in range(min(ACCESSES_A_REPORT, len(self._edge.unreported)))],
            accepted=self._accepted,
        )

    def _decided(self) -> list[Decided]:
        if self._manifests is None:
            return []
        unreported = self._manifests.unreported
        return [unreported[at] for at in range(min(DECIDED_A_REPORT, len(unreported)))]

    def follow(self, atlas: Atlas) -> None:
        """Steer by this."""
        if self._manifests is not None:
            self._manifests.follow(atlas)

    def purge(self, order: PurgeOrder) -> int:
        """Delete, or doubt, what is meant."""
        if self._manifests is not None:
            self._manifests.forget(meaning_of(order))
        if self._edge.places is not None:
            self._edge.places.forget(meaning_of(order))
        purged = self._cache.purge(meaning_of(order), soft=order.soft) if self._cache else 0
        self._changed()
        return purged

    def purge_all(self) -> None:
        """Delete everything."""
        if self._manifests is not None:
            self._manifests.forget(lambda _: True)
        if self._edge.places is not None:
            self._edge.places.forget(lambda _: True)
        if self._cache:
            self._cache.purge(lambda _: True, soft=False)
        self._changed()

    def fill(self, plan: FillPlan) -> None:
        """Follow a plan."""
        if self._filler:
            self._filler.follow(plan)

    def show_all(self) -> None:
        """The control plane knows nothing of what is held here."""
        self._inventory = None

    def keys_changed(self) -> None:
        """Check every signature anew."""
        self._edge.forget_tokens()
        self._changed()

    def sent(self, accesses: int, decided: int) -> None:
        """A report has arrived, and so many of its accesses and decisions are stored."""
        if self._manifests is not None:
            for _ in range(min(decided, len(self._manifests.unreported))):
                self._manifests.unreported.popleft()
        if self._offered is not None:
            self._inventory, self._offered = self._offered, None
        self._accepted += accesses
        for _ in range(min(accesses, len(self._edge.unreported))):
            self._edge.unreported.popleft()

    def ordered(self, target: str, request: Request) -> int:
        """A PURGE request. Raises Forbidden or Invalid."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not is_peer(self._edge.keys, self._clock, token):
            raise Forbidden("only our own processes may purge")
        tag, prefix = request.headers.get("purge-tag", ""), request.headers.get("purge-prefix", "")
        if tag and prefix:
            raise Invalid("a purge is by tag or by prefix, not both")
        path = "" if tag or prefix else target.partition("?")[0]
        soft = request.headers.get("purge-soft") == "1"
        return self.purge(PurgeOrder(path=path, prefix=prefix, tag=tag, soft=soft))

    def _changed_inventory(self) -> dict[str, int] | None:
        now_ns = self._clock.monotonic_ns()
        if self._cache is None or (self._inventory is not None and now_ns - self._inventory_ns < INVENTORY_S * 1e9):
            return None
        found = self._cache.inventory()
        most = dict(sorted(found.items(), key=lambda pair: -pair[1])[:FOLDERS_MOST])
        self._inventory_ns = now_ns
        self._offered = most if most != self._inventory else None
        return self._offered


def meaning_of(order: PurgeOrder) -> Callable[[str], bool]:
    """Which objects an order means: by name or URL, by beginning of the name, or by asset (the tag)."""
    if order.tag:
        return lambda name: name.split("/")[1:2] == [order.tag]
    if order.prefix:
        beginning = order.prefix.lstrip("/")
        return lambda name: name.startswith(beginning)
    wanted = order.path.lstrip("/")
    if wanted.startswith("m/"):
        wanted = wanted.split("/", 2)[-1]
    return lambda name: name == wanted


def costs_of(entries: Sequence[str]) -> dict[str, float]:
    """Cost by region, from `region=cost` entries. Raises Invalid."""
    found = {}
    for entry in entries:
        region, _, cost = entry.partition("=")
        try:
            found[region.strip()] = float(cost)
        except ValueError:
            raise Invalid(f"cdn.costs: a cost is region=number, got {entry!r}") from None
    return found
