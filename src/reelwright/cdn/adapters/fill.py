"""Fills an edge ahead of demand: off-peak, at a steady rate, from peers before tiers, proved and resumable.

What comes in lies in a folder of its own under `.filling` until its SHA-256 is right and it is on the disk; only then
it is renamed into the cache. A power cut leaves the beginning of an object, from which the fill goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx

from reelwright.cdn.adapters.cache import DiskCache, check_content
from reelwright.cdn.adapters.upstream import HttpFetcher
from reelwright.cdn.contract import FillItem, FillPlan, FillProgress
from reelwright.cdn.core.pace import Pace, is_open
from reelwright.cdn.ports import Fetcher
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import ReelwrightError, Unavailable
from reelwright.kernel.objects import checked_name
from reelwright.kernel.telemetry import counter, logger

FILLED_BYTES = counter("edge_fill_bytes_total", "Bytes fetched ahead of demand.")
FILLED = counter("edge_fills_total", "Objects of a plan, by how their fill ended.", ("outcome",))
PART = ".filling"
LOOK_S = 1.0
TRIES = 3
_BLOCK = 64 << 10
log = logger(__name__)


def minute_of_day() -> float:
    """The local time in minutes after midnight."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min + now.tm_sec / 60


class Filler:
    """Follows the newest plan until it is cancelled."""

    def __init__(
        self,
        cache: DiskCache,
        fetcher: Fetcher,
        *,
        peers: HttpFetcher,
        folder: Path,
        clock: Clock,
        minute: Callable[[], float] = minute_of_day,
    ) -> None:
        self._cache = cache
        self._fetcher = fetcher
        self._peers = peers
        self._folder = folder
        self._clock = clock
        self._minute = minute
        self._plan = FillPlan()
        self._wanted: list[FillItem] = []
        self._failed: dict[str, int] = {}
        self._pace = Pace(1)
        self._changed = asyncio.Event()
        self._recent = (0, 0)
        self._rate_bps = 0.0
        self.fetched_bytes = 0
        """Bytes since the start."""

    def follow(self, plan: FillPlan) -> None:
        """From now on this is what is to be held; what an older plan wanted is left to the cache's policy."""
        self._plan = plan
        self._failed = {}
        self._pace = Pace(max(plan.rate_bps, 1.0))
        self._cache.pin([item.name for item in plan.items])
        self._wanted = [item for item in plan.items if not self._cache.holds(item.name)]
        self._changed.set()

    def progress(self) -> FillProgress:
        """How far the plan is."""
        items = self._plan.items
        there = [item for item in items if self._cache.holds(item.name)]
        return FillProgress(
            plan=self._plan.id,
            done=len(there),
            failed=sum(tries >= TRIES for tries in self._failed.values()),
            total=len(items),
            done_bytes=sum(item.size for item in there),
            total_bytes=sum(item.size for item in items),
            rate_bps=self._rate(),
        )

    async def run(self) -> None:
        """Fetch what is wanted while the window is open."""
        self._tidy()
        while True:
            self._changed.clear()
            while self._wanted and self._may():
                await self._one(self._wanted[0])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()

    def _may(self) -> bool:
        return self._plan.rate_bps > 0 and is_open(self._plan.window, self._minute())

    async def _one(self, item: FillItem) -> None:
        plan = self._plan
        try:
            done = self._cache.holds(item.name) or await self._bring(item)
        except (ReelwrightError, OSError) as error:
            tries = self._failed[item.name] = self._failed.get(item.name, 0) + 1
            FILLED.labels("failed").inc()
            log.warning("a fill failed", object=item.name, problem=str(error))
            if self._plan is plan:
                self._wanted.remove(item)
                if tries < TRIES:
                    self._wanted.append(item)
            await asyncio.sleep(0.2 * tries)
            return
        if done and self._plan is plan:
            self._wanted.remove(item)

    async def _bring(self, item: FillItem) -> bool:
        """Fetch an object, or as much of it as the window allows; whether it is whole."""
        checked_name(item.name)
        part = self._folder / f"{hashlib.sha256(item.name.encode()).hexdigest()[:32]}{PART}"
        part.parent.mkdir(parents=True, exist_ok=True)
        digest, have = _begun(part, item.size)
        with part.open("ab") as file:
            file.truncate(have)
            if have < item.size:
                blocks = await self._open(item, have)
                plan = self._plan
                async for block in blocks:
                    have += len(block)
                    if have > item.size:
                        raise Unavailable(f"{item.name} is longer than the {item.size} bytes of the plan")
                    digest.update(block)
                    file.write(block)
                    await self._paced(len(block))
                    if self._plan is not plan or not self._may():
                        return False
            file.flush()
            os.fsync(file.fileno())
        if have < item.size:
            raise Unavailable(f"{have} of {item.size} bytes came")
        self._prove(item, digest.hexdigest(), part)
        self._cache.adopt(item.name, part, item.size)
        FILLED.labels("ok").inc()
        return True

    async def _open(self, item: FillItem, offset: int) -> AsyncIterator[bytes]:
        """The bytes from `offset`, from the first peer that holds the object, else from upstream."""
        for peer in self._plan.peers:
            with contextlib.suppress(ReelwrightError, httpx.HTTPError):
                size, blocks = await self._peers.ask(peer, item.name, offset, held_only=True)
                if size == item.size:
                    return _small(blocks)
        size, blocks = await self._fetcher.open(item.name, offset)
        if size != item.size:
            raise Unavailable(f"upstream {item.name} has {size} bytes, the plan says {item.size}")
        return _small(blocks)

    def _prove(self, item: FillItem, digest: str, part: Path) -> None:
        try:
            if item.sha256 and digest != item.sha256:
                raise Unavailable(f"{item.name} arrived damaged")
            if not item.sha256 and not check_content(item.name, digest):
                raise Unavailable(f"nothing proves the bytes of {item.name}: neither its name nor the plan")
        except Unavailable:
            part.unlink(missing_ok=True)
            raise

    async def _paced(self, size: int) -> None:
        self.fetched_bytes += size
        FILLED_BYTES.inc(size)
        wait_s = self._pace.take(size, self._clock.monotonic_ns() / 1e9)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _rate(self) -> float:
        now_ns = self._clock.monotonic_ns()
        before_ns, before = self._recent
        if now_ns - before_ns > 1e9:
            self._rate_bps = 8e9 * (self.fetched_bytes - before) / (now_ns - before_ns) if before_ns else 0.0
            self._recent = (now_ns, self.fetched_bytes)
        return max(0.0, self._rate_bps)

    def _tidy(self) -> None:
        """Beginnings that have lain for a week belong to no plan any more."""
        oldest_s = self._clock.wall_ns() / 1e9 - 7 * 86_400
        for part in self._folder.glob(f"*{PART}"):
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < oldest_s:
                    part.unlink()


def _begun(part: Path, size: int) -> tuple[hashlib._Hash, int]:
    """The digest and length of what an earlier run has left; nothing where that cannot be the beginning."""
    digest = hashlib.sha256()
    have = 0
    with contextlib.suppress(OSError), part.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            have += len(block)
    return (digest, have) if have <= size else (hashlib.sha256(), 0)


async def _small(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks small enough to keep an even pace."""
    async for block in blocks:
        for start in range(0, len(block), _BLOCK):
            yield block[start : start + _BLOCK]
