"""A worker of an edge: answers on the edge's port what the owner holds and has proved, by the edge's own code.

Whatever it cannot answer so it hands to the owner with the connection, and gets the connection back when that is
answered. What was asked here the owner counts: a worker tells it ten times a second, and keeps nothing of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, MutableSequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from reelwright.cdn.adapters.cache import Fill
from reelwright.cdn.adapters.files import FileTable, OpenFile
from reelwright.cdn.adapters.link import Back, Link, Message, Over, Report, Stop, copy_of
from reelwright.cdn.adapters.places import Places
from reelwright.cdn.adapters.protocol import DRAIN_S, Connection, Service
from reelwright.cdn.core.held import HeldTable
from reelwright.cdn.ports import ManifestMaker
from reelwright.cdn.service import HIT, MADE, UNREPORTED_MOST, Answer, Asker, Edge, Request, Waiting
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.clock import Clock, SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.telemetry import logger

REPORT_S = 0.1
A_REPORT_MOST = 500
log = logger(__name__)


class WorkerForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with."""

    host: str
    port: int
    settings: CdnSettings
    keys_file: Path
    root: Path
    """Where the objects lie."""
    caching: bool
    """Whether they are a cache, of which only what the owner has proved is answered from here."""
    origins: frozenset[str]
    make_manifests: ManifestMaker | None
    reports: bool
    """Whether anybody wants each access."""
    control: bool
    """Whether the owner takes orders."""
    set_up: Callable[[], None]
    """Called first, in the worker."""


class Elsewhere(Exception):
    """It is for the owner to answer."""


class HeldFiles(FileTable):
    """Open files of those that the owner holds; what has left its table is let go, also where it came back."""

    def __init__(self, root: Path, monotonic_ns: Callable[[], int], held: HeldTable) -> None:
        super().__init__(root, monotonic_ns)
        self._held = held
        self._words: dict[str, int] = {}
        """Under which each was opened."""

    def open(self, name: str) -> OpenFile | None:
        """The object's file, if the owner has it."""
        word = self._words.get(name) or self._held.find(name)
        found = super().open(name) if word else None
        if found is None or name in self._words:  # it was open, and is held since we have caught up
            return found
        if self._held.find(name) != word:  # gone between look and opening, and perhaps back
            self.forget(name)
            return None
        self._words[name] = word
        return found

    def forget(self, name: str) -> None:
        """Let go of a file."""
        self._words.pop(name, None)
        super().forget(name)

    def catch_up(self) -> None:
        """Let go of all that the owner holds no more."""
        for name, word in tuple(self._words.items()):
            if self._held.find(name) != word:
                self.forget(name)


class WorkerLibrary:
    """What lies open to a worker. All methods that find nothing raise Elsewhere."""

    def __init__(self, files: FileTable, *, caching: bool) -> None:
        self._files = files
        self.follows = caching
        self.used_now: deque[tuple[str, int, str]] = deque(maxlen=UNREPORTED_MOST)
        self.wanted_now: deque[str] = deque(maxlen=UNREPORTED_MOST)

    def find(self, name: str, session: str = "") -> OpenFile | Fill | None:
        """The file."""
        found = None if name.endswith(MADE) else self._files.open(name)
        if found is None:
            raise Elsewhere
        self.used(name, found.size, session)
        return found

    def holds(self, name: str) -> bool:
        """Whether it is there."""
        if self._files.open(name) is None:
            raise Elsewhere
        return True

    def touch(self, name: str) -> None:
        """Note a use by another program."""
        self.find(name)

    def used(self, name: str, size: int, session: str) -> None:
        """Note a use for the owner's policy."""
        if self.follows:
            self.used_now.append((name, size, session))

    def prefetch(self, name: str) -> None:
        """Have the owner fetch what is wanted next."""
        if self.follows and self._files.open(name) is None:
            self.wanted_now.append(name)

    def says(self, _found: OpenFile | Fill) -> str:
        """Cache-Status (RFC 9211)."""
        return HIT if self.follows else ""


class WorkerEdge(Edge):
    """The edge's decisions, each after a look at what the owner took back meanwhile."""

    def __init__(self, form: WorkerForm, held: HeldTable, clock: Clock) -> None:
        self._held = held
        self._removed, self._doubted = held.removed, held.doubted
        self._files = HeldFiles(form.root, clock.monotonic_ns, held) if form.caching else None
        self.found = WorkerLibrary(self._files or FileTable(form.root, clock.monotonic_ns), caching=form.caching)
        super().__init__(keys=KeyRing.open(form.keys_file), library=self.found, clock=clock, origins=form.origins)
        self.reports = form.reports
        self.purge = _elsewhere if form.control else None
        if form.make_manifests is not None:
            self.places = Places(form.root, form.make_manifests, clock.monotonic_ns)

    def again(self, line: bytes, asker: Asker) -> bytes | None:
        """As the edge does."""
        if self._held.removed != self._removed:
            self.catch_up()
        return super().again(line, asker)

    def answer(self, request: Request) -> Answer | Waiting:
        """As the edge does. Raises Elsewhere."""
        if self._held.removed != self._removed:
            self.catch_up()
        return super().answer(request)

    def catch_up(self) -> None:
        """Forget what the owner has forgotten."""
        self._removed = self._held.removed
        if self._files is not None:
            self._files.catch_up()
        if self._held.doubted != self._doubted:
            self._doubted = self._held.doubted
            if self.places is not None:
                self.places.forget(lambda _: True)
            self.follow_keys()

    def follow_keys(self) -> None:
        """Verify by the ring as it is on the disk."""
        try:
            if self.keys.refresh():
                self.forget_tokens()
        except Invalid as error:
            log.error("the key ring cannot be read; the old one stays", problem=str(error))


def _elsewhere(_target: str, _request: Request) -> NoReturn:
    raise Elsewhere


class WorkerService(Service):
    """What a worker's connections share."""

    def __init__(self, edge: WorkerEdge, settings: CdnSettings, link: Link) -> None:
        super().__init__(edge, settings)
        self.link = link


class WorkerConnection(Connection):
    """A connection that goes to the owner with what a worker cannot answer."""

    __slots__ = ("_moving",)
    _service: WorkerService

    def __init__(self, service: WorkerService) -> None:
        super().__init__(service)
        self._moving: Request | None = None

    def _answer_one(self, request: Request) -> None:
        try:
            super()._answer_one(request)
        except Elsewhere:
            self._answer, self._moving = Answer(b"", 0), request  # in line: nothing else is answered meanwhile
            self._transport.set_write_buffer_limits(0)  # says when all has left
            self._move()

    def _whole(self, data: bytes | None) -> None:
        super()._whole(data)
        self._move()

    def resume_writing(self) -> None:
        """What waited has left."""
        super().resume_writing()
        self._move()

    def eof_received(self) -> bool:
        """The client sends no more; what it asked for is still answered."""
        waits = super().eof_received()
        if self._moving is not None:
            self._reading = None
            self._move()
        return waits

    def _move(self) -> None:
        """Hand over, once what was answered has left and what was sent ends where a request ends."""
        moving = self._moving
        if moving is None or self._closing or self._reading is not None or self._transport.get_write_buffer_size():
            return
        line = [(moving, self._keep), *(self._queue or ())]
        self._moving = self._queue = None
        self._transport.pause_reading()
        link, own = self._service.link, copy_of(self._transport)
        if link.send(Over(line), own):
            self._transport.abort()
        else:
            own.close()
            self._answer = None
            self._refuse(431, "headers-too-large", "too much was asked at once")


class Worker:
    """One process beside the owner."""

    def __init__(self, form: WorkerForm, own: socket.socket, held: HeldTable) -> None:
        self._form = form
        self._held = held
        self.stopping = asyncio.Event()
        self._link = Link(own, self._received, partial(os._exit, 1))
        self.edge = WorkerEdge(form, held, SystemClock())
        self._service = WorkerService(self.edge, form.settings, self._link)
        self._coming: set[asyncio.Task[Any]] = set()
        self._told_connections = -1
        """As last said; -1: to be said in any case."""

    async def run(self) -> None:
        """Serve until told to stop."""
        form, loop = self._form, asyncio.get_running_loop()
        server = await loop.create_server(
            self._connection, form.host, form.port, backlog=1024, reuse_address=True, reuse_port=True
        )
        tasks = [asyncio.create_task(self._look_after()), asyncio.create_task(self._report_often())]
        await self.stopping.wait()
        server.close()
        await self._service.drain(DRAIN_S - 0.5)  # the owner waits for the last report
        for task in tasks:
            task.cancel()
        self._report()
        await self._link.flushed()

    def _connection(self) -> WorkerConnection:
        return WorkerConnection(self._service)

    def _received(self, message: Message, connection: socket.socket | None) -> None:
        if isinstance(message, Stop):
            self.stopping.set()
        elif isinstance(message, Back) and connection is not None:
            task = self._service.loop.create_task(
                self._service.loop.connect_accepted_socket(self._connection, connection)
            )
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._service.tidy()
            self.edge.follow_keys()
            self.edge.catch_up()  # also where nobody asks: the disk's room is wanted back
            self._told_connections = -1  # who is silent is taken for hung

    async def _report_often(self) -> None:
        while True:
            self._report()
            await asyncio.sleep(REPORT_S)

    def _report(self) -> None:
        """Say what was done; in several messages where it was much, and not while others wait to leave."""
        used, wanted, connections = (
            self.edge.found.used_now,
            self.edge.found.wanted_now,
            len(self._service.connections),
        )
        if not self._link.free:
            return
        tally = self.edge.taken()
        if not any(tally.statuses.values()) and not used and not wanted and connections == self._told_connections:
            return
        self._told_connections = connections
        accesses, tally.accesses = tally.accesses, []
        while True:
            tally.accesses, accesses = accesses[:A_REPORT_MOST], accesses[A_REPORT_MOST:]
            self._link.send(
                Report(
                    connections=connections,
                    tally=tally,
                    used=[used.popleft() for _ in range(min(A_REPORT_MOST, len(used)))],
                    wanted=[wanted.popleft() for _ in range(min(A_REPORT_MOST, len(wanted)))],
                )
            )
            if not accesses and not used and not wanted:
                return
            tally = type(tally)({}, 0, {}, [])


def run_worker(form: WorkerForm, own: socket.socket, words: Any) -> None:
    """Entry of a worker's process; ends with the owner, or when it is told to."""
    form.set_up()
    held = HeldTable(words_of(words))
    try:
        import uvloop

        uvloop.run(_run(form, own, held))
    except ImportError:
        asyncio.run(_run(form, own, held))
    os._exit(0)


def words_of(shared: Any) -> MutableSequence[int]:
    """The words of an array of `multiprocessing`, to read and write without its wrapper."""
    return memoryview(shared).cast("B").cast("Q")  # type: ignore[return-value]


async def _run(form: WorkerForm, own: socket.socket, held: HeldTable) -> None:
    worker = Worker(form, own, held)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stopping.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # of the terminal: the owner says what is to be done
    await worker.run()
