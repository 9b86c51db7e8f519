"""Which container a file is in, by its first bytes alone.

A source's name and its own claims are not believed: the demuxer is chosen here and forced, so that a playlist or a
concat script dressed as a film can never make the encoder open other files.
"""

from __future__ import annotations

from reelwright.media.contract import BadSource

HEAD_BYTES = 4096
"""How much of a file's start is needed to tell."""


def demuxer_of(head: bytes, name: str) -> str:
    """ffmpeg's demuxer for a file that starts with `head`. Raises BadSource, naming what it is instead."""
    if not head:
        raise BadSource(f"{name} is empty (0 bytes); copy the film again")
    found = _known(head)
    if found:
        return found
    if head[:4] == b"\x00\x00\x01\xb3":
        raise BadSource(f"{name} is pictures without a container, which do not say how long they are; make it a .mkv")
    if head.lstrip()[:7] in (b"#EXTM3U", b"ffconca"):
        raise BadSource(f"{name} is a playlist, not a film; add the film files that it names")
    if _is_text(head):
        raise BadSource(f"{name} is a text file, not a film")
    raise BadSource(
        f"{name} is in no container we know (MP4, MOV, Matroska, WebM, AVI, MPEG, MXF, DV, FLV, Ogg, ASF)"
    )


def _known(head: bytes) -> str | None:
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"):
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF":
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])
    if head[:4] == b"\x00\x00\x01\xba":
        return "mpeg"
    if head[:13] == b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01":
        return "mxf"
    if head[:3] == b"\x1f\x07\x00" and head[3] & 0x7F == 0x3F:
        return "dv"
    if head[:3] == b"FLV":
        return "flv"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:8] == b"\x30\x26\xb2\x75\x8e\x66\xcf\x11":
        return "asf"
    if head[:3] == b"ID3" or head[:2] in (b"\xff\xfb", b"\xff\xf3"):
        return "mp3"
    if head[:4] == b"fLaC":
        return "flac"
    if any(head[at : at + 2 * step + 1 : step] == b"GGG" for at, step in ((0, 188), (4, 192))):
        return "mpegts"
    return None


def _is_text(head: bytes) -> bool:
    return not any(byte < 9 or 13 < byte < 32 for byte in head[:512])
