"""Fetchers: another edge over HTTP, or the object store itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx

from reelwright.cdn.contract import sign_folder
from reelwright.cdn.core.placement import failing_last, ranked, with_room
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Invalid, NotFound, Unavailable
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.objects import ObjectStore
from reelwright.kernel.units import whole_number

SIGNED_S = 300
SIZE_MOST = 1 << 50
FAILED_S = 15
"""For how long an upstream that failed is asked last."""
_BLOCK = 256 << 10


class HttpFetcher:
    """Fetches from the first upstream that answers, with a token of our own.

    With `spread` the upstreams share the objects by rendezvous hashing, so that each shield holds a part of them and
    every edge asks the same one; else they are asked in the order given.
    """

    def __init__(self, upstreams: tuple[str, ...], *, keys: KeyRing, clock: Clock, spread: bool = False) -> None:
        for url in upstreams:
            if urlsplit(url).scheme not in ("http", "https"):
                raise Invalid(f"an upstream is http://host:port, got {url!r}")
        self._upstreams = [url.rstrip("/") for url in upstreams]
        self._weights = dict.fromkeys(self._upstreams, 1.0)
        self._spread = spread
        self._failed_ns: dict[str, int] = {}
        self._busy: Counter[str] = Counter()
        """Objects under way from each upstream."""
        self._keys = keys
        self._clock = clock
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(20, connect=3), limits=limits)

    async def open(self, name: str, offset: int) -> tuple[int, AsyncIterator[bytes]]:
        """One GET; the next upstream is tried where one does not answer."""
        problem: Exception = Unavailable("no upstream is configured")
        for upstream in self._order(name):
            try:
                return await self.ask(upstream, name, offset)
            except (httpx.HTTPError, Unavailable) as error:
                self._failed(upstream)
                problem = error
        raise Unavailable(f"no upstream has {name} now: {problem}")

    def _order(self, name: str) -> list[str]:
        since_ns = self._clock.monotonic_ns() - FAILED_S * 10**9
        failing = [upstream for upstream, at_ns in self._failed_ns.items() if at_ns > since_ns]
        order = with_room(ranked(name, self._weights), self._busy) if self._spread else self._upstreams
        return failing_last(order, failing)

    def _failed(self, upstream: str) -> None:
        self._failed_ns[upstream] = self._clock.monotonic_ns()

    async def ask(
        self, upstream: str, name: str, offset: int, *, held_only: bool = False
    ) -> tuple[int, AsyncIterator[bytes]]:
        """One GET to one upstream. Raises NotFound, with `held_only` also where it would have to fetch it itself."""
        folder = "/".join(name.split("/")[:2])
        expires_s = self._clock.wall_ns() // 10**9 + SIGNED_S
        url = upstream + sign_folder(self._keys, folder, expires_s=expires_s, viewer=None) + name
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if held_only:
            headers["Cache-Control"] = "only-if-cached"
        request = self._client.build_request("GET", url, headers=headers)
        response = await self._client.send(request, stream=True)
        if response.status_code not in (200, 206):
            await response.aclose()
            if response.status_code == 404:
                raise NotFound("no such object")
            raise Unavailable(f"{upstream} answered {response.status_code}")
        if offset and response.status_code != 206:
            await response.aclose()
            raise Unavailable(f"{upstream} ignored a range")
        length = whole_number(response.headers.get("content-length", ""), SIZE_MOST)
        if length is None:
            await response.aclose()
            raise Unavailable(f"{upstream} did not say how long {name} is")
        return offset + length, self._bytes_of(upstream, response)

    async def _bytes_of(self, upstream: str, response: httpx.Response) -> AsyncIterator[bytes]:
        self._busy[upstream] += 1
        try:
            async for block in response.aiter_raw():
                yield block
        except httpx.HTTPError as error:
            self._failed(upstream)
            raise Unavailable(f"the upstream broke off: {error}") from error
        finally:
            self._busy[upstream] -= 1
            await response.aclose()

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


class ObjectFetcher:
    """Fetches from the object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def open(self, name: str, offset: int) -> tuple[int, AsyncIterator[bytes]]:
        """The whole object, in a thread; objects are segments of a few megabytes."""
        data = await asyncio.to_thread(self._objects.get, name)
        return len(data), _blocks(data, offset)

    async def close(self) -> None:
        """Nothing is open."""


async def _blocks(data: bytes, offset: int) -> AsyncIterator[bytes]:
    for start in range(offset, len(data), _BLOCK):
        yield data[start : start + _BLOCK]
