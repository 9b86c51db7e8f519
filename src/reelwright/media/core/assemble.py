"""From pieces that steps made to the tracks of a package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from reelwright.kernel.objects import content_name
from reelwright.media.contract import Package, Segment, Track, asset_folder
from reelwright.media.core.plan import Plan
from reelwright.media.core.remarks import Flaw
from reelwright.media.core.verify import Unsound

_SPRITES, _SPRITE_S = 100, 20


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some segments of one track, as one step published them."""

    track: str
    start: int
    """Number of the first of these segments within the track, from 0."""
    kind: Literal["video", "audio"]
    codec: str
    timescale: int
    init: str
    segments: tuple[Segment, ...]
    width: int = 0
    height: int = 0
    language: str = "und"
    label: str = ""
    default: bool = False
    flaws: tuple[Flaw, ...] = ()
    """Of the chunk that it is made of."""

    @property
    def objects(self) -> tuple[str, ...]:
        """The names of all that it needs."""
        return (self.init, *(segment.name for segment in self.segments))

    @property
    def ticks(self) -> int:
        """How long it lasts, in ticks of its timescale."""
        return sum(segment.duration for segment in self.segments)

    def end(self, plan: Plan) -> int:
        """For a picture: the frame after its last one."""
        return self.start * plan.segment_frames + self.ticks // plan.frame_ticks


def ends_early(plan: Plan, number: int, pieces: Sequence[Piece]) -> bool:
    """Whether a chunk is shorter than planned though its gaps are filled: no picture comes after it."""
    return not pieces or max(piece.end(plan) for piece in pieces) < plan.span(number)[1]


def is_whole(plan: Plan, number: int, pieces: Sequence[Piece]) -> bool:
    """Whether chunk `number` is there in every rung."""
    start, end = plan.span(number)
    frames = Counter({rung.id: 0 for rung in plan.rungs})
    for piece in pieces:
        frames[piece.track] += max(0, min(end, piece.end(plan)) - max(start, piece.start * plan.segment_frames))
    return all(frames[rung.id] == end - start for rung in plan.rungs)


def flaws_of(plan: Plan, number: int, pieces: Sequence[Piece]) -> list[Flaw]:
    """What could not be decoded of a chunk that is there."""
    start, end = plan.span(number)
    segments = range(start // plan.segment_frames, -(-end // plan.segment_frames))
    return sorted(
        {flaw for piece in pieces if piece.kind == "video" and piece.start in segments for flaw in piece.flaws}
    )


def sprite_step(segments: int, segment_s: float) -> int:
    """Of how many segments one gets a small picture: about a hundred pictures a film, and one in any 20 seconds."""
    return max(1, min(round(segments / _SPRITES), round(_SPRITE_S / segment_s)))


def state_of(tracks: tuple[Track, ...], *, sound: bool, complete: bool) -> Literal["encoding", "watchable", "ready"]:
    """Whether a viewer can begin: with a picture, and with sound where the source has one."""
    if complete:
        return "ready"
    kinds = {track.kind for track in tracks}
    return "watchable" if "video" in kinds and ("audio" in kinds or not sound) else "encoding"


def duration_s(tracks: tuple[Track, ...]) -> float:
    """How long the picture really is; 0 without one."""
    video = next((track for track in tracks if track.kind == "video"), None)
    return sum(segment.duration for segment in video.segments) / video.timescale if video else 0.0


def package_name(package: Package, data: bytes) -> str:
    """The object name of a package document."""
    return content_name(asset_folder(package.asset_id), data, ".json")


def tracks(plan: Plan, pieces: Sequence[Piece]) -> tuple[Track, ...]:
    """The tracks in the order of the plan, each with its pieces' segments one after the other."""
    order: dict[str, list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: piece.start):
        order.setdefault(piece.track, []).append(piece)
    rank = {rung.id: index for index, rung in enumerate(plan.rungs)}
    names = sorted(order, key=lambda name: (rank.get(name, len(rank)), len(name), name))
    return tuple(_track(plan, order[name]) for name in names)


def lowest(plan: Plan, found: Sequence[Track]) -> Track | None:
    """The track of the lowest rung, once some of it is there."""
    return next((track for track in found if track.id == plan.first_rung.id), None)


def trimmed(found: tuple[Track, ...]) -> tuple[Track, ...]:
    """The tracks of a complete package: sound that begins after the last picture is left out."""
    end_s = Fraction(duration_s(found)).limit_denominator(10**6)
    return tuple(track if track.kind == "video" else _until(track, end_s) for track in found)


def _until(track: Track, end_s: Fraction) -> Track:
    kept: list[Segment] = []
    at = Fraction(0)
    for segment in track.segments:
        if at >= end_s and kept:
            break
        kept.append(segment)
        at += Fraction(segment.duration, track.timescale)
    return msgspec.structs.replace(track, segments=tuple(kept))


def _track(plan: Plan, pieces: list[Piece]) -> Track:
    first = pieces[0]
    if any(piece.init != first.init for piece in pieces):
        raise Unsound(f"the pieces of {first.track} need different initialisation segments")
    segments = tuple(segment for piece in pieces for segment in piece.segments)
    return Track(
        id=first.track,
        kind=first.kind,
        codec=first.codec,
        timescale=first.timescale,
        init=first.init,
        segments=segments,
        peak_bps=peak_bps(segments, first.timescale),
        average_bps=average_bps(segments, first.timescale),
        width=first.width,
        height=first.height,
        frame_rate=plan.frame_rate if first.kind == "video" else (0, 1),
        language=first.language,
        label=first.label,
        channels=2 if first.kind == "audio" else 0,
        sample_rate=48_000 if first.kind == "audio" else 0,
        default=first.default,
    )


def peak_bps(segments: tuple[Segment, ...], timescale: int) -> int:
    """The highest bit rate over windows of about two seconds: a short last segment would mislead."""
    peak = Fraction(0)
    held_bytes, held_ticks = 0, 0
    for segment in segments:
        held_bytes, held_ticks = held_bytes + segment.bytes, held_ticks + segment.duration
        if held_ticks >= timescale * 19 // 10:
            peak = max(peak, Fraction(held_bytes * 8 * timescale, held_ticks))
            held_bytes, held_ticks = 0, 0
    return max(int(peak), average_bps(segments, timescale))


def average_bps(segments: tuple[Segment, ...], timescale: int) -> int:
    """Bits over seconds."""
    ticks = sum(segment.duration for segment in segments)
    return sum(segment.bytes for segment in segments) * 8 * timescale // max(1, ticks)
