"""CMAF (ISO/IEC 23000-19) in pure Python: read what an encoder wrote, write segments with our own times.

ffmpeg ignores time offsets when it writes fragments without a movie header's durations, so samples are taken from its
output in decoding order and written again: a chunk starts at its exact tick, the first picture's presentation time is
its decoding time (signed composition offsets, brand `cmf2`), and a segment holds what the plan says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import msgspec

from reelwright.media.contract import BadSource

SYNC, NOT_SYNC = 0x02000000, 0x01010000
"""Sample flags (ISO/IEC 14496-12, 8.8.3.1): depends on nothing; depends on others and is no sync sample."""


class Sample(msgspec.Struct, frozen=True):
    """One coded picture or sound frame."""

    data: bytes
    duration: int
    offset: int
    """Composition offset in ticks."""
    sync: bool


class Essence(msgspec.Struct, frozen=True):
    """What one file of an encoder holds: how to decode it, and its samples in decoding order."""

    timescale: int
    entry: bytes
    """The sample entry box (`avc1`, `av01`, `mp4a`, `Opus`), without bit rates."""
    samples: tuple[Sample, ...]


def boxes(data: memoryview, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, payload start and end of each box in a range. Raises BadSource when one is cut off."""
    end = len(data) if end is None else end
    while start < end:
        if end - start < 8:
            raise BadSource(f"a box at byte {start} is cut off")
        size, header = struct.unpack_from(">I", data, start)[0], 8
        kind = bytes(data[start + 4 : start + 8])
        if size == 1 and end - start >= 16:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        elif size == 0:
            size = end - start
        if size < header or start + size > end:
            raise BadSource(f"box {kind!r} at byte {start} claims {size} bytes, {end - start} are there")
        yield kind, start + header, start + size
        start += size


class Reader:
    """Reads the single track of a fragmented MP4 while an encoder still writes it."""

    def __init__(self) -> None:
        self.timescale = 0
        self.entry = b""
        self._held = b""

    def feed(self, data: bytes) -> list[Sample]:
        """Take the next bytes of the file; returns the samples of the fragments that are whole now."""
        try:
            return self._feed(data)
        except (struct.error, ValueError, IndexError) as error:
            raise BadSource(f"the encoder wrote a broken file: {error}") from error

    def _feed(self, data: bytes) -> list[Sample]:
        self._held += data
        view = memoryview(self._held)
        samples: list[Sample] = []
        moof: tuple[int, int] | None = None
        used = 0
        for kind, start, end in boxes(view, end=_whole(view)):
            if kind == b"moov":
                self._read_header(view, start, end)
            elif kind == b"moof":
                moof = (start, end)
                continue
            elif kind == b"mdat" and moof:
                samples.extend(_samples(view, *moof))
            used = end
        self._held = bytes(view[used:])
        return samples

    def _read_header(self, view: memoryview, start: int, end: int) -> None:
        tracks = _find(view, start, end, b"trak")
        if len(tracks) != 1:
            raise BadSource(f"the encoder wrote {len(tracks)} tracks into a file of one")
        (mdhd,) = _find(view, *tracks[0], b"mdia", b"mdhd")
        self.timescale = struct.unpack_from(">I", view, mdhd[0] + (20 if view[mdhd[0]] == 1 else 12))[0]
        (stsd,) = _find(view, *tracks[0], b"mdia", b"minf", b"stbl", b"stsd")
        self.entry = _without_bit_rate(bytes(view[stsd[0] + 8 : stsd[1]]))


def read_essence(data: bytes) -> Essence:
    """The single track of a whole fragmented MP4."""
    reader = Reader()
    samples = reader.feed(data)
    if not reader.timescale:
        raise BadSource("the encoder wrote no movie header")
    return Essence(reader.timescale, reader.entry, tuple(samples))


def _whole(view: memoryview) -> int:
    """How many bytes at the start are boxes that are all there."""
    at = 0
    while len(view) - at >= 8:
        size = struct.unpack_from(">I", view, at)[0]
        if size == 1 and len(view) - at >= 16:
            size = struct.unpack_from(">Q", view, at + 8)[0]
        if size < 8 or at + size > len(view):
            break
        at += size
    return at


def _find(view: memoryview, start: int, end: int, *path: bytes) -> list[tuple[int, int]]:
    found = [(a, b) for kind, a, b in boxes(view, start, end) if kind == path[0]]
    if len(path) == 1:
        return found
    return [inner for a, b in found for inner in _find(view, a, b, *path[1:])]


def _without_bit_rate(entry: bytes) -> bytes:
    """The entry without `btrt`: chunks of one rendition differ in nothing else."""
    view = memoryview(entry)
    kind = entry[4:8]
    fixed = 8 + (28 if kind in (b"mp4a", b"Opus", b"fLaC") else 78)
    kept = b"".join(
        bytes(view[start - 8 : end]) for name, start, end in boxes(view, fixed, len(entry)) if name != b"btrt"
    )
    return struct.pack(">I", fixed + len(kept)) + entry[4:fixed] + kept


def _samples(view: memoryview, start: int, end: int) -> Iterator[Sample]:
    moof = start - 8
    for traf_start, traf_end in _find(view, start, end, b"traf"):
        (tfhd,) = _find(view, traf_start, traf_end, b"tfhd")
        defaults = _tfhd(view, tfhd[0])
        for trun, _ in _find(view, traf_start, traf_end, b"trun"):
            yield from _trun(view, trun, moof, *defaults)


def _tfhd(view: memoryview, at: int) -> tuple[int, int, int]:
    flags = struct.unpack_from(">I", view, at)[0] & 0xFFFFFF
    at += 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
    values = []
    for bit in (0x8, 0x10, 0x20):
        values.append(struct.unpack_from(">I", view, at)[0] if flags & bit else 0)
        at += 4 if flags & bit else 0
    return values[0], values[1], values[2]


def _trun(view: memoryview, at: int, moof: int, duration: int, size: int, flags: int) -> Iterator[Sample]:
    word, count = struct.unpack_from(">II", view, at)
    at += 8
    position = moof
    if word & 0x1:
        position += struct.unpack_from(">i", view, at)[0]
        at += 4
    first_flags = flags
    if word & 0x4:
        first_flags = struct.unpack_from(">I", view, at)[0]
        at += 4
    for index in range(count):
        row = [duration, size, first_flags if index == 0 else flags, 0]
        for place, bit in enumerate((0x100, 0x200, 0x400, 0x800)):
            if word & bit:
                row[place] = struct.unpack_from(">i" if bit == 0x800 else ">I", view, at)[0]
                at += 4
        if not 0 <= position <= position + row[1] <= len(view):
            raise BadSource(
                f"a sample of {row[1]} bytes at {position} lies outside of the {len(view)} that are there"
            )
        yield Sample(bytes(view[position : position + row[1]]), row[0], row[3], not row[2] & 0x10000)
        position += row[1]


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box with its size."""
    payload = b"".join(parts)
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def write_init(essence: Essence, *, width: int = 0, height: int = 0, language: str = "und") -> bytes:
    """The initialisation segment.

    It has no edit list: ffmpeg's DASH demuxer applies one to every segment, and players differ about it.
    """
    video = width > 0
    matrix = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    tkhd = full_box(
        b"tkhd", 0, 3, struct.pack(">IIIII", 0, 0, 1, 0, 0), bytes(8),
        struct.pack(">hhhH", 0, 0, 0 if video else 0x100, 0), matrix, struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    handler = (b"vide", b"video\0") if video else (b"soun", b"sound\0")
    media_header = full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4))
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), essence.entry),
        *(full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco")),
        full_box(b"stsz", 0, 0, bytes(8)),
    )
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, essence.timescale, 0, _packed(language), 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler[0], bytes(12), handler[1]),
        box(
            b"minf",
            media_header,
            box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
            table,
        ),
    )
    mvhd = full_box(
        b"mvhd", 0, 0, struct.pack(">IIIIIH", 0, 0, essence.timescale, 0, 0x10000, 0x100), bytes(10), matrix,
        bytes(24), struct.pack(">I", 2),
    )  # fmt: skip
    extends = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0)))
    brands = box(b"ftyp", b"iso6", bytes(4), b"iso6cmf2cmfcdashmp41")
    return brands + box(b"moov", mvhd, box(b"trak", tkhd, media), extends)


def _packed(language: str) -> int:
    """ISO 639-2/T in three times five bits."""
    code = language if len(language) == 3 and language.isascii() and language.islower() else "und"
    return sum((ord(letter) - 0x60) << shift for letter, shift in zip(code, (10, 5, 0), strict=True))


def write_segment(samples: Sequence[Sample], *, number: int, start: int) -> bytes:
    """A media segment whose first sample is decoded and shown at tick `start`."""
    shift = samples[0].offset
    rows = b"".join(
        struct.pack(">IIIi", s.duration, len(s.data), SYNC if s.sync else NOT_SYNC, s.offset - shift) for s in samples
    )
    tfhd = full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 1))
    tfdt = full_box(b"tfdt", 1, 0, struct.pack(">Q", start))
    mfhd = full_box(b"mfhd", 0, 0, struct.pack(">I", number))
    trun_size = 8 + 4 + 4 + 4 + len(rows)
    moof_size = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + trun_size
    trun = full_box(b"trun", 1, 0xF01, struct.pack(">Ii", len(samples), moof_size + 8), rows)
    styp = box(b"styp", b"msdh", bytes(4), b"msdhmsixcmfs")
    return b"".join(
        (styp, box(b"moof", mfhd, box(b"traf", tfhd, tfdt, trun)), box(b"mdat", *(s.data for s in samples)))
    )


def codec_string(entry: bytes) -> str:
    """RFC 6381 codec of a sample entry. Raises BadSource for one we do not make."""
    view = memoryview(entry)
    kind = entry[4:8]
    if kind == b"Opus":
        return "opus"
    if kind == b"mp4a":
        return "mp4a.40.2"
    children = {name: bytes(view[start:end]) for name, start, end in boxes(view, 86, len(entry))}
    if kind == b"avc1" and b"avcC" in children:
        return f"avc1.{children[b'avcC'][1:4].hex()}"
    if kind == b"av01" and b"av1C" in children:
        second, third = children[b"av1C"][1], children[b"av1C"][2]
        depth = 12 if third & 0x20 else 10 if third & 0x40 else 8
        return f"av01.{second >> 5}.{second & 31:02}{'H' if third & 0x80 else 'M'}.{depth:02}"
    raise BadSource(f"the encoder wrote {kind!r}, which we do not publish")


def priming_packets(entry: bytes) -> int:
    """Packets at the start of a sound track that come before its first moment: one for ffmpeg's AAC encoder.

    Opus decoders skip theirs by themselves (`dOps`, pre-skip).
    """
    return 1 if entry[4:8] == b"mp4a" else 0
