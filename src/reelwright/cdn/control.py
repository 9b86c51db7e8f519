"""The control plane, which runs in the web processes: edges, steering, purges, fills, misses.

Edges call it, it calls edges only to hurry a purge. All state that matters is in the database; what is remembered
here is for how long an edge has been silent, and what was given to it since its last report.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import math
import os
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import msgspec

from reelwright.cdn.adapters import sql
from reelwright.cdn.contract import (
    KEYS_FOR_EDGES,
    Access,
    Atlas,
    Decided,
    EdgeOrders,
    EdgeReport,
    EdgeView,
    FillPlan,
    FillProgress,
    NumberedPurge,
    PurgeOrder,
    PurgeResult,
    Steered,
    UnfitOrder,
    Viewing,
)
from reelwright.cdn.core.given import Given
from reelwright.cdn.core.health import Evidence, judge
from reelwright.cdn.core.steering import (
    Candidate,
    EdgeState,
    Prefixes,
    classify_miss,
    decide,
    nearest_of,
    rank,
    steering_document,
)
from reelwright.cdn.settings import CdnSettings, read_regions
from reelwright.events.contract import Event, EventsClient
from reelwright.kernel.clock import Clock, VirtualClock
from reelwright.kernel.database import Database
from reelwright.kernel.errors import Conflict, NotFound, ReelwrightError
from reelwright.kernel.ids import EventId, SessionId, is_id, new_id
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.peers import peer_token
from reelwright.kernel.system import Health, Resources
from reelwright.kernel.telemetry import counter, logger

REPORTS = counter("cdn_reports_total", "Reports of edges, by what came of them.", ("outcome",))
MOVED = counter("cdn_steered_total", "Steering decisions, by why the nearest edge was not first.", ("why",))
FRESH_S = 0.5
SIGNAL_MS = 60_000
DECISION_MS = 26 * 3_600_000
"""Longer than a signature is good."""
MISSES_MS = 7 * 24 * 3_600_000
ORDERS_MS = 7 * 24 * 3_600_000
ORDERS_A_REPORT = 200
HURRY_S = 3.0
SESSIONS_KEPT = 50_000
ATLAS_MOST = 50
"""Edges that an edge is told of: the nearest to the regions that it serves."""
ROUNDED = 20
"""Loads are told in steps of this part of the capacity, so that not every report brings them anew."""
INPUT_MOST = 2000
"""Characters of what an event may say of a decision's grounds."""
log = logger(__name__)


class Known(msgspec.Struct):
    """What this process remembers of an edge between its reports."""

    beat: int
    arrived_ns: int


class ControlPlane:
    """Use cases of the control plane. Belongs to one event loop."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        keys: KeyRing,
        settings: CdnSettings,
        events: EventsClient | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._settings = settings
        self._events = events
        self.ttl_s = settings.steering_ttl_s
        self._regions = Prefixes(read_regions(settings.regions))
        self._rows: list[sql.Row] = []
        self._signals: dict[str, tuple[int, int]] = {}
        self._looked_ns: int | None = None
        self._looking = asyncio.Lock()
        self._known: dict[str, Known] = {}
        self._given = Given()
        self._used: OrderedDict[str, str] = OrderedDict()
        """By session the pathway that its player named last."""
        self._urls: set[str] = set()
        self._http: httpx.AsyncClient | None = None

    # Reports

    async def report(self, name: str, report: EdgeReport) -> EdgeOrders:
        """Note an edge's report; the answer holds what it is to do. Raises Conflict."""
        told = {**msgspec.to_builtins(report), "inventory": None, "accesses": []}
        known = self._known.get(name)
        silent_s = (self._clock.monotonic_ns() - known.arrived_ns) / 1e9 if known else 0.0
        row = await self._database.write(
            sql.put_report,
            name,
            boot=report.boot,
            told=told,
            inventory=report.inventory,
            now_ms=self._now_ms(),
            takeover=silent_s > 3 * self._settings.heartbeat_s,
        )
        if row is None:
            REPORTS.labels("name taken").inc()
            raise Conflict(
                f"another edge at another address is registered as {name!r}; give this one its own cdn.name"
            )
        if known is None:
            self._looked_ns = None  # who has just come is to be seen at once
        self._note(row)
        self._urls.add(report.url)
        REPORTS.labels("ok").inc()
        purges, last, purge_all = await self._purges_for(report)
        fill = await self._database.read(sql.get_fill, name)
        plan = msgspec.convert(fill["plan"], FillPlan) if fill else None
        return EdgeOrders(
            purges=purges,
            purged=last,
            purge_all=purge_all,
            keys=sealed_keys(self._keys, report.key),
            drained=row["drained"],
            fill=plan if plan is not None and plan.id != report.fill.plan else None,
            show_all=not row["inventory"] and report.inventory is None and report.held_bytes > 0,
            heartbeat_s=self._settings.heartbeat_s,
            noted=await self._note_decided(name, report.decided),
            accepted=await self._take(name, report),
            atlas=await self._atlas_for(report),
        )

    async def _atlas_for(self, report: EdgeReport) -> Atlas | None:
        """What an edge steers by while we are away; None where it has that."""
        if report.kind != "edge":
            return None
        await self._look()
        own = report.costs

        def far(state: EdgeState) -> float:
            return min(
                (cost + own[region] for region, cost in state.costs.items() if region in own), default=math.inf
            )

        near = sorted((one for one in self._states("", 0) if far(one) < math.inf), key=far)[:ATLAS_MOST]
        edges = [msgspec.structs.replace(one, load_bps=_rounded(one)) for one in near]
        prices = self._prices()
        told = {one.name: prices[one.name] for one in edges if prices[one.name]}
        atlas = Atlas(edges=edges, prices=told, ttl_s=self.ttl_s)
        atlas = msgspec.structs.replace(
            atlas, id=hashlib.blake2b(msgspec.json.encode(atlas), digest_size=8).hexdigest()
        )
        return atlas if atlas.id != report.atlas else None

    async def _note_decided(self, edge: str, decided: Sequence[Decided]) -> int:
        """Store what an edge decided by itself, for the join with accesses, and as events."""
        if decided:
            ids = [decided_id(edge, one) for one in decided]
            rows = [{**msgspec.to_builtins(one), "decision_id": key} for key, one in zip(ids, decided, strict=True)]
            known = await self._database.write(sql.put_decided, rows, self._now_ms() - DECISION_MS)
            await self._say(
                [
                    self._decision(
                        "steering",
                        {"edge": edge, "region": one.region, "bps": one.bps, "nearest": one.nearest},
                        one.chosen,
                        one.why or "nearest",
                        event_id=key,
                    )
                    for key, one, in_effect in zip(ids, decided, known, strict=True)
                    if key == in_effect
                ]
            )
        return len(decided)

    async def _purges_for(self, report: EdgeReport) -> tuple[list[NumberedPurge], int, bool]:
        rows, first, last = await self._database.read(sql.purges_after, report.purged, ORDERS_A_REPORT)
        if last < 0:
            return [], -1, report.purged > -1  # the orders were lost with the database: begin anew
        if report.purged > last or report.purged < first - 1:
            return [], last, True
        orders = [NumberedPurge(seq=row["seq"], order=msgspec.convert(row["order"], PurgeOrder)) for row in rows]
        return orders, orders[-1].seq if orders else last, False

    async def _take(self, name: str, report: EdgeReport) -> int:
        """Store accesses as events, join them with the decisions that caused them, and count."""
        if not report.accesses:
            return 0
        accesses = {
            access_id(name, report.boot, number, one): one
            for number, one in enumerate(report.accesses, report.accepted)
        }
        fresh = set(accesses)
        decisions = await self._database.read(
            sql.get_decisions, [one.token for one in accesses.values() if one.token]
        )
        kinds = {key: kind_of(name, one, decisions.get(one.token)) for key, one in accesses.items()}
        if self._events is not None:
            events = [
                access_event(key, name, one, kinds[key], decisions.get(one.token)) for key, one in accesses.items()
            ]
            verdicts = await self._events.record(events, profile_id=None, source="edges")
            fresh = {EventId(verdict.id) for verdict in verdicts if verdict.status == "stored"}
        now_ms = self._now_ms()
        counts: Counter[str] = Counter(kinds[key] for key in fresh)
        sizes: Counter[str] = Counter()
        for key in fresh:
            sizes[kinds[key]] += accesses[key].size
        minute_ms = now_ms // 60_000 * 60_000
        rows = [
            {"minute_ms": minute_ms, "edge": name, "kind": kind, "requests": number, "bytes": sizes[kind]}
            for kind, number in counts.items()
        ]
        await self._database.write(sql.add_misses, rows, now_ms - MISSES_MS)
        return len(report.accesses)

    # Steering

    async def steer(self, viewing: Viewing) -> Steered:
        """The edges for a session, best first; those of `otherwise` while none is registered."""
        await self._look()
        if not self._rows:
            return configured(viewing)
        await self._doubt(viewing)
        region = self._regions.region_of(viewing.address)
        ranked = decide(
            region,
            self._states(viewing.folder, viewing.folder_bytes),
            bps=viewing.bps,
            prices=self._prices(),
            current=viewing.current or self._given.sent(viewing.session_id),
            folder=viewing.folder,
            order=viewing.order,
        )
        if not ranked:
            return configured(viewing)
        chosen = ranked[0].edge.name
        self._given.give(viewing.session_id, chosen, viewing.bps)
        nearest, why = nearest_of(ranked, viewing.order)
        MOVED.labels(why or "nearest").inc()
        decision_id = EventId(new_id(self._clock))
        in_effect = await self._database.write(
            sql.put_decision,
            forget_ms=self._now_ms() - DECISION_MS,
            token=viewing.token,
            session_id=viewing.session_id,
            region=region,
            chosen=chosen,
            nearest=nearest,
            why=why,
            bps=viewing.bps,
            at_ms=self._now_ms(),
            decision_id=decision_id,
        )
        if in_effect == decision_id:
            said = steering_input(viewing, region, ranked, self._prices())
            reason, session_id = why or "nearest", viewing.session_id
            await self._say([self._decision("steering", said, chosen, reason, ranked, session_id, decision_id)])
        return steered_of(ranked, region)

    def _decision(
        self,
        policy: str,
        said: Any,
        choice: str,
        reason: str,
        ranked: Sequence[Candidate] = (),
        session_id: str = "",
        event_id: EventId | None = None,
    ) -> Event:
        """What was decided as an event (`decision`), with what it was decided on."""
        data = {
            "system": "cdn",
            "policy_version": f"{policy}/1",
            "input": msgspec.json.encode(said).decode()[:INPUT_MOST],
            "choice": choice[:200],
            "alternatives": [{"id": one.edge.name, "score": one.score} for one in ranked[:200]],
            "reason": reason[:2000],
        }
        session = SessionId(session_id) if is_id(session_id) else None
        key = event_id or EventId(new_id(self._clock))
        return Event(id=key, type="decision", at_ms=self._now_ms(), session_id=session, data=data)

    async def _say(self, events: list[Event]) -> None:
        """Decisions go where all events go; one that cannot be stored stops nothing."""
        if self._events is None or not events:
            return
        try:
            await self._events.record(events, profile_id=None, source="cdn")
        except ReelwrightError as error:
            log.warning("decisions could not be stored", problem=str(error))

    async def explain(self, region: str, *, bps: float, folder: str = "") -> list[Candidate]:
        """Where a viewer of a region would be sent, with the reason for each edge; nothing is noted."""
        await self._look()
        return rank(region, self._states(folder, 0), bps=bps, prices=self._prices())

    async def all_on(self, host: str | None) -> bool:
        """Whether every registered edge has this host name, so that cookies for it reach them all."""
        await self._look()
        edges = (row["told"] for row in self._rows if row["told"]["kind"] == "edge")
        return all(urlsplit(told["url"]).hostname == host for told in edges)

    async def tell(self, edge: str, viewer: str, *, failed: bool) -> None:
        """A viewer's word on an edge, by its name or URL; what is no edge of ours is not listened to."""
        await self._look()
        name = next((row["name"] for row in self._rows if edge in (row["name"], row["told"]["url"])), None)
        if name is not None and viewer:
            await self._database.write(
                sql.put_signal, edge=name, viewer=viewer[:64], failed=failed, at_ms=self._now_ms()
            )

    def document(self, steered: Steered, *, reload_uri: str, kind: Literal["hls", "dash"], known: list[str]) -> Any:
        """The content-steering document; edges that are not among the manifest's `known` are cloned."""
        ranked = [
            Candidate(EdgeState(name=name, url=url, capacity_bps=1), float(place))
            for place, (name, url) in enumerate(steered.edges)
        ]
        clones = {name: known[0] for name, _ in steered.edges if known and name not in known}
        parameter = "edge" if kind == "hls" else ""
        return steering_document(ranked, reload_uri=reload_uri, ttl_s=self.ttl_s, clones=clones, parameter=parameter)

    async def _doubt(self, viewing: Viewing) -> None:
        """A player that has left the edge it was told to use, while that looks well, has met a failure there."""
        if not viewing.current:
            return
        told, before = self._given.sent(viewing.session_id), self._used.get(viewing.session_id, "")
        self._used[viewing.session_id] = viewing.current
        self._used.move_to_end(viewing.session_id)
        if len(self._used) > SESSIONS_KEPT:
            self._used.popitem(last=False)
        judged = self._judged()
        if told in judged and viewing.current != told and before in ("", told) and judged[told][0] == "ok":
            await self.tell(told, viewing.viewer, failed=True)
        await self.tell(viewing.current, viewing.viewer, failed=False)

    def _states(self, folder: str, folder_bytes: int) -> list[EdgeState]:
        judged = self._judged()
        return [
            EdgeState(
                name=row["name"],
                url=row["told"]["url"],
                capacity_bps=row["told"]["capacity_bps"],
                load_bps=row["told"]["load_bps"] + self._given.bps(row["name"]),
                state=judged[row["name"]][0],  # type: ignore[arg-type]
                holds=_share(row, folder, folder_bytes),
                costs=row["told"]["costs"],
            )
            for row in self._rows
            if row["told"]["kind"] == "edge"
        ]

    def _prices(self) -> dict[str, float]:
        return {row["name"]: row["price"] for row in self._rows}

    def _judged(self) -> dict[str, tuple[str, str]]:
        now_ns = self._clock.monotonic_ns()
        evidence = {}
        for row in self._rows:
            viewers, failed = self._signals.get(row["name"], (0, 0))
            evidence[row["name"]] = Evidence(
                silent_s=(now_ns - self._known[row["name"]].arrived_ns) / 1e9,
                says=row["told"]["state"],
                drained=row["drained"],
                viewers=viewers,
                failed=failed,
            )
        return judge(evidence, self._settings.heartbeat_s)

    async def _look(self) -> None:
        """Read the edges again where what is known is older than half a second."""
        async with self._looking:
            now_ns = self._clock.monotonic_ns()
            if self._looked_ns is not None and now_ns - self._looked_ns < FRESH_S * 1e9:
                return
            now_ms = self._now_ms()
            self._rows = await self._database.read(sql.list_edges)
            self._signals = await self._database.read(sql.count_signals, now_ms - SIGNAL_MS, now_ms + SIGNAL_MS)
            for row in self._rows:
                self._note(row)
            self._urls = {row["told"]["url"] for row in self._rows}
            self._looked_ns = now_ns

    def _note(self, row: sql.Row) -> None:
        known = self._known.get(row["name"])
        if known is None or known.beat != row["beat"]:
            self._known[row["name"]] = Known(row["beat"], self._clock.monotonic_ns())
            self._given.reported(row["name"])

    async def follow(self) -> None:
        """For ever: edges report to one web process, and the pages of all must let players fetch from them."""
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            with contextlib.suppress(ReelwrightError):  # health says it where the database is away
                await self._look()

    def known_urls(self) -> list[str]:
        """Where what is registered is, as far as this process knows; asks nobody."""
        return sorted(self._urls)

    # What people do

    async def list_edges(self) -> list[EdgeView]:
        """All edges, as they are now."""
        self._looked_ns = None
        await self._look()
        judged = self._judged()
        return [view_of(row, *judged[row["name"]]) for row in self._rows]

    async def drain(self, name: str, *, on: bool, by: str) -> None:
        """Send no more viewers to an edge, or again. Raises NotFound."""
        audit = self._audit(by, f"{'drain' if on else 'end drain'} {name}")
        if not await self._database.write(sql.set_edge, name, audit, drained=on):
            raise NotFound(f"no edge {name[:48]!r} is registered")
        self._looked_ns = None
        await self._say([self._decision("drain", {"edge": name, "by": by}, name, "drained" if on else "drain ended")])

    async def forget(self, name: str, *, by: str) -> None:
        """Take an edge off the list; it comes back when it reports again. Raises NotFound."""
        if not await self._database.write(sql.delete_edge, name, self._audit(by, f"forget {name}")):
            raise NotFound(f"no edge {name[:48]!r} is registered")
        self._known.pop(name, None)
        self._looked_ns = None

    async def purge(self, order: PurgeOrder, *, by: str) -> PurgeResult:
        """Purge at every edge: at once where it answers, with its next report elsewhere. Raises Invalid."""
        checked_purge(order)
        seq = await self._database.write(
            sql.add_purge,
            order=msgspec.to_builtins(order),
            at_ms=self._now_ms(),
            by=by,
            audit=self._audit(by, f"purge {describe(order)}"),
            forget_ms=self._now_ms() - ORDERS_MS,
        )
        told = {"seq": seq, "order": order, "by": by}
        await self._say([self._decision("purge", told, describe(order), "soft" if order.soft else "hard")])
        await self._look()
        edges = [(row["name"], row["told"]) for row in self._rows if not row["told"]["source"]]
        counts = await asyncio.gather(*(self._hurry(told, order) for _, told in edges))
        found = {name: count for (name, _), count in zip(edges, counts, strict=True) if count is not None}
        return PurgeResult(seq=seq, purged=found, later=[name for name, _ in edges if name not in found])

    async def _hurry(self, told: Mapping[str, Any], order: PurgeOrder) -> int | None:
        """Give an order to one edge now; None where it does not answer."""
        self._http = self._http or httpx.AsyncClient(timeout=HURRY_S)
        headers = {
            "Authorization": f"Bearer {peer_token(self._keys, self._clock)}",
            "Purge-Soft": str(int(order.soft)),
        }
        headers |= {"Host": order.host} if order.host else {"Purge-Any-Host": "1"}
        if order.prefix or order.tag:
            headers["Purge-Prefix" if order.prefix else "Purge-Tag"] = order.prefix or order.tag
        try:
            answer = await self._http.request("PURGE", told["url"] + (order.path or "/"), headers=headers)
            answer.raise_for_status()
            return int(answer.json()["purged"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning(
                "an edge did not purge at once; it will with its next report", edge=told["url"], why=str(error)
            )
            return None

    async def misses(self, *, hours: int = 24) -> list[sql.Row]:
        """Requests and bytes by edge and class."""
        return await self._database.read(sql.count_misses, self._now_ms() - hours * 3_600_000)

    async def audit(self, limit: int = 20) -> list[sql.Row]:
        """What people did here, the newest first."""
        return await self._database.read(sql.list_audit, limit)

    async def states(self) -> list[EdgeState]:
        """Edges as steering sees them."""
        self._looked_ns = None
        await self._look()
        return self._states("", 0)

    async def demand(self, seconds: float) -> dict[str, float]:
        """Bits per second by region of the sessions that were steered within some time."""
        return await self._database.read(sql.demand_by_region, self._now_ms() - int(1000 * seconds))

    async def set_prices(self, prices: Mapping[str, float]) -> None:
        """From now on these are added to the costs of edges."""
        await self._database.write(sql.set_prices, prices)

    async def order_fills(self, plans: Mapping[str, FillPlan]) -> None:
        """Tell edges what to hold; those that have such a plan already keep it."""
        known = await self._database.read(sql.list_fills)
        fresh = {name: plan for name, plan in plans.items() if known.get(name) != plan.id}
        rows = {name: msgspec.to_builtins(plan) for name, plan in fresh.items()}
        await self._database.write(sql.put_fills, rows, self._now_ms())
        await self._say([self._decision("fill", fill_input(name, one), one.id, "") for name, one in fresh.items()])

    async def close(self) -> None:
        """End the connections."""
        if self._http is not None:
            await self._http.aclose()

    def _audit(self, by: str, what: str) -> sql.Row:
        return {"id": new_id(self._clock), "at_ms": self._now_ms(), "by": by[:64], "what": what[:1000]}

    def _now_ms(self) -> int:
        return self._clock.wall_ns() // 1_000_000


class CdnSystem:
    """The control plane in a web process."""

    name = "cdn"

    def __init__(self, resources: Resources, *, events: EventsClient) -> None:
        self.service = ControlPlane(
            database=resources.database,
            clock=resources.clock,
            keys=resources.keys,
            settings=resources.source.section("cdn", CdnSettings),
            events=events,
        )
        self._following: asyncio.Task[None] | None = None

    def routes(self) -> Sequence[Any]:
        """The routes of the control plane."""
        from reelwright.cdn.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Edges come by themselves; those of before are known at once."""
        await self.service.list_edges()
        self._following = asyncio.create_task(self.service.follow())

    async def stop(self) -> None:
        """End the connections to edges."""
        if self._following:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        await self.service.close()

    async def health(self) -> Health:
        """Degraded while an edge may not be sent viewers."""
        ill = [edge for edge in await self.service.list_edges() if edge.state in ("down", "distrusted")]
        if not ill:
            return Health(system=self.name, state="ok")
        says = "; ".join(f"{edge.name} is {edge.state}: {edge.why}" for edge in ill[:5])
        do = "look at the edge's log; viewers are sent to the others; an edge that is gone for good can be forgotten"
        return Health(system=self.name, state="degraded", says=says, do=do)


def checked_purge(order: PurgeOrder) -> None:
    """Raise UnfitOrder unless exactly one of path, prefix and tag is given, and makes sense."""
    if sum(bool(one) for one in (order.path, order.prefix, order.tag)) != 1:
        raise UnfitOrder("name what to purge: one of path, prefix and tag")
    if any(one and not one.startswith("/") for one in (order.path, order.prefix)):
        raise UnfitOrder("a path and a prefix begin with /")
    if any(
        not " " <= character < "\x7f"
        for one in (order.path, order.prefix, order.tag, order.host)
        for character in one
    ):
        raise UnfitOrder("what to purge is written in printable ASCII, as in a URL")


def describe(order: PurgeOrder) -> str:
    """An order in words."""
    what = f"path {order.path}" if order.path else f"prefix {order.prefix}" if order.prefix else f"tag {order.tag}"
    return f"{what}{' of ' + order.host if order.host else ''}{', softly' if order.soft else ''}"


def view_of(row: sql.Row, state: str, why: str) -> EdgeView:
    """An edge's row as people see it."""
    told = row["told"]
    counts = {name: told[name] for name in ("connections", "requests", "hits", "sent_bytes", "fetched_bytes")}
    return EdgeView(
        name=row["name"],
        state=state,  # type: ignore[arg-type]
        why=why,
        regions=sorted(told["costs"]),
        fill=msgspec.convert(told["fill"], FillProgress),
        seen_ms=row["seen_ms"],
        drained=row["drained"],
        **{name: told[name] for name in ("url", "kind", "capacity_bps", "load_bps", "purged", "key")},
        **{name: told[name] for name in ("held_bytes", "budget_bytes")},
        **counts,
    )


def configured(viewing: Viewing) -> Steered:
    """While no edge is registered: the URLs of the settings, the first the nearest, by the same decision."""
    states = [
        EdgeState(name=url, url=url, capacity_bps=1e18, costs={"*": float(place)})
        for place, url in enumerate(viewing.otherwise)
    ]
    ranked = decide("*", states, bps=viewing.bps, folder=viewing.folder, order=viewing.order)
    return Steered(
        edges=[("", one.edge.url) for one in ranked], reasons=[(one.edge.name, one.says) for one in ranked]
    )


def steering_input(
    viewing: Viewing, region: str, ranked: Sequence[Candidate], prices: Mapping[str, float]
) -> dict[str, Any]:
    """What a session was steered by, the best edges first, as many as an event may carry."""
    said: dict[str, Any] = {
        "region": region, "bps": viewing.bps, "folder": viewing.folder, "order": viewing.order,
        "current": viewing.current, "nearest": nearest_of(ranked, viewing.order)[0], "prices": {}, "edges": [],
    }  # fmt: skip
    for one in ranked:
        state = msgspec.structs.replace(one.edge, url="", costs={region: one.edge.cost(region) or 0.0})
        edges, known = [*said["edges"], state], {**said["prices"], one.edge.name: prices.get(one.edge.name, 0.0)}
        more = {**said, "edges": edges, "prices": known}
        if len(msgspec.json.encode(more)) > INPUT_MOST:
            break
        said = more
    return said


def fill_input(edge: str, plan: FillPlan) -> dict[str, Any]:
    """What an edge's plan is, in numbers; the plan itself lies in the database."""
    size = sum(item.size for item in plan.items)
    told = {"edge": edge, "objects": len(plan.items), "bytes": size, "rate_bps": plan.rate_bps}
    return {**told, "window": plan.window, "peers": plan.peers}


def _rounded(state: EdgeState) -> float:
    step = state.capacity_bps / ROUNDED
    return round(state.load_bps / step) * step


def steered_of(ranked: Sequence[Candidate], region: str) -> Steered:
    """The order as players and people read it; never empty while there are edges."""
    usable = [one for one in ranked if not one.refused] or list(ranked[:1])
    return Steered(
        edges=[(one.edge.name, one.edge.url) for one in usable],
        reasons=[(one.edge.name, one.says) for one in ranked],
        region=region,
    )


def _share(row: sql.Row, folder: str, folder_bytes: int) -> float:
    """How much of a folder an edge holds."""
    if row["told"]["source"] or not folder:
        return 1.0
    held: int = row["inventory"].get(folder, 0)
    return min(1.0, held / folder_bytes) if folder_bytes else float(held > 0)


def kind_of(edge: str, access: Access, decision: sql.Row | None) -> str:
    """The class of an access; without a decision only whether it was held is known."""
    if decision is None:
        return "hit" if access.hit else "content"
    told = {name: decision[name] for name in ("chosen", "nearest", "why")}
    return classify_miss(served_by=edge, was_held=access.hit, **told)


def access_id(edge: str, boot: str, number: int, access: Access) -> EventId:
    """The same id each time an access is reported: reports may come twice."""
    said = (
        f"{edge}|{boot}|{number}|{access.at_ms}|{access.object}|{access.session}|{access.token}|{access.size}|"
        f"{access.status}"
    )
    return _id_of(said, access.at_ms)


def decided_id(edge: str, decided: Decided) -> EventId:
    """The same id each time a decision of an edge is reported."""
    return _id_of(f"{edge}|{decided.at_ms}|{decided.token}|{decided.chosen}", decided.at_ms)


def _id_of(said: str, at_ms: int) -> EventId:
    entropy = int.from_bytes(hashlib.blake2b(said.encode(), digest_size=10).digest(), "big")
    return EventId(new_id(VirtualClock(at_ms * 1_000_000), entropy=entropy))


def access_event(key: str, edge: str, access: Access, kind: str, decision: sql.Row | None) -> Event:
    """An access as an event of the lake, with its class and the decision whose signature it was asked for by."""
    data = {"edge": edge, "object": access.object[-200:], "status": access.status, "size_bytes": access.size}
    session_id = SessionId(access.session) if is_id(access.session) else None
    said = {**data, "cache": "hit" if access.hit else "miss", "kind": kind}
    if decision is not None and decision["decision_id"]:
        said["decision"] = decision["decision_id"]
    return Event(id=EventId(key), type="edge_access", at_ms=access.at_ms, session_id=session_id, data=said)


def sealed_keys(keys: KeyRing, known: str) -> str:
    """The key ring as it lies on disk, for an edge whose newest key is `known`; empty where that is the newest.

    Sealed with the edge's own key (AES-GCM), since reports may travel in the clear inside a network.
    """
    ring = keys.on_disk()
    if not known or known == ring.newest.name or all(key.name != known for key in ring.keys):
        return ""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    data = msgspec.json.encode(ring.keys)
    sealed = AESGCM(ring.derived(known, KEYS_FOR_EDGES)).encrypt(nonce, data, known.encode())
    return base64.b64encode(nonce + sealed).decode()
