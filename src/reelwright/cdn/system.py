"""The edge process: listens, serves, follows the key ring, stops in bounded time.

It needs less than other systems (no database, no web framework), so that it stays small.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from reelwright.cdn.adapters.access_log import AccessLog
from reelwright.cdn.adapters.agent import Agent
from reelwright.cdn.adapters.cache import DiskCache
from reelwright.cdn.adapters.files import FileTable
from reelwright.cdn.adapters.fill import Filler
from reelwright.cdn.adapters.manifests import EdgeManifests
from reelwright.cdn.adapters.places import Places
from reelwright.cdn.adapters.protocol import DRAIN_S, Connection, Service
from reelwright.cdn.adapters.told import EdgeSelf
from reelwright.cdn.adapters.upstream import HttpFetcher, ObjectFetcher
from reelwright.cdn.core.eviction import make_policy
from reelwright.cdn.core.steering import Prefixes
from reelwright.cdn.ports import ManifestMaker
from reelwright.cdn.service import CachingLibrary, Edge, LocalLibrary
from reelwright.cdn.settings import CdnSettings, read_regions
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.telemetry import gauge, logger

if TYPE_CHECKING:
    from reelwright.cdn.adapters.workers import Shared, Workers

CONNECTIONS = gauge("edge_connections", "Connections open at the edge.")
ACCESS_LOG = "access.jsonl"
MEMORY = "edge.json"
"""Beside the cache: what the control plane said last."""
FILLING = "filling"
log = logger(__name__)


def _nothing() -> None:
    pass


class EdgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an edge is started with."""

    host: str
    settings: CdnSettings
    keys_file: Path
    objects: ObjectStore
    cache_folder: Path
    origins: frozenset[str]
    """Web origins whose pages may read media with credentials."""
    certificate: str = ""
    key: str = ""
    name: str = "edge"
    """Unique among the edges of a service."""
    control: str = ""
    """URL of the service to report to; empty reports to nobody."""
    url: str = ""
    """Where viewers reach this edge; empty is its own host and port."""
    make_manifests: ManifestMaker | None = None
    """How packages become manifests; without it the edge serves objects alone."""
    set_up: Callable[[], None] = _nothing
    """Called first in each other process of this edge, as to configure its log."""


class EdgeServer:
    """An edge that listens."""

    def __init__(self, options: EdgeOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        keys = KeyRing.open(options.keys_file)
        self._keys = keys
        self._tasks: list[asyncio.Task[None]] = []
        self._shared = self._share(options)
        self.workers: Workers | None = None
        self._cache = self._open_cache(keys)
        files = FileTable(options.objects.root or Path(), clock.monotonic_ns)
        library = CachingLibrary(self._cache) if self._cache else LocalLibrary(files)
        access_log = AccessLog(options.cache_folder.with_name(ACCESS_LOG)) if options.settings.access_log else None
        self.edge = Edge(keys=keys, library=library, clock=clock, origins=options.origins, access_log=access_log)
        self.port = 0

    @staticmethod
    def _share(options: EdgeOptions) -> Shared | None:
        """What several processes need; None where there is one. Raises Invalid."""
        if options.settings.processes == 1:
            return None
        from reelwright.cdn.adapters.workers import Shared, require_alone

        if options.certificate:
            raise Invalid(
                "cdn.processes: an edge of several processes speaks no TLS, since a connection's keys cannot be "
                "handed over; set it to 1, or let nginx end TLS in front of it (reelwright cdn nginx --certificate)"
            )
        require_alone(options.host, options.settings.port)
        return Shared(caching=bool(options.settings.upstreams) or options.objects.root is None)

    def _open_cache(self, keys: KeyRing) -> DiskCache | None:
        options = self._options
        if options.settings.upstreams:
            self._fetcher: HttpFetcher | ObjectFetcher = HttpFetcher(
                options.settings.upstreams, keys=keys, clock=self._clock, spread=options.settings.spread
            )
        elif options.objects.root is None:
            self._fetcher = ObjectFetcher(options.objects)
        else:
            return None
        return DiskCache(
            options.cache_folder,
            policy=make_policy(options.settings.eviction, options.settings.cache_bytes),
            fetcher=self._fetcher,
            monotonic_ns=self._clock.monotonic_ns,
            budget_bytes=options.settings.cache_bytes,
            proved=self._shared.proved if self._shared else None,
        )

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        options = self._options
        service = self._service = Service(self.edge, options.settings)
        self._connections = service.connections
        context = None
        if options.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate, options.key)
        self._server = await loop.create_server(
            lambda: Connection(service),
            options.host,
            options.settings.port,
            ssl=context,
            backlog=1024,
            reuse_address=True,
            reuse_port=True if self._shared else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks = [asyncio.create_task(self._look_after())]
        scheme = "https" if options.certificate else "http"
        self._url = options.url.rstrip("/") or f"{scheme}://{options.host}:{self.port}"
        root = options.cache_folder if self._cache else options.objects.root or Path()
        if options.make_manifests is not None:
            self.edge.places = Places(root, options.make_manifests, self._clock.monotonic_ns)
            if self._cache:
                self._cache.place_of = self.edge.places.stream_of
            self.edge.manifests = EdgeManifests(
                name=options.name,
                url=self._url,
                make=options.make_manifests,
                regions=Prefixes(read_regions(options.settings.regions)),
                clock=self._clock,
            )
        if options.control:
            self._join()
        if self._shared is not None:
            self.workers = self._start_workers(self._shared, root)

    def _start_workers(self, shared: Shared, root: Path) -> Workers:
        from reelwright.cdn.adapters.worker import WorkerForm
        from reelwright.cdn.adapters.workers import Workers

        options = self._options
        form = WorkerForm(
            host=options.host,
            port=self.port,
            settings=options.settings,
            keys_file=options.keys_file,
            root=root,
            caching=self._cache is not None,
            origins=options.origins,
            make_manifests=options.make_manifests,
            reports=bool(options.control) or options.settings.access_log,
            control=bool(options.control),
            set_up=options.set_up,
        )
        workers = Workers(self._service, self._cache, shared)
        workers.start(form, options.settings.processes - 1)
        return workers

    def _open_connections(self) -> int:
        """At all processes."""
        return len(self._connections) + (self.workers.connections if self.workers else 0)

    def _changed(self) -> None:
        if self.workers is not None:
            self.workers.doubt()

    def _join(self) -> None:
        """Report to the control plane, and fill by its plans."""
        options, beside = self._options, self._options.cache_folder
        self.filler: Filler | None = None
        if self._cache is not None:
            peers = HttpFetcher((), keys=self._keys, clock=self._clock)
            folder = beside.with_name(FILLING)
            self.filler = Filler(self._cache, self._fetcher, peers=peers, folder=folder, clock=self._clock)
            self._tasks.append(asyncio.create_task(self.filler.run()))
        self.told = EdgeSelf(
            self.edge,
            self._cache,
            url=self._url,
            settings=options.settings,
            clock=self._clock,
            connections=self._open_connections,
            filler=self.filler,
            changed=self._changed,
        )
        self.edge.purge = self.told.ordered
        self.agent = Agent(
            options.name,
            options.control,
            keys=self._keys,
            clock=self._clock,
            told=self.told,
            memory=beside.with_name(MEMORY),
        )
        self._tasks.append(asyncio.create_task(self.agent.run()))

    async def stop(self) -> None:
        """Take no more, let answers in progress end for a while, then close."""
        self._server.close()
        ending = [asyncio.create_task(self.workers.stop())] if self.workers else []
        await self._service.drain(DRAIN_S, lambda: not all(task.done() for task in ending))
        self._tasks += ending
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.edge.flush()
        if self._cache:
            await self._cache.close()

    async def _look_after(self) -> None:
        """Once a second: drop the slow and the idle, count, follow the key ring."""
        while True:
            await asyncio.sleep(1)
            self._service.tidy()
            CONNECTIONS.set(self._open_connections())
            self.edge.flush()
            self._follow_keys()

    def _follow_keys(self) -> None:
        try:
            if self.edge.keys.refresh():
                self.edge.forget_tokens()
                self._changed()
                log.info("key ring read again", newest=self.edge.keys.newest.name)
        except Invalid as error:
            log.error("the key ring cannot be read; the old one stays", problem=str(error))


async def run_edge(options: EdgeOptions, clock: Clock, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    server = EdgeServer(options, clock)
    await server.start()
    log.info("edge listens", host=options.host, port=server.port)
    await stopping.wait()
    await server.stop()
