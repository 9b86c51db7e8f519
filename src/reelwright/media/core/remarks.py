"""What a person should know of a source that was not as it should be, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reelwright.kernel.units import say_seconds
from reelwright.media.core.plan import Plan

_NOTICED_S = 1.0
"""Less is not worth a word."""


class Flaw(NamedTuple):
    """Some of the film that could not be decoded."""

    kind: Literal["damaged", "black"]
    """`damaged`: pictures are missing, the one before stands still; `black`: none was there to stand still."""
    start_s: float
    end_s: float


def remarks_on(plan: Plan, flaws: Sequence[Flaw], end_s: float) -> list[str]:
    """Everything to say about the picture and length of a film whose last picture ends at `end_s`."""
    claimed_s, sound_s = plan.seconds(plan.frames), plan.info.sound_s
    cut_off = claimed_s - end_s > _NOTICED_S
    told = [flaw for flaw in flaws if not cut_off or flaw.end_s <= end_s]
    found = [_SAID[flaw.kind].format(*map(say_seconds, flaw[1:])) for flaw in merged(told)]
    if cut_off:
        found.append(
            f"the pictures end at {say_seconds(end_s)}, the file claims {say_seconds(claimed_s)}; if the film is "
            "longer, copy it again"
        )
    elif sound_s - end_s > 2 * _NOTICED_S:
        found.append(f"the sound goes on until {say_seconds(sound_s)}, after the last picture; that part is left out")
    if plan.info.joined:
        found.append(
            "the file's times begin anew in its middle, as of recordings that were joined, and some of it is not "
            "shown; add its parts one by one, or join them as MKV"
        )
    if plan.info.early_s > _NOTICED_S:
        found.append(
            f"the sound begins {say_seconds(plan.info.early_s)} before the first picture; that part is left out"
        )
    found += [
        f"{audio.channels + audio.left_out} mono tracks have no names; the first two are played as left and right, "
        "the others only once the file names their languages or says what they are"
        for audio in plan.info.audio
        if audio.left_out
    ]
    return found


_SAID = {
    "damaged": "some pictures between {} and {} cannot be decoded; the ones before stand still",
    "black": "the picture from {} to {} cannot be decoded and is black",
}


def merged(flaws: Sequence[Flaw]) -> list[Flaw]:
    """Flaws of a kind that touch, as one."""
    found: list[Flaw] = []
    for flaw in sorted(flaws, key=lambda flaw: (flaw.kind, flaw.start_s)):
        if found and found[-1].kind == flaw.kind and flaw.start_s <= found[-1].end_s + 0.001:
            found[-1] = flaw._replace(start_s=found[-1].start_s, end_s=max(flaw.end_s, found[-1].end_s))
        else:
            found.append(flaw)
    return sorted(found, key=lambda flaw: flaw.start_s)
