"""The processes of the service: `python -m reelwright.app.roles ROLE`, started by the supervisor.

Each role imports only what it needs: the edge neither the web framework nor the database, the web neither the media
engines nor the job engine's worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from reelwright.kernel.errors import ReelwrightError, final_line

Role = Callable[[asyncio.Event], Awaitable[None]]


async def web(stopping: asyncio.Event) -> None:
    """Pages and API."""
    from reelwright.app.web_process import run

    await run(stopping)


async def collector(stopping: asyncio.Event) -> None:
    """Event collection alone."""
    from reelwright.app.collector_process import run

    await run(stopping)


async def worker(stopping: asyncio.Event) -> None:
    """Durable jobs and the watched library."""
    from reelwright.app.worker_process import run

    await run(stopping)


async def edge(stopping: asyncio.Event) -> None:
    """Media bytes."""
    from reelwright.app.edge_process import run

    await run(stopping)


ROLES: dict[str, Role] = {"web": web, "collector": collector, "worker": worker, "edge": edge}


async def serve(role: Role) -> None:
    """Run `role` until a signal comes or the supervisor is gone."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    _watch_supervisor(loop, stopping)
    await role(stopping)


def _watch_supervisor(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    def closed() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stopping.set()

    with contextlib.suppress(OSError, ValueError, PermissionError):
        loop.add_reader(0, closed)


def _run(role: Role) -> None:
    try:
        import uvloop

        uvloop.run(serve(role))
    except ImportError:
        asyncio.run(serve(role))


def main() -> None:
    """Entry of a child process; ends without waiting for stray threads."""
    role = ROLES[sys.argv[1]]
    code = 0
    try:
        _run(role)
    except ReelwrightError as error:
        print(final_line(error), file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
