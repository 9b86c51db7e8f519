"""A child process for the product's own questions: to start one for each would cost a second of CPU.

What people ask in SQL never comes here: each of those questions has a process of its own, which ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

import msgspec

from reelwright.lake.contract import Question, TookTooLong

IDLE_S = 300.0
QUESTIONS_MOST = 500
"""So that what a library holds on to does not add up."""
STAY = "--stay"
_MOST_BYTES = 64 << 20


class Standing:
    """One child, asked one question after the other; it leaves when none has come for five minutes."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._asked = 0
        self._last_s = 0.0

    async def ask(self, question: Question, *, within_s: float) -> bytes:
        """The child's answer as JSON. Raises TookTooLong; then the next question has another child."""
        async with self._turn:
            child = self._child = self._child or await self._start()
            self._asked += 1
            self._last_s = time.monotonic()
            try:
                said = await asyncio.wait_for(_exchange(child, question), within_s)
            except TimeoutError:
                await self.end()
                raise TookTooLong(f"the question was stopped after {within_s:g} s") from None
            except BaseException:  # an answer that nobody waits for must not meet the next question
                await self.end()
                raise
            if not said or self._asked >= QUESTIONS_MOST:
                await self.end()
            if not said:
                raise TookTooLong("the question's process ended before it answered")
            return said

    async def _start(self) -> asyncio.subprocess.Process:
        self._asked = 0
        asyncio.get_running_loop().call_later(IDLE_S, self._leave)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reelwright.lake.adapters.ask", STAY),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MOST_BYTES,
        )

    def _leave(self) -> None:
        """End it where it has been idle, else look again later."""
        if self._child is None:
            return
        left_s = self._last_s + IDLE_S - time.monotonic()
        if left_s > 0 or self._turn.locked():
            asyncio.get_running_loop().call_later(max(left_s, 1.0), self._leave)
        elif self._child.stdin is not None:
            self._child.stdin.close()  # it ends by itself
            self._child = None

    async def end(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _exchange(child: asyncio.subprocess.Process, question: Question) -> bytes:
    assert child.stdin is not None and child.stdout is not None, "it was started with both"
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(msgspec.json.encode(question) + b"\n")
        await child.stdin.drain()
    return await child.stdout.readline()
