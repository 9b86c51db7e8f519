"""CMAF segments: what is written can be read again, by ourselves here and by others in tests/integration/media."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.contract import BadSource
from reelwright.media.core import cmaf
from reelwright.media.core.sound import PIECE_SEGMENTS, Cut, Cutter

AVC1 = cmaf.box(b"avc1", bytes(78), cmaf.box(b"avcC", bytes([1, 0x64, 0, 0x1F, 0xFF])))
OPUS = cmaf.box(b"Opus", bytes(28), cmaf.box(b"dOps", bytes([0, 2]) + struct.pack(">H", 312) + bytes(7)))
SAMPLES = st.lists(
    st.builds(
        cmaf.Sample, st.binary(max_size=40), st.integers(1, 1 << 20), st.integers(-1000, 1000), st.booleans()
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


def file_of(samples: list[cmaf.Sample], *, entry: bytes = AVC1, each: int = 3) -> bytes:
    """A fragmented file, as an encoder writes it."""
    init = cmaf.write_init(cmaf.Essence(90_000, entry, ()), width=16 if entry == AVC1 else 0, height=16)
    start, parts = 0, [init]
    for number, cut in enumerate(range(0, len(samples), each)):
        some = samples[cut : cut + each]
        parts.append(cmaf.write_segment(some, number=number, start=start))
        start += sum(sample.duration for sample in some)
    return b"".join(parts)


def unshifted(samples: list[cmaf.Sample], each: int) -> list[tuple[bytes, int, int, bool]]:
    """What a reader must see: offsets count from each segment's first."""
    return [
        (s.data, s.duration, s.offset - samples[index // each * each].offset, s.sync)
        for index, s in enumerate(samples)
    ]


@given(SAMPLES, st.integers(1, 5))
def test_what_is_written_is_read_again(samples: list[cmaf.Sample], each: int) -> None:
    """Data, durations, offsets and sync flags of every sample."""
    essence = cmaf.read_essence(file_of(samples, each=each))
    assert [(s.data, s.duration, s.offset, s.sync) for s in essence.samples] == unshifted(samples, each)
    assert essence.timescale == 90_000
    assert cmaf.codec_string(essence.entry) == "avc1.64001f"


@given(SAMPLES, st.lists(st.integers(0, 2000), max_size=6))
def test_a_growing_file_gives_the_same_samples_however_it_grows(samples: list[cmaf.Sample], cuts: list[int]) -> None:
    """The reader follows an encoder that is still writing."""
    data = file_of(samples)
    reader, seen, before = cmaf.Reader(), [], 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        seen += reader.feed(data[before:cut])
        before = cut
    assert seen == list(cmaf.read_essence(data).samples)


@given(SAMPLES, st.data())
def test_a_broken_file_is_an_error_that_says_so(samples: list[cmaf.Sample], data: st.DataObject) -> None:
    """Never an exception that nobody expects, and never more than there is."""
    broken = bytearray(file_of(samples))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = cmaf.read_essence(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
    except BadSource as error:
        assert str(error)
    else:
        assert sum(len(sample.data) for sample in read.samples) <= len(broken) * max(1, len(read.samples))


@given(st.binary(max_size=300))
def test_noise_is_an_error(noise: bytes) -> None:
    """There is no movie header in it."""
    with pytest.raises(BadSource):
        cmaf.read_essence(noise)


@given(SAMPLES, st.integers(0, 1 << 40))
def test_a_segment_begins_at_its_exact_tick(samples: list[cmaf.Sample], start: int) -> None:
    """The decode time is 64 bits wide, and the first picture is shown when it is decoded."""
    data = cmaf.write_segment(samples, number=7, start=start)
    at = data.index(b"tfdt")
    assert struct.unpack_from(">Q", data, at + 8)[0] == start
    assert struct.unpack_from(">i", data, data.index(b"trun") + 16 + 12)[0] == 0


def test_bit_rates_are_dropped_from_the_sample_entry() -> None:
    """Chunks of one rendition differ in nothing else, and must share one initialisation segment."""
    with_rate = cmaf.box(
        b"avc1", bytes(78), cmaf.box(b"avcC", bytes([1, 0x64, 0, 0x1F])), cmaf.box(b"btrt", bytes(12))
    )
    file = cmaf.write_init(cmaf.Essence(1, with_rate, ()), width=2, height=2)
    assert b"btrt" not in cmaf.read_essence(file).entry


def test_the_priming_of_aac_is_left_out() -> None:
    """Time 0 is where the sound begins, without an edit list; a track of one packet keeps it."""
    mp4a = cmaf.box(b"mp4a", bytes(28))
    samples = [cmaf.Sample(bytes([index]), 1024, 0, True) for index in range(5)]
    (cut,) = Cutter().feed(file_of(samples, entry=mp4a), last=True)
    assert [sample.data for sample in cut.samples] == [b"\1", b"\2", b"\3", b"\4"] and cut.ticks == 0
    (alone,) = Cutter().feed(file_of(samples[:1], entry=mp4a), last=True)
    assert len(alone.samples) == 1
    assert b"elst" not in cmaf.write_init(cmaf.Essence(48_000, mp4a, ()), language="deu")


@given(st.lists(st.integers(1, 5000), max_size=40), st.integers(1, 4000))
def test_sound_is_cut_at_the_same_places_however_it_arrives(cuts: list[int], count: int) -> None:
    """A run that is killed and done again publishes the same pieces, whatever the disk's rhythm was."""
    samples = [cmaf.Sample(struct.pack(">I", index), 1920, 0, True) for index in range(count)]
    data = file_of(samples, entry=OPUS, each=50)
    whole = [*Cutter().feed(data, last=True)]
    cutter, parts, before = Cutter(), list[Cut](), 0
    for cut in [*sorted(cuts), len(data)]:
        parts += cutter.feed(data[before:cut])
        before = max(before, cut)
    parts += cutter.feed(b"", last=True)
    assert parts == whole
    assert [sample for part in whole for sample in part.samples] == samples
    assert [part.number for part in whole] == [0, *range(1, 1 + PIECE_SEGMENTS * (len(whole) - 1), PIECE_SEGMENTS)][
        : len(whole)
    ]
