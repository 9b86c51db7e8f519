"""The disk cache of an edge that fetches: one fetch however many wait, bytes to all of them as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path

from reelwright.cdn.adapters.files import FileTable, OpenFile
from reelwright.cdn.core.eviction import Policy, Visit
from reelwright.cdn.ports import Fetcher
from reelwright.kernel.errors import ReelwrightError, Unavailable
from reelwright.kernel.files import write_all
from reelwright.kernel.telemetry import counter, logger

FETCHES = counter("edge_upstream_fetches_total", "Objects fetched from upstream, by how it ended.", ("outcome",))
DAMAGED = counter("edge_damaged_files_total", "Files of the cache found damaged, deleted and fetched again.")
FETCHED_BYTES = counter("edge_upstream_bytes_total", "Bytes fetched from upstream.")

ATTEMPTS = 4
PART = ".part"
PREFETCH_BELOW = 16
"""Fetches under way from which on nothing is fetched ahead."""
_BLOCK = 1 << 20
log = logger(__name__)


class Damaged(Unavailable):
    """The bytes are not what the name says; more of them would not mend that."""


class Fill:
    """One object on its way in. Readers see `written` grow and are called when it does."""

    def __init__(self, name: str, session: str = "") -> None:
        self.name = name
        self.session = session
        """Who asked for it first, where that is known."""
        self.file: OpenFile | None = None
        self.size = 0
        self.written = 0
        self.done = False
        self.joined = False
        """Whether more than one asked for it."""
        self.delay_ms = 0
        """What the upstream took until its first byte."""
        self.problem: ReelwrightError | None = None
        self._readers: list[Callable[[], None]] = []

    def when_more(self, reader: Callable[[], None]) -> None:
        """Call `reader` once, at the next change."""
        self._readers.append(reader)

    def changed(self) -> None:
        """Wake the readers."""
        readers, self._readers = self._readers, []
        for reader in readers:
            reader()


class DiskCache:
    """Objects below `root`, within a budget; what is being fetched is shared."""

    def __init__(
        self,
        root: Path,
        *,
        policy: Policy,
        fetcher: Fetcher,
        monotonic_ns: Callable[[], int],
        budget_bytes: int,
        proved: set[str] | None = None,
    ) -> None:
        self._root = root
        self._fetcher = fetcher
        self._files = FileTable(root, monotonic_ns)
        self._monotonic_ns = monotonic_ns
        self._index = policy
        self._fills: dict[str, Fill] = {}
        self._proved = set[str]() if proved is None else proved
        """Whose bytes this process has seen to be right; a file from before a restart is read once more."""
        self._budget_bytes = budget_bytes
        self._sizes: dict[str, int] = {}
        self._pinned: set[str] = set()
        """What a plan to fill wants here: the policy decides on the rest, with the budget that is left."""
        self._pinned_bytes = 0
        self.fetched_bytes = 0
        self.place_of: Callable[[str], tuple[str, int]] = _nowhere
        """The stream of an object and its place there, by which the policy knows when it is wanted next."""
        self._tasks: set[asyncio.Task[None]] = set()
        root.mkdir(parents=True, exist_ok=True)
        self._rebuild()

    def find(self, name: str, session: str = "") -> OpenFile | None:
        """The object when it is held whole, for the playback session that asks."""
        if name not in self._sizes:
            return None
        found = self._files.open(name)
        if found is None:
            self._forget(name)
            return None
        if name not in self._proved and not self._prove(name, found):
            return None
        self.used(name, found.size, session)
        return found

    def used(self, name: str, size: int, session: str = "") -> None:
        """An object that is held was sent."""
        self._index.note(self._visit(name, size, session))
        if name not in self._pinned:
            self._index.use(name)

    def _visit(self, name: str, size: int, session: str) -> Visit:
        stream, index = self.place_of(name) if session else ("", -1)
        return Visit(name, size, self._monotonic_ns() / 1e9, session, stream, index)

    def fill(self, name: str, session: str = "") -> Fill:
        """The fetch of an object, begun now or joined."""
        found = self._fills.get(name)
        if found is None:
            found = self._fills[name] = Fill(name, session)
            task = asyncio.get_running_loop().create_task(self._run(found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            found.joined = True
        return found

    def prefetch(self, name: str) -> None:
        """Fetch what is wanted soon, unless enough is on its way already."""
        if name not in self._fills and len(self._fills) < PREFETCH_BELOW and self._files.open(name) is None:
            self.fill(name)

    def _prove(self, name: str, file: OpenFile) -> bool:
        """Whether a file still is what its name says; one that is not goes, and is fetched again. O(size), once."""
        digest = hashlib.sha256()
        for start in range(0, file.size, _BLOCK):
            digest.update(os.pread(file.descriptor, _BLOCK, start))
        try:
            check_content(name, digest.hexdigest())
        except Unavailable:
            DAMAGED.inc()
            log.warning("a file of the cache is damaged; it is fetched again", object=name)
            self._forget(name)
            return False
        self._proved.add(name)
        return True

    def purge(self, meant: Callable[[str], bool], *, soft: bool) -> int:
        """Delete what is meant, or only doubt it: it is proved again before it is served. O(objects held)."""
        found = [name for name in self._sizes if meant(name)]
        for name in found:
            if soft:
                self._proved.discard(name)
                self._files.forget(name)
            else:
                self._forget(name)
        return len(found)

    def adopt(self, name: str, part: Path, size: int) -> None:
        """Take in a file whose bytes were proved, by renaming it, and keep it until another plan."""
        if not self.holds(name):
            target = self._root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            self._proved.add(name)
            self._keep(name, size)
            self._sizes[name] = size  # also where the policy would not have it
        self._pin(name)

    def pin(self, names: Collection[str]) -> None:
        """Keep these of the objects held, and leave what was kept before to the policy."""
        for name in self._pinned - set(names):
            self._unpin(name)
        for name in names:
            if name in self._sizes and name not in self._pinned:
                self._pin(name)

    def _pin(self, name: str) -> None:
        if name in self._pinned:
            return
        self._index.drop(name)
        self._pinned.add(name)
        self._pinned_bytes += self._sizes[name]
        self._index.resize(max(1, self._budget_bytes - self._pinned_bytes))

    def _unpin(self, name: str) -> None:
        self._pinned.discard(name)
        self._pinned_bytes -= self._sizes[name]
        self._index.resize(max(1, self._budget_bytes - self._pinned_bytes))
        self._keep(name, self._sizes[name])

    def holds(self, name: str) -> bool:
        """Whether an object is held whole; tells the policy nothing."""
        return name in self._sizes

    def held(self) -> tuple[int, int]:
        """Bytes held, and how many objects."""
        return sum(self._sizes.values()), len(self._sizes)

    def inventory(self) -> dict[str, int]:
        """Bytes held by folder. O(objects held)."""
        found: dict[str, int] = {}
        for name, size in self._sizes.items():
            folder = name.rpartition("/")[0]
            found[folder] = found.get(folder, 0) + size
        return found

    def _forget(self, name: str) -> None:
        if name in self._pinned:
            self._pinned.discard(name)
            self._pinned_bytes -= self._sizes[name]
            self._index.resize(max(1, self._budget_bytes - self._pinned_bytes))
        self._sizes.pop(name, None)
        self._index.drop(name)
        self._proved.discard(name)
        self._files.forget(name)
        with contextlib.suppress(OSError):
            (self._root / name).unlink()

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fetcher.close()

    async def _run(self, fill: Fill) -> None:
        part = self._root / f"{fill.name}.{os.getpid()}{PART}"
        sink = _Sink(part)
        try:
            await self._fetch(fill, sink)
            if sink.on_disk:
                part.replace(self._root / fill.name)
                self._proved.add(fill.name)
                self._keep(fill.name, fill.size, fill.session)
            fill.done = True
            FETCHES.labels("ok").inc()
        except (ReelwrightError, OSError, asyncio.CancelledError) as error:
            fill.problem = error if isinstance(error, ReelwrightError) else Unavailable(f"cannot fetch: {error}")
            FETCHES.labels("failed").inc()
            log.warning("fetch failed", object=fill.name, problem=str(error))
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
            del self._fills[fill.name]
            fill.changed()

    async def _fetch(self, fill: Fill, sink: _Sink) -> None:
        digest = hashlib.sha256()
        begun_ns = self._monotonic_ns()
        for attempt in range(ATTEMPTS):
            try:
                size, blocks = await self._fetcher.open(fill.name, fill.written)
                if fill.file is None:
                    fill.size, fill.file = size, OpenFile(os.dup(sink.descriptor), size, 0)
                    fill.delay_ms = (self._monotonic_ns() - begun_ns) // 10**6
                elif size != fill.size:
                    raise Unavailable(f"the upstream changed {fill.name} from {fill.size} to {size} bytes")
                async for block in blocks:
                    digest.update(block)
                    if sink.write(block):
                        fill.file = OpenFile(os.dup(sink.descriptor), size, 0)
                    if fill.written + len(block) == fill.size:
                        check_content(fill.name, digest.hexdigest())  # before it looks whole to those who read it
                    fill.written += len(block)
                    FETCHED_BYTES.inc(len(block))
                    self.fetched_bytes += len(block)
                    fill.changed()
                if fill.written == fill.size:
                    break
                raise Unavailable(f"the upstream sent {fill.written} of {fill.size} bytes")
            except Damaged:
                raise
            except Unavailable:
                if attempt == ATTEMPTS - 1 or fill.written > fill.size > 0:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
        check_content(fill.name, digest.hexdigest())

    def _keep(self, name: str, size: int, session: str = "") -> None:
        self._sizes[name] = size
        self._index.note(self._visit(name, size, session))
        for victim in self._index.put(name, size):
            self._sizes.pop(str(victim), None)
            self._files.forget(str(victim))
            self._proved.discard(str(victim))
            with contextlib.suppress(OSError):
                (self._root / str(victim)).unlink()

    def _rebuild(self) -> None:
        """Know again what was held before a restart; half files go."""
        held = []
        for path in self._root.rglob("*"):
            if path.name.endswith(PART):
                path.unlink(missing_ok=True)
            elif path.is_file():
                status = path.stat()
                held.append((status.st_mtime_ns, path.relative_to(self._root).as_posix(), status.st_size))
        for _, name, size in sorted(held):
            self._keep(name, size)


def _nowhere(_name: str) -> tuple[str, int]:
    return "", -1


class _Sink:
    """A part file, or memory once the disk is full: the viewer still gets the film."""

    def __init__(self, path: Path) -> None:
        self.on_disk = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError:
            self.on_disk = False
            self.descriptor = os.memfd_create("fill")

    def write(self, block: bytes) -> bool:
        """Append; True when the sink has moved to memory and readers need the new descriptor."""
        at = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        try:
            write_all(self.descriptor, block)
            return False
        except OSError:
            if not self.on_disk:
                raise
        log.warning("the cache's disk is full; serving from memory")
        memory = os.memfd_create("fill")
        offset = 0
        while offset < at:
            offset += os.sendfile(memory, self.descriptor, offset, at - offset)
        write_all(memory, block)
        os.close(self.descriptor)
        self.descriptor, self.on_disk = memory, False
        return True

    def __del__(self) -> None:
        os.close(self.descriptor)


def check_content(name: str, digest: str) -> bool:
    """Whether a content-hash name proves the bytes; other names prove nothing. Raises Unavailable for damage."""
    stem = name.rsplit("/", 1)[-1].split(".")[0].removeprefix("package-")
    if len(stem) != 26 or not set(stem) <= set("0123456789abcdef"):
        return False
    if not digest.startswith(stem):
        raise Damaged(f"{name} arrived damaged")
    return True
