"""Which tracks a device gets, and what experiments chose for a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from reelwright.kernel.errors import Terminal
from reelwright.media.contract import Package, Track
from reelwright.media.core.renditions import family
from reelwright.playback.contract import Device


class Arms(msgspec.Struct, frozen=True, kw_only=True):
    """What experiments chose for a session; it stays as it began."""

    edges: Literal["listed", "by_title"] = "listed"
    ladder: Literal["full", "sparse"] = "full"


def arms_of(edges: Any, ladder: Any) -> Arms:
    """What experiments set; a value that means nothing here is as without them."""
    chosen = {"edges": edges, "ladder": ladder}
    known = {"edges": ("listed", "by_title"), "ladder": ("full", "sparse")}
    return Arms(**{name: value for name, value in chosen.items() if value in known[name]})


class NothingPlayable(Terminal):
    """The device can play none of what there is."""

    status = 406
    slug = "nothing-playable"


def tracks_for(package: Package, device: Device, ladder: str = "full") -> tuple[Track, ...]:
    """The tracks that the device supports, no higher than its screen; the lowest rung of each codec always stays.

    A device that names no codec gets everything: native players do not say. Of a `sparse` ladder every second rung
    between the lowest and the highest of a codec is left out.
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
    return (*(_sparse(kept) if ladder == "sparse" else kept), *sounds)


def _sparse(videos: Sequence[Track]) -> list[Track]:
    rungs: dict[str, list[Track]] = {}
    for track in sorted(videos, key=lambda track: track.average_bps):
        rungs.setdefault(family(track), []).append(track)
    kept = {track.id for one in rungs.values() for track in (*one[::2], one[-1])}
    return [track for track in videos if track.id in kept]


def _short(track: Track) -> int:
    return min(track.width, track.height)
