"""HLS and DASH say the same of a package, to parsers that are not ours."""

from __future__ import annotations

from xml.etree import ElementTree

import m3u8
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpegdash.parser import MPEGDASHParser

from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.contract import Package, Segment, Sprites, TextTrack, Track
from reelwright.media.core import dash, hls
from reelwright.media.core.language import (
    LONGEST_LABEL,
    clean_label,
    language_code,
    language_name,
    tag_of,
    variant_name,
)
from reelwright.media.core.renditions import menu_names, pairs

NS = {"mpd": "urn:mpeg:dash:schema:mpd:2011"}
BASE = "http://edge/m/k1.1700000000.1.ab&c/"
HOSTILE = st.text(max_size=100) | st.sampled_from(
    ['"', '",URI="http://evil/"', "\n#EXT-X-ENDLIST\n", "]]>", "<S/>", "\0\x0b", "\u2028"]
)


def segments(track: str, durations: list[int]) -> tuple[Segment, ...]:
    """Segments of these durations, each of a thousand bytes a tick."""
    return tuple(Segment(f"assets/x/{track}{index}.m4s", ticks, ticks) for index, ticks in enumerate(durations))


def video(height: int, codec: str, durations: list[int]) -> Track:
    """A picture track."""
    return Track(
        id=f"v{height}-{codec[:4]}", kind="video", codec=codec, timescale=12_800,
        init=f"assets/x/v{height}{codec[:4]}.mp4",
        segments=segments(f"v{height}{codec[:4]}", durations), peak_bps=height * 1000, average_bps=height * 900,
        width=height * 16 // 9, height=height, frame_rate=(25, 1),
    )  # fmt: skip


def sound(index: int, codec: str, language: str, label: str, durations: list[int]) -> Track:
    """A sound track, as the probe lets languages and labels through."""
    return Track(
        id=f"a{index}-{codec[:4]}", kind="audio", codec=codec, timescale=48_000,
        init=f"assets/x/a{index}{codec[:4]}.mp4",
        segments=segments(f"a{index}{codec[:4]}", durations), peak_bps=130_000, average_bps=128_000,
        language=language_code(language), label=clean_label(label), channels=2, sample_rate=48_000,
        default=index == 1,
    )  # fmt: skip


DURATIONS = st.lists(st.integers(1, 40_000), min_size=1, max_size=6)


@st.composite
def packages(draw: st.DrawFn) -> Package:
    """Any package: several languages, labels from hostile files, one or two codecs."""
    pictures, sounds = draw(DURATIONS), draw(DURATIONS)
    names = draw(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=3))
    codecs = draw(st.sampled_from([("avc1.64001f",), ("av01.0.05M.08",), ("avc1.64001f", "av01.0.05M.08")]))
    tracks = [video(height, codec, pictures) for codec in codecs for height in (360, 234)]
    for codec in codecs:
        partner = "mp4a.40.2" if codec.startswith("avc1") else "opus"
        tracks += [sound(index, partner, *name, sounds) for index, name in enumerate(names)]
    texts = [
        TextTrack(
            id=f"t{index}", language=language_code(language), label=clean_label(label), name=f"assets/x/{index}.vtt"
        )
        for index, (language, label) in enumerate(names)
    ]
    sprites = Sprites(names=("assets/x/s.jpg",), columns=5, rows=5, tile_width=160, tile_height=90, interval_s=2.0)
    return Package(
        asset_id=AssetId("x"), playable_id=PlayableId("p"), complete=draw(st.booleans()), duration_s=12.345,
        tracks=tuple(tracks), texts=tuple(texts), sprites=draw(st.sampled_from([None, sprites])),
    )  # fmt: skip


@given(packages())
def test_the_multivariant_playlist_offers_every_track_once(package: Package) -> None:
    """m3u8 reads it: a variant for each picture, a medium for each sound and text, names that tell them apart."""
    parsed = m3u8.loads(hls.multivariant(package, package.tracks, lambda track: f"{track}.m3u8"))
    assert [variant.uri for variant in parsed.playlists] == [
        f"{track.id}.m3u8" for videos, _ in pairs(package.tracks) for track in videos
    ]
    media = [(medium.type, medium.uri) for medium in parsed.media]
    wanted = [("AUDIO", f"{track.id}.m3u8") for track in package.tracks if track.kind == "audio"]
    assert sorted(media) == sorted([*wanted, *(("SUBTITLES", f"{text.id}.m3u8") for text in package.texts)])
    for group in {medium.group_id for medium in parsed.media}:
        names = [medium.name for medium in parsed.media if medium.group_id == group]
        assert len(set(names)) == len(names) and all(names)
        defaults = [medium for medium in parsed.media if medium.group_id == group and medium.default == "YES"]
        assert len(defaults) == (1 if group.startswith("audio") else 0)
    for variant in parsed.playlists:
        assert variant.stream_info.bandwidth >= variant.stream_info.average_bandwidth


@given(packages())
def test_media_playlists_name_every_segment_in_order(package: Package) -> None:
    """No EXTINF, rounded, exceeds the target; EVENT while it grows, VOD with an end when it is complete."""
    for track in package.tracks:
        text = hls.media(track, BASE, complete=package.complete)
        parsed = m3u8.loads(text)
        named = track.segments if package.complete else without_rest(track.segments)
        assert [row.uri for row in parsed.segments] == [BASE + segment.name for segment in named]
        assert parsed.segment_map[0].uri == BASE + track.init
        assert all(int(row.duration + 0.5) <= parsed.target_duration for row in parsed.segments)
        assert sum(row.duration for row in parsed.segments) == pytest.approx(
            sum(segment.duration for segment in named) / track.timescale, abs=1e-5
        )
        assert (parsed.playlist_type, parsed.is_endlist) == (("vod", True) if package.complete else ("event", False))


def without_rest(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """All but a last one that is shorter than the first."""
    return segments[:-1] if segments[-1].duration < segments[0].duration else segments


def test_a_growing_playlist_ends_with_a_whole_segment() -> None:
    """A rest of 8 ms would have shaka-player ask again after 8 ms; once the film is whole, it is there."""
    track = sound(0, "mp4a.40.2", "en", "", [96_000, 96_000, 384])
    assert [row.duration for row in m3u8.loads(hls.media(track, BASE, complete=False)).segments] == [2, 2]
    assert [row.duration for row in m3u8.loads(hls.media(track, BASE, complete=True)).segments] == [2, 2, 0.008]


@given(packages(), st.integers(1, 5))
def test_an_event_playlist_only_grows(package: Package, count: int) -> None:
    """What a player has read stays as it was (RFC 8216, section 6.2.1)."""
    whole = package.tracks[0]
    part = msgspec.structs.replace(whole, segments=whole.segments[:count])
    longer = hls.media(whole, BASE, complete=False)
    shorter = hls.media(part, BASE, complete=False)
    assert longer.split("#EXT-X-MAP")[1].startswith(shorter.split("#EXT-X-MAP")[1].rstrip("\n"))


@given(packages())
def test_the_mpd_names_the_same_segments_as_the_playlists(package: Package) -> None:
    """One set of segments: mpegdash reads the same names, times and sums as m3u8 does."""
    text = dash.manifest(package, package.tracks, BASE)
    period = MPEGDASHParser.parse(text).periods[0]
    ids = [adaptation.id for adaptation in period.adaptation_sets]
    assert ids == list(range(len(ids)))
    found = {
        representation.id: representation
        for adaptation in period.adaptation_sets
        for representation in adaptation.representations
    }
    assert set(found) - {"tiles"} == {track.id for track in package.tracks} | {text.id for text in package.texts}
    for track in package.tracks:
        (listed,) = found[track.id].segment_lists
        assert [url.media for url in listed.segment_urls] == [segment.name for segment in track.segments]
        times = [entry.d for entry in listed.segment_timelines[0].Ss]
        assert times == [segment.duration for segment in track.segments]
        assert listed.initializations[0].source_url == track.init
        assert listed.timescale == track.timescale


@given(packages())
def test_labels_reach_the_player_as_they_are(package: Package) -> None:
    """XML and quoted strings are escaped, so that a label is text and nothing else."""
    root = ElementTree.fromstring(dash.manifest(package, package.tracks, BASE))
    shown = [label.text for label in root.iterfind(".//mpd:AdaptationSet[@contentType='text']/mpd:Label", NS)]
    assert shown == list(menu_names(package.texts).values())
    assert root.findtext(".//mpd:BaseURL", namespaces=NS) == BASE


@given(HOSTILE)
def test_a_label_is_one_visible_line(text: str) -> None:
    """Control and direction signs of a hostile file go; what can be seen stays."""
    label = clean_label(text)
    assert len(label) <= LONGEST_LABEL and label == " ".join(label.split())
    assert not any(ord(sign) < 32 or 0xD800 <= ord(sign) < 0xE000 for sign in label)
    assert clean_label(label) == label


@given(HOSTILE)
def test_a_language_is_three_letters_and_nothing_else(text: str) -> None:
    """It goes into the movie header and into manifests without quotes of its own."""
    code = language_code(text)
    assert len(code) == 3 and code.isascii() and code.isalpha() and code.islower()


@pytest.mark.parametrize(
    ("said", "code", "tag"),
    [
        ("en", "eng", "en"),
        ("GER", "ger", "de"),
        ("zho", "zho", "zh"),
        ("gsw", "gsw", "gsw"),
        ("xx", "und", "und"),
        ("hu", "hun", "hu"),
        ("pt-BR", "por", "pt"),
        ("zh_Hant_TW", "zho", "zh"),
    ],
)
def test_languages_are_three_letters_inside_and_bcp_47_outside(said: str, code: str, tag: str) -> None:
    """ISO 639-2 in MP4, RFC 5646 in manifests."""
    assert (language_code(said), tag_of(language_code(said))) == (code, tag)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("pt-BR", "Português (Brasil)"),
        ("es-419", "Español (Latinoamérica)"),
        ("zh-Hant-TW", "中文 (繁體, TW)"),
        ("sr-Latn", "Српски (Latn)"),
        ("gsw-CH", "gsw (CH)"),
        ("en", ""),
        ("xx-YY", ""),
        ("en-<b>", ""),
    ],
)
def test_variants_of_a_language_are_told_apart(tag: str, name: str) -> None:
    """Two Portuguese subtitles are no choice while both are called that."""
    assert variant_name(tag) == name


def test_a_language_is_called_what_its_speakers_call_it() -> None:
    """By any of its codes; the unknown keeps its code."""
    names = {code: language_name(code) for code in ("hun", "ger", "deu", "ind", "nob", "gsw", "und")}
    assert names == {
        "hun": "Magyar", "ger": "Deutsch", "deu": "Deutsch", "ind": "Bahasa Indonesia", "nob": "Norsk bokmål",
        "gsw": "gsw", "und": "Original",
    }  # fmt: skip


def test_equal_names_are_numbered() -> None:
    """Two English tracks without a title must be told apart in the menu."""
    tracks = [
        sound(index, "mp4a.40.2", "eng", label, [1]) for index, label in enumerate(["", "", "English 2", "Talk"])
    ]
    assert list(menu_names(tracks).values()) == ["English", "English 2", "English 2 2", "Talk"]


def test_subtitles_are_one_segment_as_long_as_the_film() -> None:
    """Native players ask for a playlist; everybody else takes the file."""
    parsed = m3u8.loads(hls.subtitles(TextTrack(id="t0", language="eng", label="", name="x.vtt"), BASE, 7261.5))
    assert [(row.uri, row.duration) for row in parsed.segments] == [(BASE + "x.vtt", 7261.5)]
    assert parsed.is_endlist and parsed.target_duration >= 7261
