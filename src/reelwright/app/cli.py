"""The command `reelwright`."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reelwright import __version__
from reelwright.app.installed import systems_with
from reelwright.app.simulating import simulate_experiments
from reelwright.kernel.bench import Row, calibration
from reelwright.kernel.errors import NotFound, ReelwrightError, final_line
from reelwright.kernel.telemetry import configure_logging
from reelwright.kernel.terminal import console

HELP_NAMES = {"help_option_names": ["--help", "-h"]}
app = typer.Typer(no_args_is_help=True, context_settings=HELP_NAMES)

BENCHMARKS = systems_with("bench")
ABOVE = {"experiments": ("simulate",)}
"""Whose rows belong to a system's benchmark, too: they stand above it, for they drive it."""


def main() -> None:
    """Entry point; a known error is one line, not a traceback, and what is logged is not on stdout."""
    configure_logging(level="warning", log_format="auto", process="command")
    try:
        command_tree()()
    except ReelwrightError as error:
        sys.exit(final_line(error))
    except KeyboardInterrupt:  # while a command still imports; from then on typer ends it
        sys.exit(130)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written would fail again, as status 120
        sys.exit(final_line(error))


def command_tree() -> Any:
    """The whole command, systems' own commands mounted."""
    if not app.registered_groups:
        for name in systems_with("cli"):
            own = importlib.import_module(f"reelwright.{name}.cli").app
            if name == "experiments":
                own.command("simulate")(simulate_experiments)
            app.add_typer(own, name=name)
    return typer.main.get_command(app)


def _say_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run your own streaming service. Then learn to build one."""


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="Folder of everything the service keeps.")] = None,
    library: Annotated[Path | None, typer.Option(help="Folder watched for films.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of pages and API.")] = None,
    only: Annotated[
        str, typer.Option(help="Roles to run here: web, edge, worker, collector; or practice alone.")
    ] = "",
    peer: Annotated[list[str] | None, typer.Option(help="A role that runs elsewhere, NAME=URL.")] = None,
    behind_proxy: Annotated[str, typer.Option(help="Networks of the proxy that ends TLS in front of us.")] = "",
) -> None:
    """Run the service: pages, API, edge and worker, as supervised processes."""
    _set_environment(data=data, library=library, host=host, port=port, peers=peer, trusted_proxies=behind_proxy)
    roles = [role.strip() for role in only.split(",") if role.strip()]
    # A fresh interpreter: the supervisor must not carry what the command line imported.
    os.execv(sys.executable, [sys.executable, "-m", "reelwright.app.serve", *roles])  # noqa: S606


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Films, or folders of films.")],
    data: Annotated[Path | None, typer.Option(help="The service's data folder.")] = None,
) -> None:
    """Add films to the catalogue, and follow their encodes."""
    from reelwright.app.add import run

    if not run(paths, data=data):
        raise typer.Exit(1)


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="Folder of the demo; remove it to start anew.")] = Path(
        "reelwright-demo"
    ),
    port: Annotated[int, typer.Option(help="Port of pages and API.")] = 8000,
    library: Annotated[Path | None, typer.Option(help="Your own films, shown beside the generated ones.")] = None,
    films: Annotated[int, typer.Option(min=1, max=100, help="Generated films, the shortest first.")] = 100,
) -> None:
    """Run the service on a small catalogue that it makes itself."""
    from reelwright.app.demo import run

    run(data=data, port=port, library=library, films=films)


@app.command()
def copy(
    database: Annotated[str, typer.Option(help="An empty PostgreSQL, `postgresql://…`.")] = "",
    media: Annotated[str, typer.Option(help="Where films go, `s3://bucket/prefix`.")] = "",
    warehouse: Annotated[str, typer.Option(help="Where the lake's tables go, `s3://bucket/prefix`.")] = "",
    data: Annotated[Path | None, typer.Option(help="The service's data folder.")] = None,
) -> None:
    """Copy what a stopped service keeps here to the engines of a team; films alone also while it runs."""
    from reelwright.app.copying import run

    run(data=data, database=database, media=media, warehouse=warehouse)


@app.command()
def doctor(data: Annotated[Path, typer.Option(help="The service's data folder.")] = Path("reelwright-data")) -> None:
    """Say what is missing, and how to install it."""
    from reelwright.app.doctor import examine

    findings = list(examine(data))
    table = Table("", "what", "found", "to do", box=None)
    for finding in findings:
        sign = ("✓", "green") if finding.ok else ("✗", "red") if finding.needed else ("–", "yellow")
        table.add_row(Text(*sign), finding.what, finding.says, "" if finding.ok else finding.do)
    console.print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def bench(
    system: Annotated[str, typer.Argument(help="Which system: " + ", ".join(BENCHMARKS) + ".")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    only: Annotated[str, typer.Option(help="Only rows whose id starts with this.")] = "",
) -> None:
    """Measure a system and its peers in the same run."""
    if system not in BENCHMARKS:
        sys.exit(f"reelwright: no benchmark {system!r}; there are {', '.join(BENCHMARKS)}")
    rows = [*calibration(), *_rows(system, only)]
    if as_json:
        document = {"system": system, "commit": _commit(), "rows": [row.document() for row in rows]}
        print(json.dumps(document, indent=1))
        return
    console.print(_shown(rows))


@app.command()
def sql(
    question: Annotated[str, typer.Argument(help="One SELECT; the tables are listed by `reelwright lake tables`.")],
    data: Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    memory_mb: Annotated[int | None, typer.Option(min=64, help="Memory that it may use.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds after which it is stopped.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows that are answered at most.")] = 1000,
) -> None:
    """Ask the lake: events, sessions, quality of experience; what was acknowledged a moment ago included."""
    import asyncio

    from reelwright.lake.cli import open_service, shown

    service = open_service(data, sql_memory_mb=memory_mb, sql_s=seconds, sql_rows=rows)
    answer = asyncio.run(service.ask(question))
    if as_json:
        print(json.dumps({"columns": answer.columns, "rows": answer.rows, "truncated": answer.truncated}))
        return
    console.print(shown(answer, console.width))
    rows_said = f"{len(answer.rows):,} row{'' if len(answer.rows) == 1 else 's'}"
    console.print(f"{rows_said} in {answer.took_ms} ms{', and more' if answer.truncated else ''}", style="dim")


@app.command()
def rotate_keys(
    data: Annotated[
        Path | None, typer.Option(help="The service's data folder; as configured where not given.")
    ] = None,
) -> None:
    """Sign with a fresh key from now on; what the two keys before it signed stays valid until it expires."""
    from reelwright.kernel.keys import KEYS_FILE, SETTLED_S, KeyRing
    from reelwright.kernel.settings import ServiceSettings, Source, keys_file

    path = data / KEYS_FILE if data else keys_file(Source.open().section("", ServiceSettings))
    if not path.exists():
        raise NotFound(f"no key ring at {path}; name the service's folder with --data")
    ring = KeyRing.open(path).rotated()
    ring.save(path)
    console.print(f"New key {ring.newest.name}; {len(ring.keys) - 1} older still verify.")
    console.print(f"Running processes follow: edges within a second, those that sign after {SETTLED_S}.")


@app.command()
def version() -> None:
    """Print the version."""
    _say_version(True)


def _rows(system: str, only: str) -> Iterator[Row]:
    for one in (system, *ABOVE.get(system, ())):
        for row in importlib.import_module(f"reelwright.{one}.bench").rows(only):
            print(f"{row.id}: {row.value} {row.unit}", file=sys.stderr)
            yield row


def _shown(rows: list[Row]) -> Group:
    """A line of figures for each row, and below it what it is, as wide as the terminal."""
    widest = max((len(row.id) for row in rows), default=0)
    lines: list[RenderableType] = []
    for row in rows:
        met = {True: Text("  met", "green"), False: Text("  not met", "red"), None: Text()}[row.met]
        goal = f"  goal {row.op} {row.goal:g}" if row.goal is not None else ""
        value = "–" if row.value is None else f"{row.value:g} {row.unit}".rstrip()
        lines.append(Text.assemble((f"{row.id:<{widest}}", "bold"), f"  {value}{goal}", met))
        peer = f"{row.peer}{f' {row.peer_value:g}' if row.peer_value is not None else ''}"
        ratio = "" if row.ratio is None else f", ratio {row.ratio:.2f}"
        said = [row.what, f"beside {peer}{ratio}" if row.peer else "", row.note]
        lines.append(Padding(Text("; ".join(filter(None, said)), style="dim"), (0, 0, 0, 2)))
    return Group(*lines)


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"


def _set_environment(**options: object) -> None:
    for name, value in options.items():
        if isinstance(value, list):
            value = ",".join(value)
        if value not in (None, ""):
            os.environ[f"REELWRIGHT_{name.upper()}"] = str(value)
