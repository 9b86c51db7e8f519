"""Packages as manifests, for edges that answer by themselves: binds the CDN's `ManifestMaker` port."""

from __future__ import annotations

import msgspec

from reelwright.cdn.ports import Stream
from reelwright.kernel.errors import Invalid
from reelwright.media.contract import Package, Track
from reelwright.media.core import dash, hls

UP = "../../"
"""From where an edge's manifests lie, `assets/ID/`, to where the names of objects begin."""


class PackageManifests:
    """The manifests of one package, by the code that writes the service's own."""

    def __init__(self, package: Package) -> None:
        self._package = package

    def hls(self, stem: str) -> str:
        """The multivariant playlist."""
        return hls.multivariant(self._package, self._package.tracks, lambda track: f"{stem}.{track}.m3u8")

    def playlist(self, track: str) -> str | None:
        """A rendition's or a subtitle's playlist."""
        for one in self._package.tracks:
            if one.id == track:
                return hls.media(one, UP, complete=self._package.complete)
        for text in self._package.texts:
            if text.id == track:
                return hls.subtitles(text, UP, self._package.duration_s)
        return None

    def dash(self) -> str:
        """The MPD."""
        return dash.manifest(self._package, self._package.tracks, UP)

    def streams(self) -> list[Stream]:
        """Renditions, their initialisation segments, and subtitles."""
        tracks, texts = self._package.tracks, self._package.texts
        return [
            *(_stream(track) for track in tracks),
            *(Stream(f"{track.id} init", "i", (track.init,)) for track in tracks),
            *(Stream(text.id, "c", (text.name,)) for text in texts),
        ]


def _stream(track: Track) -> Stream:
    ms = tuple(round(1000 * segment.duration / track.timescale) for segment in track.segments)
    names = tuple(segment.name for segment in track.segments)
    return Stream(track.id, "v" if track.kind == "video" else "a", names, ms, round(track.average_bps / 1000))


def manifests_of(package: bytes) -> PackageManifests:
    """Read a package. Raises Invalid."""
    try:
        return PackageManifests(msgspec.json.decode(package, type=Package))
    except msgspec.MsgspecError as error:
        raise Invalid(f"this is no package: {error}") from error
