"""What manifests say of the tracks of a package, the same in HLS and DASH."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.media.contract import TextTrack, Track
from reelwright.media.core.language import language_name

_PARTNER = {"avc1": "mp4a", "av01": "opus"}


def family(track: Track) -> str:
    """The codec without its profile: `avc1`, `av01`, `mp4a`, `opus`."""
    return track.codec.split(".")[0]


def pairs(tracks: Sequence[Track]) -> list[tuple[list[Track], list[Track]]]:
    """(videos, sounds) that belong together: each video codec with the sound made for it, else with any."""
    videos = [track for track in tracks if track.kind == "video"]
    sounds = [track for track in tracks if track.kind == "audio"]
    found = []
    for name in sorted({family(track) for track in videos}, reverse=True):
        fitting = [track for track in sounds if family(track) == _PARTNER.get(name)] or sounds
        found.append(([track for track in videos if family(track) == name], fitting))
    return found


def default_of(sounds: Sequence[Track]) -> Track:
    """The sound that plays when nobody chose: the one marked so, else the first."""
    return next((sound for sound in sounds if sound.default), sounds[0])


def menu_names(tracks: Sequence[Track | TextTrack]) -> dict[str, str]:
    """A name for each track id, as menus show it; equal ones are numbered, since a name must tell them apart."""
    names: dict[str, str] = {}
    for track in tracks:
        wanted = track.label or language_name(track.language)
        name, number = wanted, 1
        while name in names.values():
            number += 1
            name = f"{wanted} {number}"
        names[track.id] = name
    return names
