"""Commands of limits: `reelwright limits check`, `try` and `serve`."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid
from reelwright.kernel.files import read_typed
from reelwright.kernel.terminal import console
from reelwright.limits.core.descriptors import Node
from reelwright.limits.core.grammar import parse_limits
from reelwright.limits.core.rules import read_rules
from reelwright.limits.replay import Request, try_limits

app = typer.Typer(help="Rate limits: check rules, try them on recorded traffic, serve them.", no_args_is_help=True)

REQUEST = '`seconds,key[,cost]`, or JSON as {"at_s": 0.5, "key": "a", "cost": 1}'


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Rule files; Envoy's rate limit configurations too.")],
    merge_domains: Annotated[bool, typer.Option(help="Files may add to each other's domains.")] = False,
) -> None:
    """Read rule files as the service would; the first that is wrong is told with its line."""
    domains = read_rules([(str(path), _text(path)) for path in files], merge_domains=merge_domains)
    table = Table("domain", "descriptors", "limits", "in shadow mode", box=None, pad_edge=False)
    for domain in domains.values():
        nodes = list(_nodes(domain.root))
        ruled = [node.rules for node in nodes if node.rules]
        limits, shadow = sum(len(rules.limits) for rules in ruled), sum(rules.shadow for rules in ruled)
        table.add_row(domain.name, str(len(nodes)), str(limits), str(shadow))
    console.print(table)


@app.command(name="try")
def try_rule(
    rule: Annotated[str, typer.Argument(help="Limits, as `100/minute burst 20; 5000/day`.")],
    trace: Annotated[Path, typer.Option(help="Recorded requests: lines of `seconds,key[,cost]`, or JSON objects.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """What these limits would have done to recorded traffic."""
    tried = try_limits(parse_limits(rule, "limit"), _requests(trace))
    if as_json:
        fields = {name: getattr(tried, name) for name in tried.__struct_fields__}
        print(json.dumps(fields, indent=1))
        return
    part = tried.denied / tried.requests if tried.requests else 0.0
    console.print(f"{tried.requests} requests: {tried.admitted} admitted, {tried.denied} denied ({part:.2%}).")
    for name, denied in tried.by_limit.items():
        console.print(f"  {name} would have denied {denied}")
    for key, denied in tried.worst_keys:
        console.print(f"  {denied} of {key}")


@app.command()
def serve(
    rules: Annotated[list[Path], typer.Option(help="Rule files; read again when they change.")],
    store: Annotated[str, typer.Option(help="Where counters are, as in the setting limits.store.")] = "memory://",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of HTTP with JSON.")] = 8080,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of Envoy's gRPC; 0 serves none.")] = 0,
    merge_domains: Annotated[bool, typer.Option(help="Files may add to each other's domains.")] = False,
) -> None:
    """Limits as a service of their own, for Envoy and other gateways: its RateLimitService, and POST /json."""
    asyncio.run(_serve(rules, store, host, port, grpc_port, merge_domains))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of the servers may still be in Python: taking it down around them aborts the process


async def _serve(files: list[Path], store: str, host: str, port: int, grpc_port: int, merge_domains: bool) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    from reelwright.limits.api import RateLimitApp
    from reelwright.limits.service import Limits
    from reelwright.limits.settings import LimitsSettings
    from reelwright.limits.system import RuleFile, install_store, open_store

    settings = LimitsSettings(store=store)
    await install_store(settings)
    limits = Limits(store=open_store(settings, SystemClock()))
    file = RuleFile(files, limits, merge_domains=merge_domains)
    file.load()
    watching = asyncio.create_task(file.watch())
    server = Server(RateLimitApp(limits), address=host, port=port, interface=Interfaces.ASGI)
    grpc_server = None
    if grpc_port:
        from reelwright.limits.adapters.envoy import serve_grpc

        grpc_server, _ = await serve_grpc(limits, host=host, port=grpc_port)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    console.print(f"limits at http://{host}:{port}/json")
    try:
        await server.serve()
    finally:
        watching.cancel()
        if grpc_server is not None:
            await grpc_server.stop(1.0)
        await limits.store.close()


def _text(path: Path) -> str:
    try:
        return read_typed(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error


def _nodes(root: Node) -> Iterator[Node]:
    for child in root.children.values():
        yield child
        yield from _nodes(child)


def _requests(path: Path) -> Iterator[Request]:
    """The requests of a trace. Raises Invalid with the line that is wrong."""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield _request(line)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise Invalid(f"{path}:{number}: a request is {REQUEST}, got {line[:60]!r}") from error


def _request(line: str) -> Request:
    if line.lstrip().startswith("{"):
        found = json.loads(line)
        return _checked(Request(float(found["at_s"]), str(found["key"]), int(found.get("cost", 1))))
    at_s, key, *cost = next(csv.reader([line]))
    return _checked(Request(float(at_s), key, int(cost[0]) if cost else 1))


def _checked(request: Request) -> Request:
    if not math.isfinite(request.at_s) or request.cost < 0:
        raise ValueError(request)
    return request
