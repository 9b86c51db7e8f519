"""`reelwright media`: look at a source, at the ladder it would get, and package it without a service."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.progress import Progress as Bar
from rich.table import Table

from reelwright.kernel.terminal import console

if TYPE_CHECKING:
    from reelwright.media.core.plan import LadderPlanner

app = typer.Typer(help="Probe, plan and package films without a service.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="A film file.", exists=True, dir_okay=False)]


class Preset(StrEnum):
    """Speed against size."""

    ultrafast = "ultrafast"
    veryfast = "veryfast"
    medium = "medium"


class Codecs(StrEnum):
    """What the ladder is made of."""

    h264 = "h264"
    av1 = "av1"
    both = "both"


class LadderName(StrEnum):
    """Which rungs a film gets."""

    table = "table"
    fitted = "fitted"


_CODECS: dict[Codecs, tuple[Literal["h264", "av1"], ...]] = {
    Codecs.h264: ("h264",),
    Codecs.av1: ("av1",),
    Codecs.both: ("h264", "av1"),
}


def _planner(ladder: LadderName, **how: Any) -> LadderPlanner:
    from reelwright.media.core.ladder import LADDERS
    from reelwright.media.core.plan import LadderPlanner

    return LadderPlanner(ladder=LADDERS[ladder](), **how)


@app.command()
def probe(file: File) -> None:
    """Say what a file holds, as JSON."""
    from reelwright.media.adapters.probe import probe as look

    console.print_json(msgspec.json.encode(look(file)).decode())


@app.command()
def plan(
    file: File,
    ladder: Annotated[LadderName, typer.Option(help="`fitted` tries the file out first.")] = LadderName.table,
) -> None:
    """Show the ladder that a file would get."""
    from reelwright.media.adapters.packaging import plan_file

    made = plan_file(file, planner=_planner(ladder), fitted=ladder is LadderName.fitted)
    table = Table("rung", "size", "at most", box=None)
    for rung in made.rungs:
        table.add_row(rung.id, f"{rung.width}x{rung.height}", f"{rung.cap_bps / 1e6:.2f} Mb/s")
    console.print(table)
    console.print(f"{made.frames} frames, {made.chunks} chunks of {made.chunk_frames}")


@app.command()
def package(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder for segments, playlists, MPD and package document.")] = Path(
        "package"
    ),
    preset: Annotated[Preset, typer.Option(help="Speed against size.")] = Preset.veryfast,
    codecs: Annotated[Codecs, typer.Option(help="h264 comes with AAC, av1 with Opus.")] = Codecs.h264,
    threads: Annotated[int, typer.Option(help="Threads of the encoder; the result depends on it.", min=1)] = 2,
    ladder: Annotated[LadderName, typer.Option(help="`fitted` tries the file out first.")] = LadderName.table,
    subtitle: Annotated[
        list[str] | None, typer.Option(help="A subtitle file as LANGUAGE=FILE; may be given again.")
    ] = None,
) -> None:
    """Encode and package a file into a folder that any web server can serve as HLS and DASH."""
    from reelwright.media.adapters.packaging import package_file

    chosen = _planner(ladder, codecs=_CODECS[codecs], preset=preset.value, threads=threads)
    beside = [(path, language, "", False) for language, _, path in (text.partition("=") for text in subtitle or ())]
    with Bar(console=console) as bar:
        task = bar.add_task(file.name, total=None)
        done, remarks = package_file(
            file,
            out,
            planner=chosen,
            fitted=ladder is LadderName.fitted,
            subtitles=beside,
            on_chunk=lambda number, chunks: bar.update(task, completed=number, total=chunks),
        )
    for remark in remarks:
        console.print(f"Note: {remark}", style="yellow")
    console.print(f"{len(done.tracks)} tracks, {done.duration_s:.1f} s → {out}/master.m3u8, {out}/manifest.mpd")
