"""`reelwright experiments`: what runs, who would see what, what it says so far, and other vendors' flags."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from reelwright.experiments.adapters.sql import get_configuration
from reelwright.experiments.contract import BUCKETS, Configuration, Import, Resolution, Vendor
from reelwright.experiments.core.assign import assign
from reelwright.experiments.core.importers.vendors import read_flags
from reelwright.experiments.core.metrics import EVERY, NO_BASELINE
from reelwright.experiments.core.snapshot import Snapshot
from reelwright.experiments.service import ExperimentsService, analyse, size
from reelwright.experiments.settings import ExperimentsSettings
from reelwright.kernel.clock import SystemClock
from reelwright.kernel.database import Database, reading_at
from reelwright.kernel.errors import Invalid
from reelwright.kernel.files import read_typed
from reelwright.kernel.settings import DATABASE_FILE, ServiceSettings, Source, database_url, require_kept
from reelwright.kernel.terminal import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reelwright.experiments.core.scorecard import Line, Scorecard
    from reelwright.experiments.core.sizes import Size

app = typer.Typer(help="Experiments of a service.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="The service's data folder, unless the settings name it.")]
Url = Annotated[str | None, typer.Option("--database", help="Database URL, unless the settings name it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FILE_MOST = 64 << 20


@app.callback()
def experiments() -> None:
    """Experiments of a service."""


@app.command("list")
def list_experiments(data: Data = None, database: Url = None, as_json: Json = False) -> None:
    """List experiments with their state and their share of their layer, and imported flags."""
    found = _configuration(data, database)
    if as_json:
        _print(found)
        return
    table = Table("experiment", "layer", "state", "share", "cells", "owner", box=None)
    for one in found.experiments:
        cells = ", ".join(f"{cell.key} {cell.weight:.0%}" for cell in one.cells)
        table.add_row(one.key, one.layer, one.state, f"{one.size / BUCKETS:.2%}", cells, one.owner)
    console.print(table)
    for file in found.imports:
        flags = read_flags(file.vendor, file.document, now_ms=_now_ms)
        console.print(f"{file.key}: {len(flags.keys())} flags of {file.vendor}")


@app.command("assign")
def assign_somebody(
    attributes: Annotated[str, typer.Argument(help='Who, as JSON: \'{"profile": "01J…", "country": "DE"}\'.')],
    data: Data = None,
    database: Url = None,
    as_json: Json = False,
) -> None:
    """Say which cell somebody is in, of every running experiment, and why."""
    snapshot = Snapshot(_configuration(data, database), now_ms=_now_ms())
    found = assign(snapshot, _object(attributes))
    if as_json:
        _print([{**msgspec.to_builtins(one), "reason": one.reason.name.lower()} for one in found])
        return
    table = Table("experiment", "layer", "cell", "because", box=None)
    for one in found:
        table.add_row(one.experiment, one.layer, one.cell or "–", one.reason.name.lower().replace("_", " "))
    if table.row_count:
        console.print(table)
    else:
        console.print("Nothing runs: start an experiment in Studio, or over the API.")


@app.command("analyse")
def analyse_experiment(
    key: Annotated[str, typer.Argument(help="The experiment.")],
    data: Data = None,
    database: Url = None,
    measure: Annotated[bool, typer.Option(help="Measure anew first; else the worker's last round counts.")] = False,
    plan: Annotated[
        float, typer.Option(help="Before it begins: the viewers that each arm needs to find a change of so many %.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Say what an experiment says so far: intervals that hold at every look, sample ratio, guardrails, a verdict.

    An experiment with planned looks is read at those alone.
    """
    url = _url(data, database)
    if plan:
        _print_sizes(size(url, key, plan / 100), plan, as_json=as_json)
        return
    if measure:
        asyncio.run(_measure(url, key))
    card = analyse(url, key)
    if as_json:
        _print(card)
    else:
        _print_card(card)


@app.command("compare")
def compare_units(
    by: Annotated[str, typer.Argument(help="What changed: an `edge`, a `device` or a `title_id`.")],
    treated: Annotated[list[str], typer.Argument(help="Those that changed; of a synthetic control, one.")],
    since: Annotated[str, typer.Option(help="The day of the change, 2026-11-20.")],
    measure: Annotated[str, typer.Option(help="A figure of quality, such as `stall_share`.")] = "stall_share",
    design: Annotated[str, typer.Option(help="`differences` or `synthetic`.")] = "synthetic",
    synthetic_audience: Annotated[bool, typer.Option(help="Of the demo's audience.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say what a change did that could not be randomised, from the lake: beside those that did not change."""
    from reelwright.experiments.adapters.lake import quality_of
    from reelwright.experiments.core.comparison import MEASURES, Design, compare
    from reelwright.lake.cli import open_service

    if by not in ("edge", "device", "title_id") or design not in ("differences", "synthetic"):
        raise Invalid(
            f"compared are edge, device or title_id by differences or synthetic, got {by[:30]}, {design[:30]}"
        )
    if measure not in MEASURES:
        raise Invalid(f"no measure {measure[:60]!r}; there are {', '.join(MEASURES)}")
    known: Any = by
    figures = asyncio.run(quality_of(open_service(data), known, MEASURES[measure], synthetic=synthetic_audience))
    found = compare(figures, measure=measure, treated=treated, since=since, design=msgspec.convert(design, Design))
    if as_json:
        _print(found)
        return
    bounds = "" if found.low is None else f", {found.low:+.4g} to {found.high:+.4g}"
    console.print(f"{MEASURES[measure].says}: {found.effect:+.4g}{bounds}, p {found.p:.3g}")
    beside = ", ".join(f"{unit} {weight:.0%}" for unit, weight in found.beside.items() if weight >= 0.005)
    console.print(f"beside {beside}")
    if found.left_out:
        console.print(f"left out, without a figure a day: {', '.join(found.left_out)}")


@app.command("import")
def import_flags(
    vendor: Annotated[str, typer.Argument(help="growthbook, unleash, flagd, flagsmith or eppo.")],
    file: Annotated[Path, typer.Argument(help="Its configuration as JSON; - reads standard input.")],
    name: Annotated[str, typer.Option(help="What it is called here; the vendor's name where empty.")] = "",
    context: Annotated[str, typer.Option(help="Also say what somebody gets, as JSON.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only read it; nothing is stored.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Serve the flags of that name no more.")] = False,
    data: Data = None,
    database: Url = None,
) -> None:
    """Serve another vendor's flags over OFREP with that vendor's own buckets: nobody changes sides.

    What we do not know of a file is refused by its name; nothing of it is stored then.
    """
    if remove:
        asyncio.run(_change(_url(data, database), lambda service: service.delete_import(name or vendor, by="cli")))
        console.print(f"Removed {name or vendor}.")
        return
    document = _read(file)
    flags = read_flags(vendor, document, now_ms=_now_ms)
    table = Table("flag", "value", "variant", "because", box=None)
    for found in flags.resolve_all(_object(context)) if context else ():
        table.add_row(found.key, _shown(found), found.variant or "–", found.error_code or found.reason.lower())
    if context:
        console.print(table)
    if not check:
        known = msgspec.convert(vendor, Vendor)
        one = Import(key=name or vendor, vendor=known, document=document)
        asyncio.run(_change(_url(data, database), lambda service: service.put_import(one, by="cli")))
    done = "read, nothing stored" if check else "imported"
    console.print(f"{len(flags.keys())} flags of {vendor} {done}.")


def _shown(found: Resolution) -> str:
    return "the caller's default" if found.value is None else msgspec.json.encode(found.value).decode()


async def _measure(url: str, key: str) -> None:
    await _change(url, lambda service: service.measure(key))


async def _change(url: str, call: Any) -> None:
    database = Database(url)
    settings = ExperimentsSettings()
    service = ExperimentsService(database=database, clock=SystemClock(), events=None, settings=settings)
    try:
        await service.look()
        await call(service)
    finally:
        database.close()


def _read(file: Path) -> Any:
    """The JSON of a file. Raises Invalid with what is wrong with it."""
    try:
        body = sys.stdin.buffer.read(FILE_MOST + 1) if str(file) == "-" else read_typed(file, FILE_MOST + 1)
        if len(body) > FILE_MOST:
            raise Invalid(f"{file}: larger than {FILE_MOST >> 20} MiB")
        return msgspec.json.decode(body)
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{file} is no JSON: {error}") from error


def _print_card(card: Scorecard) -> None:
    console.print(card.verdict, style="bold")
    if card.synthetic:
        console.print("Simulated viewers; no real ones have been exposed.")
    arms = ", ".join(f"{one.cell} {one.viewers:,} ({one.weight:.0%})" for one in card.arms)
    ratio = "" if card.sample_ratio_p is None else f"; sample ratio p {card.sample_ratio_p:.3g}"
    console.print(f"Viewers: {arms}{ratio}")
    console.print(lines_of(card))
    if card.looks:
        told = [f"{one.units:,} viewers ({'not yet' if one.day is None else _iso(one.day)})" for one in card.looks]
        console.print(f"Read at planned looks alone: {', '.join(told)}")
    for one in card.guards:
        way = "up" if one.worse == "up" else "down"
        console.print(f"guardrail {one.metric} {way} of {one.cell}: {one.state}")


def _print_sizes(found: Sequence[Size], percent: float, *, as_json: bool) -> None:
    if as_json:
        _print([{**msgspec.to_builtins(one), "total": one.total} for one in found])
        return
    if not found:
        console.print(NO_BASELINE)
        return
    cells = [cell for cell, _ in found[0].cells]
    table = Table("metric", *(f"viewers, {cell}" for cell in cells), "all", box=None, pad_edge=False)
    for one in found:
        table.add_row(one.metric, *(f"{viewers:,}" for _, viewers in one.cells), f"{one.total:,}")
    console.print(f"To find a change of {percent:g} %, four times of five:")
    console.print(table)


def lines_of(card: Scorecard) -> Table:
    """Every metric of every arm beside control."""
    table = Table("metric", "cell", "control", "value", "effect", "interval", "state", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for line in card.lines:
        table.add_row(line.metric, line.cell, *_figures(line), line.state)
    return table


def _iso(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def _figures(line: Line) -> tuple[str, str, str, str]:
    unit = EVERY[line.metric].unit
    control, value = (
        "–" if one is None else f"{one:.4g}{' ' if unit else ''}{unit}" for one in (line.control, line.value)
    )
    if line.now is None:
        return control, value, "–", "–"
    return control, value, f"{line.now.estimate:+.1%}", f"{line.now.low:+.1%} to {line.now.high:+.1%}"


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid(f"attributes are a JSON object: {error}") from error


def _print(what: Any) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")


def _now_ms() -> int:
    return int(time.time() * 1000)


def _url(data: Path | None, database: str | None) -> str:
    settings = Source.open().section("", ServiceSettings, data=str(data) if data else None, database=database)
    require_kept(settings, file=DATABASE_FILE)
    return database_url(settings)


def _configuration(data: Path | None, database: str | None) -> Configuration:
    with reading_at(_url(data, database)) as connection:
        return get_configuration(connection)[1]
