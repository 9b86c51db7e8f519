"""Which tracks a device gets."""

from __future__ import annotations

from reelwright.kernel.errors import Terminal
from reelwright.media.contract import Package, Track
from reelwright.media.core.renditions import family
from reelwright.playback.contract import Device


class NothingPlayable(Terminal):
    """The device can play none of what there is."""

    status = 406
    slug = "nothing-playable"


def tracks_for(package: Package, device: Device) -> tuple[Track, ...]:
    """The tracks that the device supports, no higher than its screen; the lowest rung of each codec always stays.

    A device that names no codec gets everything: native players do not say.
    """
    known = set(device.codecs)
    usable = [track for track in package.tracks if not known or family(track) in known]
    videos = [track for track in usable if track.kind == "video"]
    lowest = {family(track): track for track in sorted(videos, key=lambda track: -track.height)}
    kept = [track for track in videos if _short(track) <= device.max_height or track in lowest.values()]
    sounds = [track for track in usable if track.kind == "audio"]
    if not kept:
        offered = ", ".join(sorted({family(track) for track in package.tracks if track.kind == "video"}))
        raise NothingPlayable(f"this device plays {', '.join(sorted(known))}; the title is there in {offered}")
    return (*kept, *sounds)


def _short(track: Track) -> int:
    return min(track.width, track.height)
