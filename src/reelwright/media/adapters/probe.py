"""Looking at a source: first bytes here, everything else in a confined child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from reelwright.media.adapters.sandbox import bare_environ, confined
from reelwright.media.adapters.sources import open_source
from reelwright.media.contract import BadSource
from reelwright.media.core.channels import one_sound
from reelwright.media.core.clock import BLOCK_BYTES, begins_anew, clocks
from reelwright.media.core.container import HEAD_BYTES, demuxer_of
from reelwright.media.core.language import clean_label, language_code, language_name
from reelwright.media.core.plan import AudioInfo, SourceInfo, SubtitleInfo

TIMEOUT_S = 90
_LOOKS = 64
"""At the clock of a stream, between its beginning and its end."""
STILLS = ("mjpeg", "png", "bmp", "webp", "gif", "tiff")
CHILD = Path(__file__).with_name("probe_child.py")
TRANSFERS = {16: "pq", 18: "hlg"}
"""Transfer characteristics of ITU-T H.273 that are high dynamic range."""


def probe(path: Path, *, name: str | None = None) -> SourceInfo:
    """What `path` holds; `name` is what the person calls it. Raises BadSource."""
    shown = name or path.name
    with open_source(path, shown) as file:
        demuxer = demuxer_of(file.read(HEAD_BYTES), shown)
        joined = demuxer in ("mpegts", "mpeg") and begins_anew(clocks(demuxer, block) for block in _blocks(file))
    info = _source_info(_ask_child(demuxer, path.absolute(), shown), demuxer, shown)
    return msgspec.structs.replace(info, joined=joined)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Some of a file from its beginning to its end: reading it all would take minutes."""
    size = file.seek(0, os.SEEK_END)
    length = min(BLOCK_BYTES, size // _LOOKS + HEAD_BYTES)
    for number in range(_LOOKS):
        file.seek(max(0, size - length) * number // (_LOOKS - 1))
        yield file.read(length)


def _ask_child(demuxer: str, path: Path, shown: str) -> dict[str, Any]:
    command = confined([sys.executable, "-I", str(CHILD), demuxer, str(path)], readable=[path, CHILD], writable=[])
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env=bare_environ(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadSource(f"{shown} could not be understood within {TIMEOUT_S} s") from None
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise BadSource(f"{shown} could not be understood: the probe ended with {done.returncode}") from None
    if "error" in found:
        raise BadSource(f"{shown} is damaged or cut off: {found['error']}; copy the film again")
    return found


def _source_info(found: dict[str, Any], demuxer: str, shown: str) -> SourceInfo:
    video = _picture(found, shown)
    duration_s = video["duration_s"] or found["duration_s"]
    if duration_s <= 0:
        raise BadSource(f"{shown} does not say how long it is; it may be cut off: copy the film again")
    start_s, sounds = round(video["start_s"], 6), [row for row in found["audio"] if row["decodable"]]
    return SourceInfo(
        demuxer=demuxer,
        duration_s=duration_s,
        video_stream=video["stream"],
        video_start_s=start_s,
        start_s=found["start_s"],
        width=video["width"],
        height=video["height"],
        frame_rate=(video["rate"][0], video["rate"][1]),
        interlaced=video["interlaced"],
        transfer=TRANSFERS.get(video["transfer"], "sdr"),  # type: ignore[arg-type]  # values of TRANSFERS
        sound_s=max(
            (row["start_s"] + row["duration_s"] - start_s for row in sounds if row["duration_s"]), default=0.0
        ),
        early_s=max((start_s - row["start_s"] for row in sounds), default=0.0),
        audio=_sounds(sounds),
        subtitles=tuple(
            SubtitleInfo(
                stream=row["stream"],
                language=language_code(row["language"]),
                title=_title(row),
                forced=row["forced"],
            )
            for row in found["subtitles"]
            if row["text"]
        ),
    )


def _sounds(rows: list[dict[str, Any]]) -> tuple[AudioInfo, ...]:
    own = [row for row in rows if row["role"] not in ("commentary", "audio description")] or rows
    usual = next((row for row in own if row["default"]), own[0]) if own else None
    tracks = tuple(
        AudioInfo(
            stream=row["stream"],
            language=language_code(row["language"]),
            title=_title(row),
            channels=row["channels"],
            default=row is usual,
        )
        for row in rows
    )
    uncompressed = all(row["codec"].startswith("pcm_") for row in rows)
    return one_sound(tracks) if uncompressed else tracks


def _title(row: dict[str, Any]) -> str:
    """What menus call a track that its language does not tell apart; else empty."""
    role = f"{language_name(language_code(row['language']))} ({row['role']})" if row["role"] else ""
    return clean_label(row["title"]) or role


def _picture(found: dict[str, Any], shown: str) -> dict[str, Any]:
    """The picture track with most pixels, the first of equals; a film before a cover that is not marked as one."""
    pictures: list[dict[str, Any]] = found["video"]
    seen = [row for row in pictures if row["width"] > 0 and row["decodable"]]
    if seen:
        return max(seen, key=lambda row: (row["codec"] not in STILLS, row["width"] * row["height"], -row["stream"]))
    if pictures:
        raise BadSource(
            f"not one picture of {shown} can be decoded ({pictures[0]['codec']}); it is damaged, or in a format we "
            "cannot read: copy the film again or convert it"
        )
    what = "only sound" if found["audio"] else "no picture and no sound"
    raise BadSource(f"{shown} holds {what}; a film needs a picture")
