"""The plan of an encode: which renditions a source gets, and how it is cut into chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, Protocol

import msgspec

from reelwright.media.contract import BadSource
from reelwright.media.core.ladder import Ladder, Step, TableLadder, Trial

Codec = Literal["h264", "av1"]

SEGMENT_S = 2
CHUNK_SEGMENTS = 8
LONGEST_S = 24 * 3600
LARGEST_SIDE = 8192
_RATES = (
    *(Fraction(halves, 2) for halves in range(2, 121)),
    *(Fraction(rate * 1000, 1001) for rate in (12, 15, 24, 30, 48, 60)),
)
_AV1_SHARE = 0.6
"""SVT-AV1 needs about 60 % of x264's bits for the same VMAF (measured: 0.62 at preset 6)."""


class AudioInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One sound track of a source."""

    stream: int
    """Among all streams of the source."""
    language: str
    """ISO 639-2, `und` where the source does not say."""
    title: str
    channels: int
    default: bool
    others: tuple[int, ...] = ()
    """Streams of its other channels, in order, where each channel is a track of its own."""
    left_out: int = 0
    """Tracks beside these that are alike, and in no sound."""


class SubtitleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One text subtitle track inside a source."""

    stream: int
    """Among all streams of the source."""
    language: str
    title: str
    forced: bool


class SourceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe found."""

    demuxer: str
    duration_s: float
    """Of the picture, as the container says."""
    video_stream: int
    """Among all streams: of the pictures, the one with most pixels."""
    video_start_s: float
    """First picture, relative to the container's start."""
    width: int
    """Displayed: after rotation and pixel aspect."""
    height: int
    frame_rate: tuple[int, int]
    interlaced: bool = False
    transfer: Literal["sdr", "pq", "hlg"] = "sdr"
    """Of light: `pq` and `hlg` are HDR."""
    start_s: float | None = None
    """Where the container's times begin; None in plans that an earlier release made and a job still holds."""
    sound_s: float = 0.0
    """Until when there is sound after the first picture, as the container says; 0 where it does not."""
    early_s: float = 0.0
    """How long there is sound before the first picture."""
    joined: bool = False
    """Whether its clock begins anew in the middle, as of recordings that were joined byte by byte."""
    audio: tuple[AudioInfo, ...] = ()
    subtitles: tuple[SubtitleInfo, ...] = ()


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition to make."""

    id: str
    codec: Codec
    width: int
    height: int
    cap_bps: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that must be known to encode any part of a source; nothing else is consulted later."""

    info: SourceInfo
    rungs: tuple[Rung, ...]
    """Largest first within a codec."""
    audio_codecs: tuple[Literal["aac", "opus"], ...]
    frame_rate: tuple[int, int]
    frames: int
    segment_frames: int
    timescale: int
    preset: str
    threads: int

    @property
    def frame_ticks(self) -> int:
        """Ticks of `timescale` that a frame lasts."""
        return self.timescale * self.frame_rate[1] // self.frame_rate[0]

    @property
    def chunk_frames(self) -> int:
        """Frames of a chunk."""
        return self.segment_frames * CHUNK_SEGMENTS

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.frames // self.chunk_frames)

    def span(self, number: int) -> tuple[int, int]:
        """The frames [start, end) of chunk `number`."""
        start = number * self.chunk_frames
        return start, min(self.frames, start + self.chunk_frames)

    @property
    def first_rung(self) -> Rung:
        """The one whose first segment is made before everything else."""
        return min(self.rungs, key=lambda rung: (rung.codec != "h264", rung.height, rung.cap_bps))

    def seconds(self, frame: int) -> float:
        """When `frame` begins."""
        return frame * self.frame_rate[1] / self.frame_rate[0]


def places_to_look(plan: Plan, reached: int, end: int) -> list[int]:
    """Where pictures may come again after a gap that begins at `reached`.

    Every segment of the chunk that ends at `end`; after it a few in ever larger steps, and the film's end.
    """
    step = plan.segment_frames
    near = list(range((reached // step + 1) * step, end, step))
    far = [end + step * ((1 << power) - 1) for power in range(plan.frames.bit_length())]
    last = (plan.frames - 1) // step * step - step
    return near + sorted({place for place in (*far, last) if end <= place < plan.frames})


class Planner(Protocol):
    """Decides how a source is encoded."""

    def plan(self, info: SourceInfo, trials: Sequence[Trial] = ()) -> Plan:
        """The plan for a source, from what trial encodes of it came to; pure.

        Raises BadSource when there is nothing to make.
        """
        ...


class LadderPlanner:
    """Rungs of a ladder in each codec: never scaled up, always even, square pixels."""

    def __init__(
        self,
        *,
        ladder: Ladder | None = None,
        codecs: tuple[Codec, ...] = ("h264",),
        preset: str = "veryfast",
        threads: int = 2,
    ) -> None:
        self._ladder = ladder or TableLadder()
        self._codecs = codecs
        self._preset = preset
        self._threads = threads

    def plan(self, info: SourceInfo, trials: Sequence[Trial] = ()) -> Plan:
        """The plan for a source."""
        _check(info)
        rate = snap_rate(Fraction(*info.frame_rate))
        frames = max(1, round(Fraction(info.duration_s) * rate))
        steps = self._ladder.steps(min(info.width, info.height), trials)
        return Plan(
            info=info,
            rungs=tuple(rung for codec in self._codecs for rung in _rungs(info, steps, codec)),
            audio_codecs=tuple("aac" if codec == "h264" else "opus" for codec in self._codecs),
            frame_rate=(rate.numerator, rate.denominator),
            frames=frames,
            segment_frames=max(1, round(SEGMENT_S * rate)),
            timescale=rate.numerator * -(-10_000 // rate.numerator),
            preset=self._preset,
            threads=self._threads,
        )


def snap_rate(rate: Fraction) -> Fraction:
    """The standard frame rate nearest to a measured one; faster than 60 becomes 60."""
    return min(_RATES, key=lambda known: abs(known - rate))


def _check(info: SourceInfo) -> None:
    if info.width < 16 or info.height < 16:
        raise BadSource(f"the picture is {info.width}x{info.height}; at least 16x16 is needed")
    if max(info.width, info.height) > LARGEST_SIDE:
        raise BadSource(f"the picture is {info.width}x{info.height}; the largest side may have {LARGEST_SIDE}")
    if not 0 < info.duration_s <= LONGEST_S:
        raise BadSource(f"the film lasts {info.duration_s:.1f} s; between 0 and {LONGEST_S} s can be encoded")


def _rungs(info: SourceInfo, steps: Sequence[Step], codec: Codec) -> list[Rung]:
    short = min(info.width, info.height)
    share = 1.0 if codec == "h264" else _AV1_SHARE
    seen = Counter(step.side for step in steps)
    return [
        Rung(
            id=f"v{step.side}-{codec}" if seen[step.side] == 1 else f"v{step.side}-{step.cap_bps // 1000}k-{codec}",
            codec=codec,
            width=_even(info.width * step.side / short),
            height=_even(info.height * step.side / short),
            cap_bps=round(step.cap_bps * share),
        )
        for step in steps
    ]


def _even(length: float) -> int:
    return max(16, 2 * round(length / 2))
