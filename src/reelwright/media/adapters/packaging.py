"""A source as a whole package in one go, without a service: media as a library."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.kernel.objects import DirectoryObjects
from reelwright.media.adapters.encoder import Encoder
from reelwright.media.adapters.probe import probe
from reelwright.media.adapters.tryout import fitted_plan
from reelwright.media.contract import Package
from reelwright.media.core import assemble, dash, hls
from reelwright.media.core.assemble import Piece
from reelwright.media.core.plan import Plan, Planner
from reelwright.media.core.remarks import Flaw, remarks_on
from reelwright.media.core.verify import verify

Subtitle = tuple[str, str, str, bool]
"""Path, language, label, forced."""


def plan_file(source: Path, *, planner: Planner, fitted: bool = False) -> Plan:
    """The plan that a file would get; `fitted` tries it out first. Raises BadSource."""
    info = probe(source)
    if not fitted:
        return planner.plan(info)
    with tempfile.TemporaryDirectory() as work:
        return fitted_plan(planner, info, source.resolve(), Path(work))


def package_file(
    source: Path,
    out: Path,
    *,
    planner: Planner,
    fitted: bool = False,
    subtitles: Sequence[Subtitle] = (),
    on_chunk: Callable[[int, int], None] = lambda _done, _chunks: None,
) -> tuple[Package, list[str]]:
    """Encode `source` below the folder `out` with `master.m3u8`, `manifest.mpd` and `package.json`.

    Returns the package and remarks upon the source; `on_chunk` hears how many chunks of how many are done. Raises
    BadSource. Costs as much time as the encode takes.
    """
    plan = plan_file(source, planner=planner, fitted=fitted)
    objects = DirectoryObjects(out)
    asset_id = AssetId("local")
    with tempfile.TemporaryDirectory() as work:
        encoder = Encoder(plan=plan, source=source.resolve(), asset_id=asset_id, objects=objects, work=Path(work))
        pieces: list[Piece] = [*encoder.first_segment(), *encoder.ahead()]
        for index in range(len(plan.info.audio)):
            for codec in plan.audio_codecs:
                encoder.audio(index, codec, publish=pieces.append)
        flaws: list[Flaw] = []
        for number in range(plan.chunks):
            made, found = encoder.chunk(number)
            pieces += made
            flaws += found
            on_chunk(number + 1, plan.chunks)
            if assemble.ends_early(plan, number, made):
                break
        tracks = assemble.trimmed(assemble.tracks(plan, pieces))
        texts, problems = encoder.subtitles(list(subtitles))
        lowest = assemble.lowest(plan, tracks)
        package = Package(
            asset_id=asset_id,
            playable_id=PlayableId("local"),
            complete=True,
            duration_s=assemble.duration_s(tracks),
            tracks=tracks,
            texts=tuple(texts),
            sprites=encoder.sprites(lowest) if lowest else None,
        )
    verify(package, set(objects.list(package.folder)))
    write_manifests(package, objects)
    return package, remarks_on(plan, flaws, package.duration_s) + problems


def write_manifests(package: Package, objects: DirectoryObjects) -> None:
    """Beside the segments' folder: what any static file server needs to play the package."""
    objects.put("package.json", msgspec.json.format(msgspec.json.encode(package)))
    objects.put("master.m3u8", hls.multivariant(package, package.tracks, lambda track: f"{track}.m3u8").encode())
    objects.put("manifest.mpd", dash.manifest(package, package.tracks, "./").encode())
    for track in package.tracks:
        objects.put(f"{track.id}.m3u8", hls.media(track, "", complete=True).encode())
    for text in package.texts:
        objects.put(f"{text.id}.m3u8", hls.subtitles(text, "", package.duration_s).encode())
