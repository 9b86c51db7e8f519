"""The owner's side of an edge's workers: starts them, starts again who dies, answers what they hand over."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import multiprocessing
import platform
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from reelwright.cdn.adapters.cache import DiskCache
from reelwright.cdn.adapters.link import Back, Link, Message, Over, Report, Stop, copy_of, pair
from reelwright.cdn.adapters.protocol import Connection, Service
from reelwright.cdn.adapters.worker import WorkerForm, run_worker, words_of
from reelwright.cdn.core.held import NUMBERS, PLACES, HeldTable
from reelwright.cdn.service import Answer, Request
from reelwright.kernel.errors import Invalid
from reelwright.kernel.telemetry import counter, logger

HANDED = counter("edge_handed_over_total", "Connections that workers of an edge handed to the owner of its cache.")
DEATHS = counter("edge_worker_deaths_total", "Workers of an edge that ended by themselves and were started again.")

OBJECTS = 1 << 20
"""Places in the table of what is held: 8 MB. A cache of more objects answers the rest from the owner alone."""
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
STEADY_S = 30.0
HUNG_S = 20
"""Seconds of silence after which a worker that has listened is killed: it says something each second."""
_spawn = multiprocessing.get_context("spawn")
log = logger(__name__)


class Shared:
    """Memory that the processes of an edge share: what is held and proved."""

    def __init__(self, *, caching: bool) -> None:
        self.words: Any = _spawn.RawArray(ctypes.c_uint64, NUMBERS + (OBJECTS if caching else PLACES))
        self.held = HeldTable(words_of(self.words))
        self.proved = _Published(self.held)


class _Published(set[str]):
    """The names that were proved, as workers see them too."""

    def __init__(self, held: HeldTable) -> None:
        super().__init__()
        self._held = held

    def add(self, name: str) -> None:
        """Also for the workers."""
        super().add(name)
        self._held.add(name)

    def discard(self, name: object) -> None:
        """Also for the workers."""
        super().discard(str(name))
        self._held.discard(str(name))


class Lent(Connection):
    """A connection that a worker handed over: it goes back when all that was asked is answered."""

    __slots__ = ("_home",)

    def __init__(self, service: Service, home: Link) -> None:
        super().__init__(service)
        self._home = home
        self._answer = Answer(b"", 0)  # until it is told, what comes waits in line

    def take(self, line: list[tuple[Request, bool]], *, last: bool) -> None:
        """Answer what the worker has read, then what has come since."""
        if self._closing:
            return
        self._queue = deque([*line, *(self._queue or ())])
        self._keep = self._keep and not last
        self._answer = None
        self._next()

    def _rest(self) -> None:
        transport = self._transport
        waits = self._reading is not None or transport.get_write_buffer_size()
        if not self._keep or waits or transport.is_closing() or not self._home.free:
            super()._rest()
            return
        transport.pause_reading()
        self._home.send(Back(), copy_of(transport))
        transport.abort()


class _Worker:
    """One of them, from its start to its end."""

    def __init__(self, form: WorkerForm, shared: Shared, received: Callable[[_Worker, Message, Any], None]) -> None:
        own, theirs = pair()
        self.connections = 0
        self.listens = False
        self.silent_s = 0
        """Seconds of the owner's since it was heard; while the owner itself stands still, none pass."""
        self.ended = asyncio.Event()
        self.link = Link(own, partial(received, self), self.ended.set)
        self.process = _spawn.Process(target=run_worker, args=(form, theirs, shared.words), daemon=True)
        try:
            self.process.start()
        finally:
            theirs.close()

    def end(self) -> int | None:
        """Have it be no more; its exit code."""
        self.link.close()
        self.process.kill()
        self.process.join()
        return self.process.exitcode


class Workers:
    """Those of one edge."""

    def __init__(self, service: Service, cache: DiskCache | None, shared: Shared) -> None:
        self._service = service
        self._cache = cache
        self._shared = shared
        self._now: set[_Worker] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._coming: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    @property
    def connections(self) -> int:
        """Open at workers, as last reported."""
        return sum(one.connections for one in self._now)

    @property
    def pids(self) -> list[int]:
        """Of those that listen."""
        return [one.process.pid or 0 for one in self._now if one.listens]

    def start(self, form: WorkerForm, count: int) -> None:
        """Keep so many running."""
        self._keepers = [asyncio.create_task(self._keep(form)) for _ in range(count)]

    def doubt(self) -> None:
        """Have workers forget what they learnt from keys and packages, before their next answer."""
        self._shared.held.doubt()

    async def stop(self) -> None:
        """Have them end what is under way; who has not when this is cancelled is killed."""
        self._stopping.set()
        for one in self._now:
            one.link.send(Stop())
        try:
            await asyncio.wait(self._keepers)
        finally:
            for one in self._now:
                one.end()

    async def _keep(self, form: WorkerForm) -> None:
        wait_s = 0.0
        loop = self._service.loop
        while not self._stopping.is_set():
            begun_s = loop.time()
            try:
                why = await self._run(form)
            except OSError as error:  # no process is to be had
                why = str(error)
            steady = loop.time() - begun_s > STEADY_S
            wait_s = FIRST_WAIT_S if steady else min(LONGEST_WAIT_S, max(FIRST_WAIT_S, 2 * wait_s))
            if not self._stopping.is_set():
                DEATHS.inc()
                log.error("a worker of the edge has ended", why=why, restart_in_s=wait_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _run(self, form: WorkerForm) -> str:
        """One worker from start to end; how it ended."""
        worker = _Worker(form, self._shared, self._received)
        self._now.add(worker)
        while not worker.ended.is_set() and worker.silent_s < HUNG_S:
            worker.silent_s += worker.listens
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.ended.wait(), 1)
        hung = "" if worker.ended.is_set() else f", silent for {HUNG_S} s"
        await asyncio.sleep(0.01)  # its exit follows the end of the link
        self._now.discard(worker)
        return f"process {worker.process.pid} ended with {worker.end()}{hung}"

    def _received(self, worker: _Worker, message: Message, connection: socket.socket | None) -> None:
        if isinstance(message, Report):
            self._note(worker, message)
        elif isinstance(message, Over) and connection is not None:
            HANDED.inc()
            task = self._service.loop.create_task(self._take(worker, message, connection))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _take(self, worker: _Worker, message: Over, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client is gone
            _, lent = await self._service.loop.connect_accepted_socket(
                lambda: Lent(self._service, worker.link), connection
            )
            lent.take(message.line, last=self._stopping.is_set())

    def _note(self, worker: _Worker, report: Report) -> None:
        """Count what a worker did, and tell the cache's policy."""
        worker.listens, worker.silent_s = True, 0
        worker.connections = report.connections
        self._service.edge.add(report.tally)
        if self._cache is None:
            return
        for name, size, session in report.used:
            if self._cache.holds(name):
                self._cache.used(name, size, session)
        for name in report.wanted:
            self._cache.prefetch(name)


def require_alone(host: str, port: int) -> None:
    """Raise where another program listens, with which the port would be shared unawares."""
    if platform.system() != "Linux":
        raise Invalid("cdn.processes: several processes of an edge share a port on Linux only; set it to 1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Invalid(f"cdn.port: another program listens on {host}:{port}") from error
            raise
