"""How limits are wired."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litestar.types import ASGIApp

from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.system import Health, Resources
from reelwright.kernel.telemetry import counter, logger
from reelwright.limits.adapters.cpu import follow_cpu
from reelwright.limits.adapters.guarded import GuardedStore
from reelwright.limits.adapters.history import History
from reelwright.limits.adapters.memory import MemoryStore
from reelwright.limits.adapters.sample import Sample
from reelwright.limits.adapters.sqlite import SqliteStore
from reelwright.limits.contract import BadRules
from reelwright.limits.core.adaptive import Gradient
from reelwright.limits.core.descriptors import Node, Rules, pair_of
from reelwright.limits.core.fair import FairQueue
from reelwright.limits.core.grammar import parse_limits
from reelwright.limits.core.rules import Domain
from reelwright.limits.core.shedding import Gate
from reelwright.limits.ports import Store, Tell
from reelwright.limits.service import Limits
from reelwright.limits.settings import LimitsSettings

LOG = logger(__name__)
LOADED = counter(
    "limits_load_total", "Requests that load shedding let in or turned away, by kind.", ("kind", "verdict")
)
PATIENCE_S = 2.0
"""How long a request waits for its turn: people would rather wait than be turned away at once."""
PATIENCE_NS = round(PATIENCE_S * 1e9)
BEGIN_INFLIGHT = 64
LOOK_S = 1.0
"""How often a rule file is looked at."""


class LimitsSystem:
    """Limits in a process."""

    name = "limits"

    def __init__(self, resources: Resources, *, tell: Tell | None = None) -> None:
        """`tell` takes the sample of decisions; without it none is kept."""
        self._settings = resources.source.section("limits", LimitsSettings)
        self._store = open_store(self._settings, resources.clock)
        self.service = Limits(store=self._store, domains=doors(self._settings))
        self._file = RuleFile([Path(self._settings.rules)], self.service) if self._settings.rules else None
        if self._file:
            self._file.load()
        self._tasks: list[asyncio.Task[None]] = []
        self._clock = resources.clock
        self.history: History | None = None
        if self._settings.history_hours:
            self.history = History(resources.database, clock=resources.clock, hours=self._settings.history_hours)
            self.service.note = self.history.note
        self.sample = Sample(tell, every=self._settings.decisions) if tell and self._settings.decisions else None
        if self.sample is not None:
            self.service.keep_sample(self.sample)
        self.gate = gate_of(self._settings) if self._settings.shed else None
        """What load shedding goes by; None where it is off."""

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """`app` behind the limits, and behind those, load shedding: what limits refuse takes nobody's place."""
        from reelwright.limits.api import BROWSING, KINDS, LimitsMiddleware, SheddingMiddleware, rank_of, weight_of

        def told(priority: int, admitted: bool) -> None:
            verdict = "allowed" if admitted else "shed"
            LOADED.labels(KINDS[priority], verdict).inc()
            if self.history is not None:
                self.history.note_load(KINDS[priority], verdict)

        if self.gate is not None:
            app = SheddingMiddleware(
                app,
                rank=rank_of,
                gate=self.gate,
                clock=self._clock,
                raises=True,
                wait_s=PATIENCE_S,
                told=told,
                measured_most=BROWSING,
            )
        return LimitsMiddleware(app, limits=self.service, raises=True, failures=("sign_in",), weigh=weight_of)

    def routes(self) -> Sequence[Any]:
        """What limits did."""
        from reelwright.limits.api import ROUTES

        return ROUTES

    async def start(self) -> None:
        """Look after the rule file, the CPU and the history; make the tables of a PostgreSQL store."""
        await install_store(self._settings)
        if self._file:
            self._tasks.append(asyncio.create_task(self._file.watch()))
        if self.gate is not None:
            self._tasks.append(asyncio.create_task(follow_cpu(self.gate)))
        if self.history is not None:
            await self.history.start()
        if self.sample is not None:
            await self.sample.start()

    async def stop(self) -> None:
        """End what `start` began."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.sample is not None:
            await self.sample.stop()
        if self.history is not None:
            await self.history.stop()
        await self.service.store.close()

    async def health(self) -> Health:
        """Degraded while a changed rule file cannot be read; then the rules before it are in force."""
        wrong = self._file.wrong if self._file else ""
        if wrong:
            return Health(system=self.name, state="degraded", says=wrong, do="Correct the file; it is read again.")
        if isinstance(self._store, GuardedStore) and not self._store.available:
            says = f"the shared store does not answer; each of {self._store.nodes} nodes keeps to its share"
            return Health(
                system=self.name, state="degraded", says=says, do="Look after the store; it is tried again."
            )
        return Health(system=self.name, state="ok")


def gate_of(settings: LimitsSettings) -> Gate:
    """The gate of our own routes. Raises Invalid for bounds that exclude each other."""
    least, most = settings.inflight_least, settings.inflight_most
    if least > most:
        raise Invalid(f"limits.inflight_least is at most inflight_most ({most}), got {least}")
    queue = FairQueue(priorities=3, target_ns=PATIENCE_NS // 4, interval_ns=PATIENCE_NS)
    limit = Gradient(estimate=float(min(most, max(least, BEGIN_INFLIGHT))), least=least, most=most)
    return Gate(limit=limit, priorities=3, queue=queue, cpu_inflight_least=least)


def open_store(settings: LimitsSettings, clock: Clock) -> Store:
    """The store of a URL; a shared one is guarded against its own outages. Raises Invalid, MissingExtra."""
    scheme, _, rest = settings.store.partition("://")
    if settings.lease_ms and scheme not in ("redis", "rediss", "unix"):
        raise Invalid(f"limits.lease_ms needs a store that grants leases: redis://, got {scheme}://…")
    match scheme:
        case "memory":
            return MemoryStore(clock=clock, keys_most=settings.keys)
        case "sqlite":
            return GuardedStore(SqliteStore(rest.removeprefix("/"), clock=clock), nodes=settings.nodes, clock=clock)
        case "postgresql":
            from reelwright.limits.adapters.postgres import PostgresStore

            return GuardedStore(PostgresStore(settings.store, clock=clock), nodes=settings.nodes, clock=clock)
        case "redis" | "rediss" | "unix":
            return GuardedStore(_redis(settings, clock), nodes=settings.nodes, clock=clock)
        case "redis+cluster":
            from reelwright.limits.adapters.cluster import RedisClusterStore

            urls = [f"redis://{node}" for node in rest.split(",")]
            return GuardedStore(RedisClusterStore(urls, clock=clock), nodes=settings.nodes, clock=clock)
    raise Invalid(f"limits.store is memory://, sqlite://, postgresql:// or redis://, got {scheme}://…")


def _redis(settings: LimitsSettings, clock: Clock) -> Store:
    from reelwright.limits.adapters.redis import RedisStore

    store = RedisStore(settings.store, clock=clock)
    if not settings.lease_ms:
        return store
    from reelwright.limits.adapters.leased import LeasedStore

    return LeasedStore(store, hold_s=settings.lease_ms / 1000, clock=clock)


async def install_store(settings: LimitsSettings) -> None:
    """Make the tables that a PostgreSQL store needs."""
    if settings.store.startswith("postgresql://"):
        from reelwright.limits.adapters.postgres import install

        await install(settings.store)


class RuleFile:
    """Files of rules that are read again when one changes; one that cannot be read changes nothing."""

    def __init__(self, paths: Sequence[Path], limits: Limits, *, merge_domains: bool = False) -> None:
        self._paths = list(paths)
        self._limits = limits
        self._merge_domains = merge_domains
        self._seen: list[tuple[int, int]] | None = None
        self.wrong = ""
        """Why the newest version is not in force: file, line and reason."""

    def load(self) -> None:
        """Read it now. Raises BadRules."""
        texts = []
        for path in self._paths:
            try:
                texts.append((str(path), path.read_text("utf-8")))
            except (OSError, UnicodeDecodeError) as error:
                raise BadRules(str(path), 0, f"cannot be read: {error}") from error
        self._limits.load(texts, merge_domains=self._merge_domains)
        self._seen, self.wrong = self._stamp(), ""

    def look(self) -> None:
        """Read it if it has changed; what is wrong with it is kept in `wrong` and logged once."""
        try:
            if self._stamp() == self._seen:
                return
            self.load()
            LOG.info("rules_read", files=[str(path) for path in self._paths])
        except (OSError, BadRules) as error:
            if self.wrong != str(error):
                LOG.error("rules_refused", reason=str(error))
            self.wrong = str(error)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def _stamp(self) -> list[tuple[int, int]]:
        stats = [path.stat() for path in self._paths]
        return [(stat.st_mtime_ns, stat.st_size) for stat in stats]


def doors(settings: LimitsSettings) -> dict[str, Domain]:
    """The limits of our own doors as rules: at (door, caller)."""
    texts = {"sign_in": settings.sign_in, "api": settings.api, "events": settings.events, "pages": settings.pages}
    children = {
        pair_of("door", name): Node(
            key="door",
            value=name,
            children={pair_of("caller", ""): Node(key="caller", rules=Rules(limits=parse_limits(text, name)))},
        )
        for name, text in texts.items()
    }
    return {"reelwright": Domain(name="reelwright", root=Node(children=children), hierarchy=("door", "caller"))}
