"""Gateway processes: one, or several that share a port, each with its own memory and a place in the control plane."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from reelwright.cdn.adapters.agent import Agent
from reelwright.cdn.adapters.gateway import Gateway, GatewaySettings, start_gateway
from reelwright.cdn.adapters.origin import Origin
from reelwright.cdn.adapters.told_gateway import GatewaySelf
from reelwright.cdn.core.placement import ranked, with_room
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid, Unavailable
from reelwright.kernel.keys import KEYS_FILE, KeyRing
from reelwright.kernel.peers import is_peer

ORPHAN_LOOK_S = 1.0
STOP_S = 5.0
Says = Callable[[str], None]


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """What gateways are started with."""

    origins: tuple[str, ...]
    host: str
    port: int
    name: str
    budget_bytes: int
    data: str = ""
    """Folder of the key ring that proves who may purge; empty lets nobody."""
    spread: bool = False
    control: str = ""
    """URL of the service to register with."""


def run_fronts(front: Front, processes: int, says: Says) -> None:
    """Run until told to stop. Raises Invalid, and Unavailable where one of several processes has died."""
    if front.control and front.host in ("0.0.0.0", "::", ""):  # noqa: S104 (compared, not bound)
        raise Invalid("to register, --host is the address by which the service reaches this gateway")
    if processes == 1:
        asyncio.run(_serve(front, None, says))
        return
    if front.port == 0:
        raise Invalid("processes that share a port need its number")
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_child, args=(front, number)) for number in range(processes)]
    for child in children:
        child.start()
    says(f"{front.name} listens on http://{front.host}:{front.port} in {processes} processes")
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    while not stopped and not wait([child.sentinel for child in children], timeout=0.2):
        pass
    for child in children:
        child.terminate()
    for child in children:
        child.join(STOP_S)
    if not stopped:
        raise Unavailable("a gateway process has ended by itself, so all were stopped; start them again")


def _child(front: Front, number: int) -> None:
    asyncio.run(_serve(front, number, lambda _: None))


async def _serve(front: Front, number: int | None, says: Says) -> None:
    """One process; with a `number` it shares the port with others, and takes orders at one of its own."""
    settings = GatewaySettings(name=front.name, budget_bytes=front.budget_bytes)
    origins = {url: Origin(url, stall_s=settings.stall_s) for url in front.origins}
    clock = SystemClock()
    keys = KeyRing.open(Path(front.data) / KEYS_FILE) if front.data else None
    rank = partial(_rank, origins, spread=front.spread)
    gateway = Gateway(rank, settings, clock, may_purge=partial(is_peer, keys, clock) if keys else None)
    servers = [await start_gateway(gateway, front.host, front.port, shared=number is not None)]
    if number is not None:
        servers.append(await start_gateway(gateway, front.host, 0))
    tasks = []
    if front.control and keys is not None:
        own = servers[-1].sockets[0].getsockname()[1]
        name = front.name if number is None else f"{front.name}-{number}"
        told = GatewaySelf(
            gateway,
            list(origins.values()),
            url=f"http://{front.host}:{own}",
            budget_bytes=front.budget_bytes,
            clock=clock,
        )
        memory = Path(front.data) / f"gateway-{name}.json"
        tasks.append(
            asyncio.create_task(Agent(name, front.control, keys=keys, clock=clock, told=told, memory=memory).run())
        )
    port = servers[0].sockets[0].getsockname()[1]
    says(f"{front.name} listens on http://{front.host}:{port} in front of {', '.join(front.origins)}")
    await _until_stopped(parent=os.getppid() if number is not None else None)
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await gateway.close()


async def _until_stopped(*, parent: int | None) -> None:
    """Until a signal comes, or the process that started this one is gone."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ORPHAN_LOOK_S):
                await stopping.wait()
        if parent is not None and os.getppid() != parent:
            return


def _rank(origins: dict[str, Origin], key: str, *, spread: bool) -> list[Origin]:
    if not spread:
        return list(origins.values())
    order = with_room(ranked(key, dict.fromkeys(origins, 1.0)), {url: one.busy for url, one in origins.items()})
    return [origins[url] for url in order]
