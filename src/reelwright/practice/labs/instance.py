"""A small service to break: production's limiter and cache policy, nodes and an origin, on a clock of its own.

It is made for one incident and thrown away. Whoever is on call sees it only through `look` and changes it only
through `do`; both take time, in which its viewers go on.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any, Literal

import msgspec

from reelwright.cdn.core.eviction import S3FifoPolicy
from reelwright.limits.contract import Limit
from reelwright.limits.core.algorithms import compiled
from reelwright.limits.core.step import Rule

Fault = Literal["hot client", "bad limit", "stampede", "slow release", "failing node"]
S = 10**9
BEGINS_S, CALLED_S, LOOK_S, ACT_S, SEEN_S = 70, 105, 5, 10, 30
NODES, NODE_WORK_MS = ("a", "b", "c"), 200.0
CLIENTS, OBJECTS, RATE = 40, 300, 40
FETCH_S, ORIGIN_A_S = 2, 11
PARTNERS = 5
"""The first clients are partners, whose limit is high."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a release may change."""

    viewer_limit: float = 20.0
    """Requests a second of one client."""
    partner_limit: float = 2000.0
    work_ms: float = 5.0
    coalesce: bool = True
    fresh_s: int = 60
    """How long an answer may be kept."""
    log_level: str = "info"


BREAKING: Mapping[Fault, Mapping[str, Any]] = {
    "bad limit": {"viewer_limit": 0.2}, "slow release": {"work_ms": 24.0},
    "stampede": {"coalesce": False, "fresh_s": 3},
}  # fmt: skip
"""What the guilty release changed."""


class Release(msgspec.Struct, frozen=True):
    """A version and when it came."""

    version: int
    at_s: int
    by: str
    config: Config


@functools.lru_cache(maxsize=64)
def _bucket(a_second: float) -> Rule:
    limit = Limit(
        name="client", count=max(1, round(a_second * 100)), period_ns=100 * S, burst=max(1, round(2 * a_second))
    )
    return compiled(limit)


class Second(msgspec.Struct, kw_only=True):
    """What became of one second's requests."""

    requests: int = 0
    ok: int = 0
    refused: int = 0
    failed: int = 0
    hits: int = 0
    fetches: int = 0
    work_ms: float = 0.0
    clients: Counter[str] = msgspec.field(default_factory=Counter)
    harmed: Counter[str] = msgspec.field(default_factory=Counter)
    """Requests by client that did not get their answer."""
    nodes: Counter[str] = msgspec.field(default_factory=Counter)
    node_failed: Counter[str] = msgspec.field(default_factory=Counter)


class Instance:
    """One instance with one fault."""

    def __init__(self, chance: Random, fault: Fault) -> None:
        self.fault: Fault = fault
        self.now_s = 0
        self.seconds: list[Second] = []
        self.drained: set[str] = set()
        self.client_limits: dict[str, float] = {}
        self._chance = chance
        self._cache = S3FifoPolicy(OBJECTS // 2)
        self._until: dict[str, int] = {}
        self._coming: dict[str, int] = {}
        self._states: dict[str, Any] = {}
        self._planned = self._plan_releases()
        self.releases = [self._planned.pop(0)]
        self.config = self.releases[0].config
        self.culprit = self._choose_culprit()
        self.advance(CALLED_S)

    def _plan_releases(self) -> list[Release]:
        """A harmless one, the one that breaks where a release does, and another harmless one after it."""
        chance, base = self._chance, Config()
        broken = BREAKING.get(self.fault, {})
        names = chance.sample(["ana", "bo", "chi", "dee", "eli"], 3)
        second = msgspec.structs.replace(base, log_level="debug")
        third = msgspec.structs.replace(second, **broken) if broken else base
        fourth = msgspec.structs.replace(third, log_level="warning")
        return [
            Release(1, 0, "setup", base), Release(2, chance.randint(10, 35), names[0], second),
            Release(3, BEGINS_S, names[1], third), Release(4, chance.randint(78, 95), names[2], fourth),
        ]  # fmt: skip

    def _choose_culprit(self) -> str:
        if self.fault == "hot client":
            return f"client {self._chance.randrange(PARTNERS)}"
        return self._chance.choice(NODES) if self.fault == "failing node" else "release 3"

    # --- what whoever is on call does ------------------------------------------------------------------------

    def look(self, what: str) -> Any:
        """Figures of the last half minute, `before` of one without the fault; takes five seconds."""
        self.advance(LOOK_S)
        views = {
            "health": lambda: self._health(self.seconds[-SEEN_S:]),
            "before": lambda: self._health(self.seconds[BEGINS_S - SEEN_S : BEGINS_S]),
            "clients": self._clients, "nodes": self._nodes, "releases": self._releases,
        }  # fmt: skip
        if what not in views:
            return {"error": f"one can look at {', '.join(views)}"}
        return views[what]()

    def do(self, what: str, *arguments: Any) -> Any:
        """Roll back, limit a client, drain a node or wait; takes ten seconds."""
        self.advance(ACT_S)
        try:
            return {"done": self._do(what, *arguments)}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            return {"error": f"{what} {arguments!r:.80} cannot be done: {error}"}

    def _do(self, what: str, *arguments: Any) -> str:
        if what == "roll back to":
            (version,) = arguments
            self.config = {one.version: one.config for one in self.releases}[version]
        elif what == "limit client":
            client, a_second = arguments
            if client not in {f"client {number}" for number in range(CLIENTS)} or not 0 <= float(a_second) <= 1e6:
                raise ValueError("no such client or limit")
            self.client_limits[client] = float(a_second)
        elif what == "drain node":
            (node,) = arguments
            if node not in NODES:
                raise ValueError("no such node")
            self.drained.add(node)
        elif what != "wait":
            raise ValueError("one can roll back to, limit client, drain node, wait")
        return what

    # --- what happens ------------------------------------------------------------------------------------------

    def advance(self, seconds: int) -> None:
        """Let its viewers go on."""
        for _ in range(seconds):
            while self._planned and self._planned[0].at_s <= self.now_s:
                self.releases.append(self._planned.pop(0))
                self.config = self.releases[-1].config
            self.seconds.append(self._second())
            self.now_s += 1

    def _second(self) -> Second:
        told = Second()
        room = {node: NODE_WORK_MS for node in NODES if node not in self.drained}
        for key in [key for key, at in self._coming.items() if at <= self.now_s]:
            self._arrive(key)
        arrivals = [f"client {min(CLIENTS - 1, int(CLIENTS * self._chance.random() ** 1.3))}" for _ in range(RATE)]
        if self.fault == "hot client" and self.now_s >= BEGINS_S:
            arrivals += [self.culprit] * 160
            self._chance.shuffle(arrivals)
        for number, client in enumerate(arrivals):
            told.requests += 1
            told.clients[client] += 1
            answered = self._admit(client, number, told) and self._serve(room, told)
            told.ok += answered
            told.harmed[client] += not answered
        return told

    def _admit(self, client: str, number: int, told: Second) -> bool:
        """Production's token bucket, by client."""
        partner = int(client.split()[1]) < PARTNERS
        a_second = self.config.partner_limit if partner else self.config.viewer_limit
        a_second = min(a_second, self.client_limits.get(client, a_second))
        rule = _bucket(a_second)
        key = f"{client} {a_second}"
        now_ns = self.now_s * S + number * S // 1000
        self._states[key], allowed, *_ = rule.step(self._states.get(key, rule.empty), now_ns, 1)
        told.refused += not allowed
        return bool(allowed)

    def _serve(self, room: dict[str, float], told: Second) -> bool:
        """A node with room, then the cache, then the origin."""
        node = [*room][told.requests % len(room)] if room else ""
        told.nodes[node] += 1
        if not node or room[node] < self.config.work_ms:
            told.failed += 1
            told.node_failed[node] += 1
            return False
        room[node] -= self.config.work_ms
        told.work_ms += self.config.work_ms
        broken = self.fault == "failing node" and node == self.culprit and self.now_s >= BEGINS_S
        if broken and self._chance.random() < 0.7:
            told.failed += 1
            told.node_failed[node] += 1
            return False
        return self._look_up(told)

    def _look_up(self, told: Second) -> bool:
        key = f"object {min(OBJECTS - 1, int(OBJECTS * self._chance.random() ** 5))}"
        if key in self._cache and self._until[key] > self.now_s:
            told.hits += 1
            self._cache.use(key)
            return True
        if self.config.coalesce and key in self._coming:
            return True
        if told.fetches >= ORIGIN_A_S:
            told.failed += 1
            if not self.config.coalesce:
                self._coming.pop(key, None)  # the origin drops under its load what it had begun
            return False
        told.fetches += 1
        self._coming[key] = self.now_s + FETCH_S
        return True

    def _arrive(self, key: str) -> None:
        del self._coming[key]
        self._until[key] = self.now_s + self.config.fresh_s
        self._cache.put(key, 1)

    # --- what is seen ------------------------------------------------------------------------------------------

    def _health(self, seconds: list[Second]) -> dict[str, float]:
        requests = sum(one.requests for one in seconds)
        nodes = len(NODES) - len(self.drained)
        return {
            "requests_a_s": requests / len(seconds),
            "ok_share": sum(one.ok for one in seconds) / requests,
            "refused_share": sum(one.refused for one in seconds) / requests,
            "failed_share": sum(one.failed for one in seconds) / requests,
            "hit_share": sum(one.hits for one in seconds) / requests,
            "origin_fetches_a_s": sum(one.fetches for one in seconds) / len(seconds),
            "busy_share": sum(one.work_ms for one in seconds) / max(1, nodes) / len(seconds) / NODE_WORK_MS,
        }

    def _clients(self) -> list[dict[str, Any]]:
        seen, harmed = Counter[str](), Counter[str]()
        for one in self.seconds[-SEEN_S:]:
            seen.update(one.clients)
            harmed.update(one.harmed)
        return [
            {"client": name, "requests_a_s": count / SEEN_S, "harmed_share": harmed[name] / count}
            for name, count in seen.most_common(8)
        ]

    def _nodes(self) -> list[dict[str, Any]]:
        seen, failed = Counter[str](), Counter[str]()
        for one in self.seconds[-SEEN_S:]:
            seen.update(one.nodes)
            failed.update(one.node_failed)
        return [
            {"node": node, "requests_a_s": seen[node] / SEEN_S, "failed_share": failed[node] / max(1, seen[node])}
            for node in NODES
        ]

    def _releases(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        before: Mapping[str, Any] = {}
        for one in self.releases:
            fields = msgspec.structs.asdict(one.config)
            changes = {key: value for key, value in fields.items() if before.get(key) != value}
            told.append({"version": one.version, "seconds_ago": self.now_s - one.at_s, "by": one.by,
                         "changes": changes})  # fmt: skip
            before = fields
        return told
