"""A narrow network: a TCP proxy that delays and slows what comes back, and can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Link:
    """One proxied port; all connections share the rate. Attributes may be changed while it runs."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.bits_per_s = 0
        """0 is unlimited."""
        self.round_trip_s = 0.0
        self.is_cut = False
        self._free_at = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    def cut(self) -> None:
        """The tunnel: connections die, new ones are refused."""
        self.is_cut = True
        self._loop.call_soon_threadsafe(self._abort_all)

    def _abort_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Out of the tunnel."""
        self.is_cut = False

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        await asyncio.sleep(self.round_trip_s)
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, upstream}
        back = asyncio.create_task(self._pump(upstream_reader, writer, slow=True))
        await asyncio.gather(self._pump(reader, upstream, slow=False), back, return_exceptions=True)
        self._open -= {writer, upstream}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        loop, last = asyncio.get_running_loop(), 0.0
        with contextlib.suppress(ConnectionError):
            while block := await reader.read(4096):
                if slow and loop.time() - last > self.round_trip_s:  # an answer begins: its request had to travel
                    await asyncio.sleep(self.round_trip_s)
                if slow and self.bits_per_s:
                    self._free_at = max(self._free_at, loop.time()) + len(block) * 8 / self.bits_per_s
                    await asyncio.sleep(max(0.0, self._free_at - loop.time()))
                writer.write(block)
                await writer.drain()
                last = loop.time()
        writer.close()


@contextmanager
def link_to(target: int) -> Iterator[Link]:
    """A link to a port of this machine, in a thread of its own."""
    link, ready = Link(target), threading.Event()

    def run() -> None:
        asyncio.set_event_loop(link._loop)
        with contextlib.suppress(asyncio.CancelledError, RuntimeError):
            link._loop.run_until_complete(link._serve(ready))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(5)
    try:
        yield link
    finally:
        link._loop.call_soon_threadsafe(link._loop.stop)
        thread.join(5)
