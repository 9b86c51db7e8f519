"""Runs in a process of its own: opens one hostile file with PyAV and prints what it is as JSON.

PyAV's wheel carries codecs under the GPL and a parser for every container; both stay in this process, which has
limits on memory, time and files, and can write nothing.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

MEMORY_BYTES = 3 << 30
CPU_S = 60
MOST_TRACKS = 32
"""Of each kind; a file that claims thousands is not a film."""
LONGEST_TEXT = 200
LOOK_S = 20
"""A picture is looked for in this much of the beginning."""
ROLES = {"comment": "commentary", "visual_impaired": "audio description", "hearing_impaired": "SDH"}
"""What a track may be beside the film's own sound and words."""
TEXT_CODECS = ("subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text")


def main() -> None:
    """`probe_child.py DEMUXER FILE`."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    import av

    demuxer, file = sys.argv[1:3]
    try:
        with opened(demuxer, file) as source:
            print(json.dumps(describe(source, lambda: opened(demuxer, file))))
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        print(json.dumps({"error": str(getattr(error, "strerror", "") or error)[:LONGEST_TEXT]}))


def opened(demuxer: str, file: str) -> Any:
    """The container, from its beginning."""
    import av

    return av.open(f"file:{file}", format=demuxer, options={"protocol_whitelist": "file"}, metadata_errors="replace")


def describe(source: Any, again: Callable[[], Any]) -> dict[str, Any]:
    """What an open container holds; `again` opens it anew, since not every container can be rewound."""
    start = source.start_time or 0
    return {
        "duration_s": (source.duration or 0) / 1_000_000,
        "start_s": start / 1_000_000,
        "video": [
            video(stream, start, source.duration, again)
            for stream in source.streams.video[:MOST_TRACKS]
            if not has(stream, "attached_pic")
        ],
        "audio": [
            {
                **common(stream),
                "start_s": start_of(stream, start),
                "channels": stream.channels or 2,
                "duration_s": float((stream.duration or 0) * (stream.time_base or 0)),
                "default": has(stream, "default"),
                "decodable": stream.codec_context is not None and (stream.rate or 0) > 0,
            }
            for stream in source.streams.audio[:MOST_TRACKS]
        ],
        "subtitles": [
            {**common(stream), "text": codec_of(stream) in TEXT_CODECS, "forced": has(stream, "forced")}
            for stream in source.streams.subtitles[:MOST_TRACKS]
        ],
    }


def common(stream: Any) -> dict[str, Any]:
    """What every track has."""
    return {
        "stream": stream.index,
        "codec": codec_of(stream),
        "language": (stream.language or "und")[:LONGEST_TEXT],
        "title": stream.metadata.get("title", "")[:LONGEST_TEXT],
        "role": next((name for mark, name in ROLES.items() if has(stream, mark)), ""),
    }


def start_of(stream: Any, start: int) -> float:
    """When a track begins, in seconds after the container's `start` in microseconds."""
    return max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)) - start / 1_000_000)


def has(stream: Any, disposition: str) -> bool:
    """Whether the container marks the track so."""
    return bool(stream.disposition & getattr(stream.disposition.__class__, disposition))


def codec_of(stream: Any) -> str:
    """The codec's name, or `unknown codec`."""
    return stream.codec_context.name if stream.codec_context is not None else "unknown codec"


def video(stream: Any, start: int, length: int | None, again: Callable[[], Any]) -> dict[str, Any]:
    """One picture track, its size as displayed; `start` and `length` are the container's, in microseconds."""
    context = stream.codec_context
    width, height = (context.width, context.height) if context else (0, 0)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if aspect > 0:
        width = round(width * aspect)
    frame = first_frame(stream.index, again) if context else None
    if frame is not None and int(frame.rotation) % 180 == 90:
        width, height = height, width
    seconds = float((stream.duration or 0) * (stream.time_base or 0))
    start_s = start_of(stream, start)
    rate = stream.guessed_rate or stream.average_rate or stream.base_rate or Fraction(25)
    duration_s = seconds or max(0.0, (length or 0) / 1_000_000 - start_s)
    return {
        **common(stream),
        "width": width,
        "height": height,
        "rate": [rate.numerator, rate.denominator],
        "duration_s": duration_s or last_packet_s(stream.index, again),
        "start_s": start_s,
        "decodable": frame is not None,
        "interlaced": frame is not None and bool(frame.interlaced_frame),
        "transfer": int(frame.color_trc) if frame is not None else 2,
    }


def first_frame(index: int, again: Callable[[], Any]) -> Any:
    """The first picture of a track that can be decoded, or None."""
    import av

    with again() as source:
        stream = source.streams[index]
        stream.codec_context.thread_count = 1
        for packet in source.demux(stream):
            with contextlib.suppress(av.error.FFmpegError):
                frames = packet.decode()
                if frames:
                    return frames[0]
            if packet.pts is not None and float((packet.pts - (stream.start_time or 0)) * packet.time_base) > LOOK_S:
                break
    return None


def last_packet_s(index: int, again: Callable[[], Any]) -> float:
    """Where a track ends, by reading all packets: for recordings that never wrote their length down."""
    first, last = None, 0
    with again() as source:
        stream = source.streams[index]
        for packet in source.demux(stream):
            if packet.pts is not None:
                first = packet.pts if first is None else min(first, packet.pts)
                last = max(last, packet.pts + (packet.duration or 0))
        return float((last - (first or 0)) * stream.time_base)


if __name__ == "__main__":
    main()
