"""`reelwright add`: films from the terminal, followed until they can be watched."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn

from reelwright.app.compose import open_resources
from reelwright.app.places import jobs_url
from reelwright.app.wiring import migrate, wire_sources
from reelwright.catalog.adapters.library import list_films
from reelwright.catalog.core.naming import VIDEO_SUFFIXES
from reelwright.kernel.errors import Invalid
from reelwright.kernel.ids import PlayableId
from reelwright.kernel.jobs import JobsClient
from reelwright.kernel.operations import read_processes
from reelwright.kernel.settings import Source
from reelwright.kernel.system import Resources
from reelwright.kernel.terminal import console
from reelwright.kernel.units import say_seconds
from reelwright.media.adapters.sql import list_progress_of
from reelwright.media.contract import ENDED
from reelwright.media.contract import Progress as Encode

LOOK_S = 0.3


def run(paths: list[Path], *, data: Path | None) -> bool:
    """Add films and folders of films; True when each of them ended well."""
    if data is not None:
        os.environ["REELWRIGHT_DATA"] = str(data)
    os.environ.setdefault("REELWRIGHT_LOG_LEVEL", "error")
    films = [film for path in paths for film in films_below(path)]
    resources = open_resources(Source.open(), process="add")
    migrate(resources.database)
    return asyncio.run(_add(resources, films))


def films_below(path: Path) -> list[Path]:
    """A film, or every film in a folder. Raises Invalid, naming what was found."""
    if path.is_dir():
        found = [film for film, _ in list_films(path.resolve())]
        if not found:
            raise Invalid(f"{path} holds no film; known are files that end in {', '.join(sorted(VIDEO_SUFFIXES))}")
        return found
    if not path.is_file():
        raise Invalid(f"there is no file {path}")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise Invalid(f"{path.name} does not end as a film does: {', '.join(sorted(VIDEO_SUFFIXES))}")
    return [path.resolve()]


async def _add(resources: Resources, films: list[Path]) -> bool:
    jobs = await asyncio.to_thread(JobsClient, jobs_url(resources.settings))
    try:
        _, catalog = wire_sources(resources, queue=jobs)
        added: dict[PlayableId, str] = {}
        for film in films:
            playable_id = await catalog.service.add(film)
            if playable_id is None:
                console.print(f"{film.name} is in the catalogue already.")
            else:
                added[playable_id] = film.name
        return await _follow(resources, added)
    finally:
        jobs.close()


async def _follow(resources: Resources, added: dict[PlayableId, str]) -> bool:
    """Show each encode until it has ended; Ctrl-C leaves them to the worker."""
    if added and not any(process.name == "worker" for process in read_processes(resources.data / "run")):
        console.print(f"Queued {len(added)}; they are encoded once `reelwright serve` runs on {resources.data}.")
        return True
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[said]}"),
    )
    with Progress(*columns, console=console) as bar:
        tasks = {playable_id: bar.add_task(name, total=100, said="") for playable_id, name in added.items()}
        while True:
            found = await resources.database.read(list_progress_of, added)
            encodes = {row.playable_id: row for row in found}.values()  # of a replaced film the newest
            for row in encodes:
                bar.update(tasks[row.playable_id], completed=row.percent, said=_said(row))
            if len(encodes) >= len(added) and all(row.stage in ENDED for row in encodes):
                break
            await asyncio.sleep(LOOK_S)
    for row in encodes:
        if row.stage != "done":
            console.print(f"{row.source_name}: {row.problem or row.stage}", style="red")
    return all(row.stage == "done" for row in encodes)


def _said(row: Encode) -> str:
    """Speed and remaining time, or how it ended."""
    if row.stage in ENDED:
        return row.stage
    speed = f" {row.speed:.1f}×" if row.speed else ""
    left = f", {say_seconds(row.eta_s)} left" if row.eta_s else ""
    return f"{row.stage}{speed}{left}"
