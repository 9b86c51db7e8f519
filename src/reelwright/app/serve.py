"""`reelwright serve` after its options became environment variables: choose ports, then supervise the processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO

from reelwright.app.listening import check_exposure, check_media, next_free_port
from reelwright.app.places import own_edge_url, public_url
from reelwright.app.sections import check as check_sections
from reelwright.app.supervisor import Child, Supervisor
from reelwright.cdn.settings import CdnSettings
from reelwright.kernel.errors import Conflict, Invalid, ReelwrightError, final_line
from reelwright.kernel.settings import ServiceSettings, Source
from reelwright.kernel.telemetry import configure_logging

EVERYTHING = ("web", "edge", "worker")
WITH_PARENT = "--with-parent"
"""End when standard input ends: whoever started us holds its other end."""
PRACTICE = ("practice",)
"""Alone it needs pages only: neither films nor their edge and encoder."""
REMOTE = ("web", "edge", "worker", "collector")


def main() -> None:
    """Serve the roles named in `argv` (all when none is named) until a signal comes."""
    with_parent = WITH_PARENT in sys.argv
    roles = tuple(role for role in sys.argv[1:] if role != WITH_PARENT) or EVERYTHING
    try:
        asyncio.run(serve(roles, with_parent=with_parent))
    except (ReelwrightError, OSError) as error:
        sys.exit(final_line(error))


async def serve(roles: tuple[str, ...], *, with_parent: bool = False) -> None:
    """Supervise `roles`; says on stdout where the service is, once it answers."""
    if roles == PRACTICE:
        roles = ("web",)
    unknown = set(roles) - set(REMOTE)
    if unknown:
        raise Invalid(f"no role {', '.join(sorted(unknown))}; the roles are {', '.join(REMOTE)}")
    if with_parent:
        end_with_parent()
    source = Source.open()
    check_sections(source)
    settings = source.section("", ServiceSettings)
    configure_logging(level=settings.log_level, log_format=settings.log_format, process="supervisor")
    check_exposure(settings)
    if {"web", "edge"} <= set(roles):
        check_media(public_url(settings), own_edge_url(source, settings))
    run_folder = _run_folder(settings)
    with only_one(run_folder), tempfile.TemporaryDirectory(prefix="reelwright-metrics-") as metrics:
        children = plan_children(roles, source, settings, metrics)
        await Supervisor(children, run_folder=run_folder, on_ready=lambda: _announce(children, settings)).run()


def end_with_parent() -> None:
    """Send ourselves SIGTERM once standard input has ended."""

    def closed() -> None:
        if not os.read(0, 1024):
            asyncio.get_running_loop().remove_reader(0)
            os.kill(os.getpid(), signal.SIGTERM)

    asyncio.get_running_loop().add_reader(0, closed)


def plan_children(roles: tuple[str, ...], source: Source, settings: ServiceSettings, metrics: str) -> list[Child]:
    """The processes for `roles`, on free ports, each told where the others are."""
    shared = {
        # Arrow's own allocator keeps huge pages for each thread: 120 MB in a worker where Arrow never held 2.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "PROMETHEUS_MULTIPROC_DIR": metrics,
        "REELWRIGHT_DATA": str(Path(settings.data).resolve()),
    }
    ports: dict[str, int] = {}
    if {"web", "collector"} & set(roles):
        ports["web"] = _choose("pages and API", settings.host, settings.port, frozenset())
        shared["REELWRIGHT_PORT"] = str(ports["web"])
    if "edge" in roles:
        wanted = source.section("cdn", CdnSettings).port
        ports["edge"] = _choose("the edge", settings.host, wanted, frozenset(ports.values()))
        shared["REELWRIGHT_CDN_PORT"] = str(ports["edge"])
    if {"web", "edge"} <= set(roles) and not source.section("cdn", CdnSettings).control:
        scheme, host = "https" if settings.tls_certificate else "http", _connectable(settings.host)
        shared["REELWRIGHT_CDN_CONTROL"] = f"{scheme}://{f'[{host}]' if ':' in host else host}:{ports['web']}"
    ports["collector"] = ports.get("web", 0)
    return [
        Child(
            name=role,
            argv=(sys.executable, "-m", "reelwright.app.roles", role),
            environ=shared,
            host=_connectable(settings.host),
            port=ports.get(role, 0),
            tls=bool(settings.tls_certificate),
        )
        for role in roles
    ]


def _run_folder(settings: ServiceSettings) -> Path:
    return Path(settings.data).resolve() / "run"


def _choose(what: str, host: str, wanted: int, taken: frozenset[int]) -> int:
    port = next_free_port(host, wanted, taken)
    if port != wanted:
        print(f"Port {wanted} is busy: using {port} for {what}.", flush=True)
    return port


def _connectable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)


def _announce(children: list[Child], settings: ServiceSettings) -> None:
    front = next((child for child in children if child.name == "web"), children[0])
    scheme = "https" if settings.tls_certificate else "http"
    where = settings.public_url or (f"{scheme}://{front.host}:{front.port}" if front.port else "no port")
    print(f"Reelwright is ready: {where}  ({', '.join(child.name for child in children)})", flush=True)


def only_one(folder: Path) -> IO[str]:
    """Hold the lock of a data folder by its run folder: two on one folder would each think the state is theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Conflict(f"another reelwright serves {folder.parent} already; stop it or use another --data") from None
    os.ftruncate(lock.fileno(), 0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


if __name__ == "__main__":
    main()
