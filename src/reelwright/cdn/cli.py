"""`reelwright cdn`: edges and what is ordered of them, gateways, replays."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from reelwright.cdn.contract import sign_folder
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.errors import Invalid, NotFound, Unavailable
from reelwright.kernel.files import read_typed
from reelwright.kernel.keys import KeyRing
from reelwright.kernel.operations import own_url
from reelwright.kernel.peers import peer_token
from reelwright.kernel.settings import ServiceSettings, Source, keys_file, require_kept

app = typer.Typer(help="The CDN: edges, shields, caches and what they would do.", no_args_is_help=True)


@app.callback()
def cdn() -> None:
    """The CDN: edges, shields, caches and what they would do."""


def _service(data: Path | None) -> ServiceSettings:
    return Source.open().section("", ServiceSettings, data=str(data) if data else None)


def _ring(service: ServiceSettings) -> KeyRing:
    file = keys_file(service)
    if not service.keys:
        require_kept(ServiceSettings(data=service.data), file=file.name)
    elif not file.exists():
        raise NotFound(f"no key ring at {file}, which `keys` names; copy the service's there")
    return KeyRing.open(file)


@app.command()
def sign(
    name: Annotated[str, typer.Argument(help="Object name, as assets/ASSET/FILE.")],
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
    seconds: Annotated[int, typer.Option(help="How long the URL is good.")] = 3600,
) -> None:
    """Print a signed path for an object, bound to no viewer."""
    folder = "/".join(name.split("/")[:2])
    keys = _ring(_service(data))
    typer.echo(sign_folder(keys, folder, expires_s=int(time.time()) + seconds, viewer=None) + name)


@app.command()
def front(
    origin: Annotated[list[str], typer.Option(help="http(s)://host:port; the next is asked where one is away.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8002,
    name: Annotated[str, typer.Option(help="Name in Cache-Status and CDN-Loop; each tier needs its own.")] = "edge",
    memory_mb: Annotated[int, typer.Option(min=1, help="Megabytes of answers to hold.")] = 256,
    data: Annotated[
        Path | None, typer.Option(help="Data folder whose key ring proves who may purge; without it nobody may.")
    ] = None,
    spread: Annotated[bool, typer.Option(help="Share the targets among the origins by rendezvous hashing.")] = False,
    control: Annotated[
        str, typer.Option(help="URL of the service to register with, so that its purges reach this gateway.")
    ] = "",
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the port, each with its memory.")
    ] = 1,
) -> None:
    """Put a caching gateway (RFC 9111) in front of any HTTP origins."""
    from reelwright.cdn.adapters.fronts import Front, run_fronts

    if control and data is None:
        raise Invalid("to register with a service its key ring is needed: name its folder with --data")
    form = Front(
        origins=tuple(origin), host=host, port=port, name=name, budget_bytes=memory_mb << 20, data=str(data or ""),
        spread=spread, control=control,
    )  # fmt: skip
    run_fronts(form, processes, typer.echo)


Url = Annotated[str, typer.Option(help="URL of the service; else what serves the data folder on this machine.")]
Data = Annotated[
    Path | None,
    typer.Option(help="The service's data folder, whose key ring proves who asks, unless the settings name them."),
]
SERVICE = "http://127.0.0.1:8000"
"""The service that is asked where no URL is named and none is known to run here."""


def _ask(method: str, path: str, url: str, data: Path | None, **more: Any) -> Any:
    """Ask the control plane as one of the service's own processes. Raises Unavailable or Invalid."""
    import httpx

    service = _service(data)
    url = url or own_url(Path(service.data)) or SERVICE
    token = peer_token(_ring(service), SystemClock())
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.request(method, f"{url.rstrip('/')}/api/v1/cdn/{path}", headers=headers, timeout=30, **more)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"the service at {url} does not answer: {error}; name another with --url") from error
    if answer.status_code == 401:
        raise Invalid(
            f"the service at {url} has another key ring than {keys_file(service)}; name its folder with --data"
        )
    try:
        told: Any = answer.json() if answer.content else None
    except ValueError:
        raise Invalid(f"what answers {answer.status_code} at {url} is no Reelwright; name it with --url") from None
    if answer.is_error:
        raise Invalid(
            "; ".join([told["detail"], *(f"{one['key']}: {one['message']}" for one in told.get("errors", ()))])
        )
    return told


@app.command()
def status(url: Url = "", data: Data = None) -> None:
    """Say in a few lines how the CDN is: edges, load, hit ratio, offload, misses by class."""
    from collections import Counter

    known, misses = _ask("GET", "edges", url, data), _ask("GET", "misses", url, data)
    edges = [edge for edge in known if edge["kind"] == "edge"]
    if gateways := len(known) - len(edges):
        typer.echo(f"{gateways} gateway{'s' if gateways > 1 else ''} in front of other origins")
    if not edges:
        typer.echo("No edge is registered: start one with `reelwright serve --only edge --peer web=URL`.")
        return
    well = sum(edge["state"] == "ok" for edge in edges)
    load, capacity = (sum(edge[name] for edge in edges) for name in ("load_bps", "capacity_bps"))
    requests, hits = (sum(edge[name] for edge in edges) for name in ("requests", "hits"))
    typer.echo(f"{well} of {len(edges)} edges are well; {load / 1e6:.1f} of {capacity / 1e6:.0f} Mb/s in use")
    typer.echo(f"{requests:,} requests, {hits / requests if requests else 0:.1%} of them from what lay there")
    kinds: Counter[str] = Counter()
    for row in misses:
        kinds[row["kind"]] += row["requests"]
    typer.echo(
        "last 24 hours: " + (", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common()) or "none")
    )


@app.command()
def edges(
    url: Url = "",
    data: Data = None,
    forget: Annotated[str, typer.Option(help="Take this edge off the list.")] = "",
) -> None:
    """List the registered edges, or forget one that is gone for good."""
    if forget:
        _ask("DELETE", f"edges/{forget}", url, data)
    for edge in _ask("GET", "edges", url, data):
        ratio = f"{edge['hits'] / edge['requests']:.0%}" if edge["requests"] else "-"
        room = f"of {edge['capacity_bps'] / 1e6:<8.0f}" if edge["kind"] == "edge" else f"{'(gateway)':<11}"
        typer.echo(
            f"{edge['name']:<24} {edge['state']:<10} {edge['load_bps'] / 1e6:>8.1f} "
            f"{room} Mb/s  hits {ratio:<5} {edge['url']}  {edge['why']}"
        )


@app.command()
def fill(url: Url = "", data: Data = None) -> None:
    """Say how far each edge is with what it is to hold before it is asked."""
    for edge in _ask("GET", "edges", url, data):
        if edge["kind"] != "edge":
            continue
        done = edge["fill"]
        if not done["plan"]:
            typer.echo(f"{edge['name']:<24} no plan")
            continue
        typer.echo(
            f"{edge['name']:<24} {done['done']:,} of {done['total']:,} objects, {done['done_bytes'] / 1e9:.2f} of "
            f"{done['total_bytes'] / 1e9:.2f} GB, {done['rate_bps'] / 1e6:.1f} Mb/s, {done['failed']:,} failed"
        )


@app.command()
def drain(
    name: Annotated[str, typer.Argument(help="Name of the edge.")],
    end: Annotated[bool, typer.Option("--end", help="Send viewers there again.")] = False,
    url: Url = "",
    data: Data = None,
) -> None:
    """Send no more viewers to an edge; who is there moves with the next steering document or heartbeat."""
    _ask("PUT", f"edges/{name}/drain", url, data, json={"drained": not end})
    typer.echo(f"{name} {'takes viewers again' if end else 'is drained'}")


@app.command()
def purge(
    path: Annotated[str, typer.Option(help="Purge this path and query.")] = "",
    prefix: Annotated[str, typer.Option(help="Purge every path that begins so.")] = "",
    tag: Annotated[str, typer.Option(help="Purge by Cache-Tag or Surrogate-Key; at edges the asset's id.")] = "",
    soft: Annotated[bool, typer.Option(help="Make stale instead of forgetting.")] = False,
    host: Annotated[str, typer.Option(help="Host under which viewers ask gateways.")] = "",
    edge: Annotated[
        list[str] | None, typer.Option(help="URL of a gateway that is not registered, instead of all edges.")
    ] = None,
    url: Url = "",
    data: Data = None,
) -> None:
    """Purge at every registered edge by path, prefix or tag; an edge that is away does it when it is back."""
    if sum(bool(one) for one in (path, prefix, tag)) != 1:
        raise Invalid("name what to purge: one of --path, --prefix and --tag")
    if edge:
        _purge_at(edge, host, path, prefix, tag, soft, data)
        return
    order = {"path": path, "prefix": prefix, "tag": tag, "soft": soft, "host": host}
    found = _ask("POST", "purges", url, data, json=order)
    for name, count in found["purged"].items():
        typer.echo(f"{name}: {count} purged")
    for name in found["later"]:
        typer.echo(f"{name}: does not answer; it purges with its next report")


def _purge_at(urls: list[str], host: str, path: str, prefix: str, tag: str, soft: bool, data: Path | None) -> None:
    import httpx

    token = peer_token(_ring(_service(data)), SystemClock())
    named = {"Purge-Prefix": prefix} if prefix else {"Purge-Tag": tag} if tag else {}
    headers = {"Host": host, "Authorization": f"Bearer {token}", "Purge-Soft": str(int(soft)), **named}
    failed = []
    for url in urls:
        try:
            answer = httpx.request("PURGE", url.rstrip("/") + (path or "/"), headers=headers, timeout=10)
            answer.raise_for_status()
            typer.echo(f"{url}: {answer.json()['purged']} purged")
        except (httpx.HTTPError, ValueError, KeyError) as error:
            failed.append(f"{url}: {error}")
    if failed:
        raise Unavailable("not purged everywhere, so purge again: " + "; ".join(failed))


@app.command()
def replay(
    trace: Annotated[Path, typer.Argument(help="CSV, oracleGeneral or our access log; .gz and .xz are opened.")],
    policy: Annotated[list[str], typer.Option(help="lru, sieve, s3fifo, wtinylfu, gdsf, foresight or belady.")] = [  # noqa: B006
        "lru",
        "s3fifo",
        "foresight",
        "belady",
    ],
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="Capacity as a share of all distinct bytes.")] = 0.1,
    capacity: Annotated[int, typer.Option(min=0, help="Capacity in bytes, instead of a share.")] = 0,
    kind: Annotated[str, typer.Option("--format", help="csv, oracle or events, where the name does not tell.")] = "",
) -> None:
    """Run a trace through cache policies: the code that decides live, and Belady as a reference."""
    from reelwright.cdn.replay import gap_closed, read_trace, replay_named

    found = read_trace(trace, kind=kind)
    budget = capacity or max(1, int(found.working_set_bytes() * share))
    typer.echo(f"{len(found.visits):,} requests, {found.working_set_bytes():,} distinct bytes, capacity {budget:,}")
    if found.refused:
        typer.echo(f"{len(found.refused):,} lines left out, such as {found.refused[0]}", err=True)
    lru, best = (replay_named(found, name, budget).byte_miss_ratio for name in ("lru", "belady"))
    typer.echo(f"{'policy':<10} {'byte miss':>10} {'object miss':>12} {'gap closed':>11}")
    for name in policy:
        one = replay_named(found, name, budget)
        closed = gap_closed(lru, one.byte_miss_ratio, best)
        typer.echo(f"{name:<10} {one.byte_miss_ratio:>10.4f} {one.object_miss_ratio:>12.4f} {closed:>11.1%}")


@app.command()
def plan(
    scenario: Annotated[
        Path | None, typer.Argument(help="JSON of a scenario; without it a world is made up. See --example.")
    ] = None,
    viewers: Annotated[float, typer.Option(help="Viewers of the made-up world.")] = 200e6,
    regions: Annotated[int, typer.Option(help="Its regions.")] = 60,
    isps: Annotated[int, typer.Option(help="Its access networks in each region.")] = 6,
    failed: Annotated[list[str], typer.Option(help="Site that is down, as r001/isp1; may be repeated.")] = [],  # noqa: B006
    example: Annotated[bool, typer.Option(help="Print a small scenario to start from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Plan a network: how many edges, where, for what offload and what cost; pulled through and filled ahead."""
    import msgspec

    from reelwright.cdn.core.plan import Scenario, judge, made_up, table

    if example:
        typer.echo(msgspec.json.format(msgspec.json.encode(made_up(1e6, 3, 2))).decode())
        return
    try:
        known = (
            msgspec.json.decode(read_typed(scenario), type=Scenario) if scenario else made_up(viewers, regions, isps)
        )
    except (OSError, msgspec.MsgspecError) as error:
        raise Invalid(f"{scenario} is no scenario: {error}; --example prints one") from error
    found = [judge(known, "pull"), judge(known, "fill")]
    if failed:
        names = {site.name for one in found for site in one.sites}
        if unknown := set(failed) - names:
            raise Invalid(f"no site {', '.join(sorted(unknown))} in either design; --json lists them")
        found += [judge(known, one.design, [site for site in failed if site in {s.name for s in one.sites}])
                  for one in found]  # fmt: skip
    typer.echo(msgspec.json.encode(found).decode() if as_json else table(found, failed))


@app.command()
def nginx(
    listen: Annotated[str, typer.Option(help="host:port that viewers reach.")] = "127.0.0.1:8003",
    edge: Annotated[
        str, typer.Option(help="Our own edge on this machine, as http://host:port.")
    ] = "http://127.0.0.1:8001",
    data: Annotated[Path, typer.Option(help="The data folder whose cache (or media) nginx sends.")] = Path(
        "reelwright-data"
    ),
    origin: Annotated[list[str], typer.Option(help="Web origin whose pages may read media; may be repeated.")] = [],  # noqa: B006
    certificate: Annotated[str, typer.Option(help="TLS certificate, with --key.")] = "",
    key: Annotated[str, typer.Option(help="Its key.")] = "",
    run: Annotated[
        bool, typer.Option(help="Run nginx in the foreground; without it a running one is reloaded.")
    ] = False,
) -> None:
    """Let nginx send what this edge holds: write its configuration, have nginx judge it, then run or reload it."""
    from reelwright.cdn.adapters.nginx import CONFIG, Nginx, owner_of
    from reelwright.cdn.core.nginx import NginxSite

    folder = next((one for one in (data / "cache", data / "media") if one.is_dir()), None)
    if folder is None:
        raise Invalid(f"{data} holds neither a cache nor media; start the edge there first")
    server = Nginx((data / "nginx").resolve())
    server.configure(
        NginxSite(
            folder=str(folder.resolve()),
            home=str(server.home),
            listen=listen,
            driver_a=edge,
            origins=tuple(origin),
            user=owner_of(folder),
            certificate=certificate,
            key=key,
        )
    )
    typer.echo(f"{server.home / CONFIG} is good; nginx sends {folder}")
    if run:
        sys.stdout.flush()
        server.become()
    elif server.pid() is not None:
        server.reload()
        typer.echo("reloaded; transfers under way go on")


@app.command()
def steer(
    edges: Annotated[
        Path | None, typer.Option(help="JSON list of edges to try: name, capacity_bps, load_bps, costs, state.")
    ] = None,
    region: Annotated[str, typer.Option(help="Region of the viewer.")] = "*",
    bps: Annotated[float, typer.Option(help="What the session would take.")] = 5e6,
    explain: Annotated[bool, typer.Option(help="Say why each edge stands where it does.")] = False,
    url: Url = "",
    data: Data = None,
) -> None:
    """Say where a viewer would be sent now: the order, or the reasons; with --edges by a list of your own."""
    if edges is not None:
        _steer_by_file(edges, region, bps, explain)
        return
    found = _ask("GET", "steering", url, data, params={"region": region, "bps": bps})
    for place, one in enumerate(found, 1):
        said = f"  {one['says']}" if explain else ""
        if explain or not one["refused"]:
            typer.echo(f"{'-' if one['refused'] else place:>3}  {one['edge']:<20}{said}")


def _steer_by_file(edges: Path, region: str, bps: float, explain: bool) -> None:
    import msgspec

    from reelwright.cdn.core.steering import EdgeState, rank, steering_document

    try:
        known = msgspec.json.decode(read_typed(edges), type=list[EdgeState])
    except (OSError, msgspec.MsgspecError) as error:
        raise Invalid(f"{edges} is no list of edges: {error}") from error
    found = rank(region, known, bps=bps)
    if not explain:
        document = steering_document(found, reload_uri="/steering")
        typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    for place, one in enumerate(found, 1):
        typer.echo(f"{'-' if one.refused else place:>3}  {one.edge.name:<20} {one.says}")
