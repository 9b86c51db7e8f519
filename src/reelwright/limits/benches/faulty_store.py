"""A store that fails when told to."""

from __future__ import annotations

import asyncio

FAULTS = ("refused", "black hole", "slow", "LOADING", "READONLY")
SLOW_S = 0.5


class FaultyStore:
    """A door in front of a Redis that can be made to fail while connections are open."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self.fault = ""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port, or on the same one again."""
        port = int(self.url.rsplit(":", 1)[1]) if self.url else 0
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def fail(self, fault: str) -> None:
        """Fail in one of the ways of FAULTS."""
        self.fault = fault
        if fault == "refused":
            await self.stop()

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, forth}
        answers = asyncio.create_task(self._answers(back, writer))
        try:
            while data := await reader.read(1 << 16):
                if self.fault in ("", "slow"):
                    forth.write(data)
                elif self.fault == "LOADING":
                    writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
                elif self.fault == "READONLY":
                    writer.write(b"-READONLY You can't write against a read only replica.\r\n")
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            forth.transport.abort()
            writer.transport.abort()
            self._writers -= {writer, forth}

    async def _answers(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await back.read(1 << 16):
            if self.fault == "slow":
                await asyncio.sleep(SLOW_S)
            if self.fault in ("", "slow"):
                writer.write(data)
