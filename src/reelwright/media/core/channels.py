"""Tracks that are the channels of one sound, as editing rooms and broadcasters deliver them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reelwright.media.core.plan import AudioInfo

_SURROUND = 6
"""Left, right, centre, low frequencies, left and right surround: in SMPTE's order, which is ffmpeg's, too."""


def one_sound(tracks: Sequence[AudioInfo]) -> tuple[AudioInfo, ...]:
    """The tracks; one in place of all where each is mono and nothing tells them apart.

    Six are 5.1. Of another number the first two are left and right, and what follows is another mix.
    """
    alike = {(track.channels, track.language, track.title) for track in tracks}
    if len(tracks) < 2 or len(alike) != 1 or tracks[0].channels != 1:
        return tuple(tracks)
    used = _SURROUND if len(tracks) == _SURROUND else 2
    others = tuple(track.stream for track in tracks[1:used])
    return (msgspec.structs.replace(tracks[0], channels=used, others=others, left_out=len(tracks) - used),)
