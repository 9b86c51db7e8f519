"""Counters in a Redis or Valkey cluster: those of one request in one hash slot, found by the first of its entries.

Limits that are asked together must have the same first entry (the organisation, the door): then they lie in one slot,
and one script call decides them all. Each slot's keys live by a clock of their own.
"""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from reelwright.kernel.errors import Invalid
from reelwright.limits.adapters.batch import Batch
from reelwright.limits.adapters.redis import Address, Connection, RedisStore, open_connection, pack, setter
from reelwright.limits.contract import Ask, StoreUnavailable

SLOTS = 16_384
REDIRECTS_MOST = 3


class RedisClusterStore(RedisStore):
    """Implements `Store` on a cluster, which is found by any of its nodes."""

    def __init__(self, urls: Sequence[str], **options: Any) -> None:
        super().__init__(address=Address.parse(urls[0]), **options)
        self._seeds = [Address.parse(url) for url in urls]
        self._nodes: dict[tuple[str, int], Connection] = {}
        self._owners: dict[int, tuple[str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def epoch(self) -> str:
        """A cluster's nodes do not lose everything at once: their replicas hold it."""
        return ""

    def _prefix(self, asks: Sequence[Ask]) -> bytes:
        tags = {_tag(ask.key) for ask in asks}
        if len(tags) > 1:
            raise Invalid("in a cluster, limits asked together have the same first entry: they lie in one slot")
        return b"rw:{t%b}:" % tags.pop()

    def _flush(self) -> None:
        self._flushing = False
        batches, self._batches = self._batches, {}
        for prefix, batch in batches.items():
            owner = self._nodes.get(self._owners.get(slot_of(prefix), ("", 0)))
            if owner is not None and owner.open:
                self._send(owner, prefix, batch)
            else:
                self._later(self._find_and_send(prefix, batch))

    def _refused(self, connection: Connection, prefix: bytes, batch: Batch, reason: str, whole: bool) -> None:
        word, *rest = reason.split(" ")
        if word == "MOVED" and batch.redirects < REDIRECTS_MOST:
            batch.redirects += 1
            host, port = rest[1].rsplit(":", 1)
            self._owners[int(rest[0])] = (host or self._address.host, int(port))
            self._later(self._find_and_send(prefix, batch))
        elif word == "ASK" and batch.redirects < REDIRECTS_MOST:
            batch.redirects += 1
            host, port = rest[1].rsplit(":", 1)
            self._later(self._send_asking((host or self._address.host, int(port)), prefix, batch))
        else:
            super()._refused(connection, prefix, batch, reason, whole)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find_and_send(self, prefix: bytes, batch: Batch) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                if slot_of(prefix) not in self._owners:
                    await self._learn()
                node = await self._node(self._owners[slot_of(prefix)])
        except (OSError, TimeoutError, KeyError, StoreUnavailable) as error:
            self._owners.pop(slot_of(prefix), None)
            batch.fail(StoreUnavailable(f"the cluster cannot be reached: {error or 'no answer'}"))
            return
        self._send(node, prefix, batch)

    async def _send_asking(self, where: tuple[str, int], prefix: bytes, batch: Batch) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                node = await self._node(where)
        except (OSError, TimeoutError, StoreUnavailable) as error:
            batch.fail(StoreUnavailable(f"the cluster cannot be reached: {error or 'no answer'}"))
            return
        node.send(pack(b"ASKING"), lambda _reply: None)
        self._send(node, prefix, batch)

    async def _node(self, where: tuple[str, int]) -> Connection:
        found = self._nodes.get(where)
        if found is None or not found.open:
            address = msgspec.structs.replace(self._address, host=where[0], port=where[1], path="")
            found = self._nodes[where] = await open_connection(address, self._timeout_s, lambda: None)
        return found

    async def _learn(self) -> None:
        """Ask the nodes in turn who owns which slots."""
        last: Exception = StoreUnavailable("no node of the cluster answers")
        for seed in self._seeds:
            try:
                node = await self._node((seed.host, seed.port))
            except (OSError, StoreUnavailable) as error:
                last = error
                continue
            reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            node.send(pack(b"CLUSTER", b"SLOTS"), setter(reply))
            told = await reply
            if isinstance(told, Exception):
                last = StoreUnavailable(f"the cluster answers: {told}")
                continue
            for first, end, owner, *_ in told:
                where = (owner[0].decode() or seed.host, owner[1])
                self._owners.update(dict.fromkeys(range(first, end + 1), where))
            return
        raise last

    async def close(self) -> None:
        """Close all connections."""
        for task in list(self._tasks):
            task.cancel()
        for node in self._nodes.values():
            node.close(StoreUnavailable("the store was closed"))


def slot_of(key: bytes) -> int:
    """The hash slot of a key with a tag: CRC-16/XMODEM of what stands between the braces."""
    return binascii.crc_hqx(key[key.index(b"{") + 1 : key.index(b"}")], 0) % SLOTS


def _tag(key: str) -> bytes:
    """The domain and first entry of a counter's key, without braces: those would end the tag."""
    return "|".join(key.split("|", 2)[:2]).encode("utf-8", "surrogatepass").replace(b"{", b"(").replace(b"}", b")")
