"""The output, judged by code that is not ours: ffmpeg's own HLS and DASH demuxers, m3u8, mpegdash."""

from __future__ import annotations

from pathlib import Path

import m3u8
import numpy as np
import pytest
from mpegdash.parser import MPEGDASHParser
from tests.films import H264, Films, frame_hashes, misplaced, pictures_of, run_ffmpeg, sound_of
from tests.integration.media.conftest import Packaged, Packaging

from reelwright.media.adapters.probe import probe
from reelwright.media.contract import Track

SRT = "1\n00:00:01,000 --> 00:00:02,500\nGrüße\n"
SECONDS = 21.0


@pytest.fixture(scope="session")
def two_codecs(films: Films, packaged: Packaging) -> Packaged:
    """A film of two chunks, two languages, the second marked as usual, and two subtitles, for both codec families."""
    tone, higher = "sine=sample_rate=48000", f"sine=frequency=880:sample_rate=48000:duration={SECONDS}"
    inside = films.make("two.mkv", *H264, "-c:a", "flac", seconds=SECONDS, sound=tone)
    beside = inside.with_name("two.de.srt")
    beside.write_bytes(SRT.encode("cp1252"))
    source = inside.with_name("languages.mkv")
    run_ffmpeg(
        "-i", inside, "-f", "lavfi", "-i", higher, "-i", _utf8(beside),
        "-map", "0:v", "-map", "0:a", "-map", "1:a", "-map", "2:s", "-c:v", "copy", "-c:a", "flac", "-c:s", "ass",
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:s:0", "language=eng",
        "-disposition:a:0", "0", "-disposition:a:1", "default", source,
    )  # fmt: skip
    return packaged(source, "h264", "av1", subtitles=((str(beside), "deu", "", False),))


def _utf8(path: Path) -> Path:
    copy = path.with_suffix(".utf8.srt")
    copy.write_text(SRT.replace("Grüße", "Greetings"), "utf-8")
    return copy


def of_kind(packaged: Packaged, kind: str) -> list[Track]:
    """Its pictures or its sounds."""
    return [track for track in packaged.package.tracks if track.kind == kind]


def hashes_through_dash(packaged: Packaged, track: Track) -> list[str]:
    """The frames that ffmpeg's DASH demuxer sees; it shows tracks in the order of the MPD."""
    period = MPEGDASHParser.parse(str(packaged.folder / "manifest.mpd")).periods[0]
    ids = [
        representation.id
        for adaptation in period.adaptation_sets
        if adaptation.content_type in ("video", "audio")
        for representation in adaptation.representations
    ]
    subtitles_too = ("-allowed_extensions", "ALL")
    return frame_hashes(packaged.folder / "manifest.mpd", f"0:{ids.index(track.id)}", *subtitles_too)


@pytest.mark.slow
def test_the_hls_and_dash_demuxers_of_ffmpeg_see_the_same_frames(two_codecs: Packaged) -> None:
    """Every rendition, pictures and sound, decoded through both: equal hashes, and as many pictures as planned."""
    for track in two_codecs.package.tracks:
        through_hls = frame_hashes(two_codecs.folder / f"{track.id}.m3u8", "0:0")
        through_dash = hashes_through_dash(two_codecs, track)
        assert through_hls == through_dash, track.id
        if track.kind == "video":
            assert len(through_hls) == SECONDS * 25


@pytest.mark.slow
def test_the_multivariant_playlist_opens_in_ffmpeg(two_codecs: Packaged) -> None:
    """All variants and sounds are found, with their sizes, codecs and languages, and the source's usual one."""
    said = run_ffmpeg(
        "-v", "info", "-i", two_codecs.folder / "master.m3u8", "-c", "copy", "-t", "1", "-f", "null", "-"
    )
    assert said == b""
    parsed = m3u8.load(str(two_codecs.folder / "master.m3u8"))
    assert {variant.stream_info.codecs.split(".")[0] for variant in parsed.playlists} == {"avc1", "av01"}
    assert {variant.stream_info.resolution for variant in parsed.playlists} == {(320, 180)}
    sounds = [(medium.group_id, medium.language, medium.default) for medium in parsed.media if medium.type == "AUDIO"]
    usual = (("en", "NO"), ("fr", "YES"))
    assert sorted(sounds) == [(group, *sound) for group in ("audio-mp4a", "audio-opus") for sound in usual]
    assert {medium.language for medium in parsed.media if medium.type == "SUBTITLES"} == {"de", "en"}


@pytest.mark.slow
def test_hls_and_dash_name_the_very_same_objects(two_codecs: Packaged) -> None:
    """One set of segments: nothing is stored twice, and nothing is named that is not there."""
    names = set()
    for track in two_codecs.package.tracks:
        playlist = m3u8.load(str(two_codecs.folder / f"{track.id}.m3u8"))
        names |= {playlist.segment_map[0].uri, *(segment.uri for segment in playlist.segments)}
    period = MPEGDASHParser.parse(str(two_codecs.folder / "manifest.mpd")).periods[0]
    listed = [
        found
        for adaptation in period.adaptation_sets
        for representation in adaptation.representations
        for found in representation.segment_lists or []
        if adaptation.content_type in ("video", "audio")
    ]
    assert names == {
        name
        for found in listed
        for name in (found.initializations[0].source_url, *(url.media for url in found.segment_urls))
    }
    assert all((two_codecs.folder / name).is_file() for name in names)


@pytest.mark.slow
def test_every_picture_is_where_it_was(two_codecs: Packaged, films: Films) -> None:
    """Across chunks and segments no picture is lost, doubled or moved."""
    wanted = pictures_of(films.make("two.mkv"))
    for track in of_kind(two_codecs, "video"):
        made = pictures_of(two_codecs.folder / f"{track.id}.m3u8")
        assert len(made) == len(wanted)
        assert misplaced(made, wanted) == []


@pytest.mark.slow
def test_sound_has_no_click_and_stays_with_the_picture(two_codecs: Packaged) -> None:
    """A pure tone stays one: no sample strays from it, and it begins when it began in the source."""
    at = np.arange(int(SECONDS * 48_000)) / 48_000
    for track in of_kind(two_codecs, "audio"):
        sound = sound_of(two_codecs.folder / f"{track.id}.m3u8")
        assert abs(len(sound) / 48_000 - SECONDS) < 0.05
        phase = 2 * np.pi * (440 if track.id.startswith("a0") else 880) * at
        heard, tone = sound[4_800:-4_800], np.stack([np.sin(phase), np.cos(phase)])[:, 4_800 : len(sound) - 4_800]
        weights, *_ = np.linalg.lstsq(tone.T, heard, rcond=None)
        assert np.abs(heard - weights @ tone).max() < 0.1 * np.abs(heard).max()
        late_s = -np.arctan2(weights[1], weights[0]) / (2 * np.pi * phase[1] / (2 * np.pi * at[1]))
        assert abs(late_s) < 0.001 and np.abs(sound[1_024:4_800]).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tracks", "heard", "remarks"), [(2, ({0}, {1}), 0), (6, ({0, 2, 4}, {1, 2, 5}), 0), (8, ({0}, {1}), 1)]
)
def test_mono_tracks_of_an_editing_room_are_one_sound(
    tracks: int, heard: tuple[set[int], set[int]], remarks: int, films: Films, packaged: Packaging
) -> None:
    """Each channel is heard on its side, that of low frequencies on none; where some are left out, that is said."""
    picture = films.make("rushes.mp4", *H264, sound="", seconds=4)
    source = picture.with_name(f"{tracks}.mov")
    tones = [f"sine=frequency={300 * (1 + track)}:sample_rate=48000:duration=4" for track in range(tracks)]
    inputs = [word for tone in tones for word in ("-f", "lavfi", "-i", tone)]
    maps = [word for index in range(tracks + 1) for word in ("-map", str(index))]
    run_ffmpeg("-i", picture, *inputs, *maps, "-c:v", "copy", "-c:a", "pcm_s24le", "-ac", "1", source)
    made = packaged(source, "h264")
    (sound,) = of_kind(made, "audio")
    raw = run_ffmpeg("-i", made.folder / f"{sound.id}.m3u8", "-f", "f32le", "-ar", "48000", "-")
    for side, wanted in zip(np.frombuffer(raw, np.float32)[48_000:144_000].reshape(-1, 2).T, heard, strict=True):
        strength = np.abs(np.fft.rfft(side))[[300 * (1 + track) for track in range(tracks)]]
        assert {int(track) for track in np.flatnonzero(strength > 0.1 * strength.max())} == wanted
    assert len(made.remarks) == remarks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marks", "usual"),
    [
        (("comment", "visual_impaired", "0"), 2),
        (("comment", "0", "default"), 2),
        (("comment+default", "0", "0"), 1),
        (("comment", "comment", "comment"), 0),
    ],
)
def test_the_film_s_own_sound_plays_first_and_others_are_named(
    marks: tuple[str, ...], usual: int, films: Films, tmp_path: Path
) -> None:
    """Not the director's commentary, though it may be the first track; subtitles tell what they are, too."""
    srt, film = tmp_path / "text.srt", tmp_path / "tracks.mkv"
    srt.write_text(SRT)
    tones = [word for _ in marks for word in ("-f", "lavfi", "-i", "sine=duration=3")]
    maps = [word for index in range(5) for word in ("-map", str(index))]
    told = [word for index, mark in enumerate(marks) for word in (f"-disposition:a:{index}", mark)]
    run_ffmpeg("-i", films.make("rushes.mp4", *H264, sound="", seconds=4), *tones, "-i", srt, *maps, "-c:v", "copy",
               "-metadata:s", "language=fre", *told, "-disposition:s:0", "hearing_impaired", film)  # fmt: skip
    info = probe(film)
    assert [track.default for track in info.audio] == [index == usual for index in range(3)]
    names = {"comment": "Français (commentary)", "visual_impaired": "Français (audio description)"}
    assert [track.title for track in info.audio] == [names.get(mark.split("+")[0], "") for mark in marks]
    assert [track.title for track in info.subtitles] == ["Français (SDH)"]


@pytest.mark.slow
def test_segments_begin_with_a_key_frame_at_their_exact_time(two_codecs: Packaged) -> None:
    """Each segment decodes alone after its initialisation segment, and its first picture is shown on the tick."""
    for track in of_kind(two_codecs, "video"):
        start = 0
        for number, segment in enumerate(track.segments):
            alone = two_codecs.folder / "alone.mp4"
            alone.write_bytes(
                b"".join((two_codecs.folder / name).read_bytes() for name in (track.init, segment.name))
            )
            if number in (0, 1, 7, 8, len(track.segments) - 1):
                said = run_ffmpeg("-copyts", "-i", alone, "-fps_mode", "passthrough", "-enc_time_base", "demux",
                                  "-f", "framemd5", "-").decode()  # fmt: skip
                rows = [line.split(",") for line in said.splitlines() if not line.startswith("#")]
                assert int(rows[0][2]) == start
                assert len(rows) == segment.duration // (track.timescale // 25)
            start += segment.duration


@pytest.mark.slow
def test_trick_play_pictures_show_their_moment(two_codecs: Packaged, films: Films) -> None:
    """Tile n is the picture at n intervals."""
    sprites = two_codecs.package.sprites
    assert sprites is not None and sprites.interval_s == 2.0
    wanted = pictures_of(films.make("two.mkv"))
    for number in range(11):
        column, row = number % sprites.columns, number // sprites.columns
        width, height = sprites.tile_width, sprites.tile_height
        tile = f"crop={width}:{height}:{column * width}:{row * height}"
        (shown,) = pictures_of(two_codecs.folder / sprites.names[0], filters=tile)
        errors = ((wanted - shown) ** 2).mean(axis=1)
        assert abs(int(errors.argmin()) - number * 50) <= 1


@pytest.mark.slow
def test_subtitles_from_inside_and_beside_are_webvtt(two_codecs: Packaged) -> None:
    """ASS in the container and SRT in an old encoding; ffmpeg reads both back."""
    assert two_codecs.remarks == []
    texts = {text.language: text.name for text in two_codecs.package.texts}
    for language, said in (("deu", "Grüße"), ("eng", "Greetings")):
        again = run_ffmpeg("-i", two_codecs.folder / texts[language], "-f", "srt", "-").decode()
        assert "00:00:01,000 --> 00:00:02,500" in again and said in again


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["bbb480_30s.mp4", "car-detection.mp4", "nasa_13013.mp4"])
def test_real_footage_comes_out_whole(clip: str, footage: Path, packaged: Packaging) -> None:
    """5.1 sound, 12.5 pictures a second, several tracks of each kind: every picture in place through HLS and DASH."""
    made = packaged(footage / clip)
    largest = of_kind(made, "video")[0]
    rate = "/".join(map(str, largest.frame_rate))
    stream = {"nasa_13013.mp4": "0:3"}.get(clip, "0:v:0")
    wanted = pictures_of(footage / clip, stream=stream, rate=rate)
    shown = pictures_of(made.folder / f"{largest.id}.m3u8")
    assert abs(len(shown) - len(wanted)) <= 1
    assert misplaced(shown, wanted) == []
    assert made.remarks == []
    lowest = of_kind(made, "video")[-1]
    assert frame_hashes(made.folder / f"{lowest.id}.m3u8", "0:0") == hashes_through_dash(made, lowest)
