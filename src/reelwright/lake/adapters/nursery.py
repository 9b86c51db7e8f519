"""A process that has read the engine's libraries, and forks a child for each question.

To start a process and read the libraries costs a second; a fork costs some milliseconds. What a question does, to its
memory or its engine, ends with its child.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import msgspec

from reelwright.lake.contract import Question, TookTooLong

IDLE_S = 300.0


class Nursery:
    """Asks questions; the process leaves when none has come for five minutes, or when this one ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._door: socket.socket | None = None
        """By which each question's socket is handed over."""
        self._asking = 0
        self._last_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process that forks; None while there is none."""
        return self._process.pid if self._process is not None else None

    def expect(self) -> None:
        """Have the process read the libraries, so that a question which comes soon waits less. Needs the loop."""
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._door is None:
            self._door = self._start()

    async def ask(self, question: Question) -> bytes:
        """A child's answer as JSON. Raises TookTooLong."""
        self._asking += 1
        try:
            async with asyncio.timeout(question.within_s):
                said = await self._exchange(question)
        except TimeoutError:
            raise TookTooLong(f"the question was stopped after {question.within_s:g} s") from None
        finally:
            self._asking -= 1
            self._last_s = time.monotonic()
        if not said:
            raise TookTooLong("the question's process ended before it answered")
        return said

    async def _exchange(self, question: Question) -> bytes:
        mine, theirs = socket.socketpair()
        with theirs:
            self._hand_over(theirs)
        reader, writer = await asyncio.open_unix_connection(sock=mine)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                writer.write(msgspec.json.encode(question) + b"\n")
                await writer.drain()
                return await reader.read()
            return b""
        finally:
            writer.close()

    def _hand_over(self, theirs: socket.socket) -> None:
        self.expect()
        assert self._door is not None
        socket.send_fds(self._door, [b"?"], [theirs.fileno()])

    def _start(self) -> socket.socket:
        door, inside = socket.socketpair()
        with inside:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reelwright.lake.adapters.ask"],
                stdin=inside.fileno(),
                # Threads that a library starts by itself would not live on in a fork.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        asyncio.get_running_loop().call_later(IDLE_S, self._leave, self._process.pid)
        return door

    def _leave(self, pid: int) -> None:
        """End it where it has been idle, else look again later."""
        if self.pid != pid:
            return
        left_s = self._last_s + IDLE_S - time.monotonic()
        if left_s <= 0 and not self._asking:
            self.end()
        else:
            asyncio.get_running_loop().call_later(max(left_s, 1.0), self._leave, pid)

    def end(self) -> None:
        """End the process, and what its children are doing."""
        process, self._process = self._process, None
        if self._door is not None:
            self._door.close()
            self._door = None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
