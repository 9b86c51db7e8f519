"""What a package must be before it is called complete."""

from __future__ import annotations

from collections.abc import Set
from fractions import Fraction

from reelwright.kernel.errors import Terminal
from reelwright.media.contract import BadSource, Package, Track

_TOLERANCE_S = Fraction(5, 2)
"""How far sound may go on after the picture: less than one segment of it, and some rounding."""


class Unsound(Terminal):
    """The encoder's own output is not what a player needs: a fault of ours, not of the source."""

    status = 500
    slug = "unsound-package"


def verify(package: Package, stored: Set[str]) -> None:
    """Raise when a player would meet a gap, a missing object or uneven rungs; `stored` names what the store holds."""
    videos = [track for track in package.tracks if track.kind == "video"]
    if not videos:
        raise BadSource("not one picture of the film could be decoded")
    for track in package.tracks:
        _check_segments(track)
    for track in videos[1:]:
        if track.timescale != videos[0].timescale or _durations(track) != _durations(videos[0]):
            raise Unsound(f"{track.id} and {videos[0].id} are not cut at the same places")
    picture = _seconds(videos[0])
    for track in package.tracks:
        if track.kind == "audio" and _seconds(track) > picture + _TOLERANCE_S:
            raise Unsound(f"{track.id} lasts {float(_seconds(track)):.1f} s, the picture {float(picture):.1f} s")
    missing = objects_of(package) - stored
    if missing:
        raise Unsound(f"{len(missing)} objects of the package are not in the store, {min(missing)} among them")


def objects_of(package: Package) -> set[str]:
    """The names of everything that players may ask for."""
    names = {name for track in package.tracks for name in (track.init, *(segment.name for segment in track.segments))}
    names.update(text.name for text in package.texts)
    return names | set(package.sprites.names if package.sprites else ())


def _check_segments(track: Track) -> None:
    if not track.segments:
        raise Unsound(f"{track.id} has no segment")
    if any(segment.duration <= 0 or segment.bytes <= 0 for segment in track.segments):
        raise Unsound(f"{track.id} has an empty segment")


def _durations(track: Track) -> tuple[int, ...]:
    return tuple(segment.duration for segment in track.segments)


def _seconds(track: Track) -> Fraction:
    return Fraction(sum(_durations(track)), track.timescale)
