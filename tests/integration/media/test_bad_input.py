"""Sources that are not as they should be: each is played as far as it goes, or refused with words that help."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import m3u8
import msgspec
import numpy as np
import pytest
from tests.films import H264, Films, frame_hashes, misplaced, pictures_of, run_ffmpeg

from reelwright.kernel.errors import NotFound
from reelwright.kernel.ids import AssetId, PlayableId
from reelwright.media.bench import Drill
from reelwright.media.contract import BadSource, Package, Progress, Track
from reelwright.media.core import hls

pytestmark = pytest.mark.slow

Maker = Callable[[Films], Path]
SPOILT_NAMES = ("-i %03d 'q' \"d\" [0:v];x.mp4", "concat:a|b\n.mp4", "zażółć 🎬 $(id) `id`.mp4", "..mp4")


class Ended(msgspec.Struct, frozen=True):
    """How an encode ended."""

    row: Progress
    package: Package | None
    folder: Path

    def tracks(self, kind: str) -> list[Track]:
        """Its tracks of a kind."""
        assert self.package is not None, self.row
        return [track for track in self.package.tracks if track.kind == kind]

    def playlist(self, track: Track) -> Path:
        """A playlist that ffmpeg can open."""
        path = self.folder / f"{track.init.rsplit('/', 1)[1]}.m3u8"
        path.write_text(hls.media(track, f"{self.folder}/", complete=True))
        return path

    def frames(self) -> int:
        """How many pictures can be decoded."""
        return len(frame_hashes(self.playlist(self.tracks("video")[0]), "0:0"))


def remuxed(films: Films, name: str, source: Path, *options: str) -> Path:
    """A copy of the streams with other marks."""
    path = source.with_name(name)
    run_ffmpeg("-i", source, "-map", "0", "-c", "copy", *options, path)
    return path


def covered(name: str) -> Maker:
    """A film with a larger cover, marked as one (in MP4) or an unmarked first track (in Matroska)."""

    def make(films: Films) -> Path:
        film, cover = films.make("plain.mp4"), films.make("cover.jpg", "-frames:v", "1", size="600x600", sound="")
        path = film.with_name(name)
        marks = ("-disposition:v:0", "attached_pic")
        run_ffmpeg("-i", cover, "-i", film, "-map", "0", "-map", "1", "-c", "copy", *marks, path)
        return path

    return make


def stopped_in_the_middle(films: Films) -> Path:
    """A film whose index points beyond the file for some of the pictures: reading stops there, and works after it."""
    source = films.make("long.mp4", *H264, "-movflags", "faststart", "-g", "50", sound="", seconds=60, size=WIDE)
    data = bytearray(source.read_bytes())
    at = data.index(b"stco")
    count = int.from_bytes(data[at + 8 : at + 12], "big")
    for entry in range(count // 6, count * 5 // 6):
        place = at + 12 + 4 * entry
        data[place : place + 4] = (0x7FFFFF00).to_bytes(4, "big")
    path = source.with_name("stopped.mp4")
    path.write_bytes(data)
    return path


def indexed(films: Films) -> Path:
    """A good film of three chunks, its index in front."""
    return films.make("faststart.mp4", *H264, "-movflags", "faststart", seconds=40, size=WIDE)


def renamed(name: str) -> Maker:
    """A good film with a bad name."""
    return lambda films: Path(shutil.copy(films.make("plain.mp4"), films.make("plain.mp4").with_name(name)))


def written(name: str, data: bytes) -> Maker:
    """A file with these bytes."""

    def make(films: Films) -> Path:
        path = films.make("plain.mp4").with_name(name)
        path.write_bytes(data)
        return path

    return make


def made(name: str, *options: str, **how: object) -> Maker:
    """A film made with these options, in more than one quality where no other size is given."""
    return lambda films: films.make(name, *options, **{"size": WIDE, **how})  # type: ignore[arg-type]  # told as they are


WIDE = "640x360"
"""Of several qualities."""
HOSTILE = ("-metadata:s:a:0", 'language="\n#', "-metadata", "title=" + "A" * 60_000, "-metadata:s:a:0",
           'title=x",URI="http://evil/"\n#EXT-X-ENDLIST\n</Label>\x01')  # fmt: skip
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2", "-g", "100")
SDR = "setparams=range=limited:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
TO_PQ = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020:t=smpte2084:m=bt2020nc:r=limited:npl=203,"
    "format=yuv420p10le"
)
MASTERED = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
FILMS: dict[str, Maker] = {
    "odd-sized": made("odd.mkv", *H264, "-pix_fmt", "yuv444p", size="321x181"),
    "10-bit": made("ten.mkv", *H264, "-pix_fmt", "yuv420p10le"),
    "hdr": made("hdr.mkv", "-vf", f"format=yuv420p10le,{SDR},{TO_PQ}", "-c:v", "libx265", "-preset", "ultrafast",
                "-x265-params", "log-level=none"),
    "hdr as from a disc": made("disc.mkv", "-vf", f"format=yuv420p10le,{SDR},{TO_PQ}", "-c:v", "libx265", "-preset",
                               "ultrafast", "-x265-params", f"log-level=none:hdr10=1:chromaloc=2:max-cll=1000,400:"
                               f"master-display={MASTERED}", seconds=4),
    "hdr's words in sdr": made("words.mkv", *H264, "-x264-params", f"cll=1000,400:mastering-display={MASTERED}",
                               seconds=4),
    "full range": made("full.mkv", "-vf", "scale=out_range=full,format=yuvj420p", *H264),
    "interlaced": made("lines.mkv", "-vf", "tinterlace=interleave_top,fieldorder=tff", *H264, "-flags", "+ildct+ilme",
                       rate="50"),
    "rotated": lambda films: rotated(films),
    "wide pixels": made("pixels.mkv", "-vf", "setsar=4/3", *H264),
    "variable rate": made("varies.mp4", "-vf", "select='lt(n,50)+not(mod(n,175))'", "-fps_mode", "vfr", *H264,
                          seconds=40, sound=""),
    "one picture": made("one.mp4", *H264, seconds=0.04, sound=""),
    "23.976": made("film.mp4", rate="24000/1001"),
    "59.94": made("sport.mp4", rate="60000/1001"),
    "12.5": made("slow.mp4", rate="25/2"),
    "one a second": made("slides.mp4", rate="1", seconds=5),
    "mono at 8 kHz": made("mono.mkv", *H264, "-ac", "1", "-ar", "8000"),
    "5.1": made("five.mkv", *H264, "-ac", "6", "-c:a", "aac"),
    "no sound": made("silent.mp4", sound=""),
    "sound longer than picture": lambda films: longer(films, "longer.mp4", "20", *H264),
    "cover": covered("covered.mp4"),
    "cover first": covered("covered.mkv"),
    "picture ends at a chunk": lambda films: longer(films, "chunk.mkv", "16.5", *H264, size="480x480", seconds=16),
    "chapters and hostile names": lambda films: remuxed(films, "hostile.mkv", films.make("plain.mp4"), *HOSTILE),
    "no length": lambda films: remuxed(films, "live.mkv", films.make("plain.mp4"), "-live", "1"),
    "transport stream": made("far.ts", *H264, seconds=37),
    "program stream": made("old.mpg", *MPEG2, "-c:a", "mp2", seconds=20),
    "broadcast": made("tape.mxf", *MPEG2, "-c:a", "pcm_s16le", "-ar", "48000", seconds=20),
    "digital tape": made("tape.dv", "-pix_fmt", "yuv420p", "-c:v", "dvvideo", "-ar", "48000", "-ac", "2",
                         size="720x576", seconds=20),
    "avi": made("old.avi", "-c:v", "mpeg4", "-q:v", "2", "-g", "200", "-c:a", "mp3", seconds=20),
    "cut off": lambda films: films.cut("cut.mp4", indexed(films), 0.5),
    "cut off early": lambda films: films.cut("early.mp4", indexed(films), 0.2),
    "corrupt in the middle": lambda films: films.changed(
        "corrupt.mp4", indexed(films), 0.3, 0.6),
    "stopped in the middle": stopped_in_the_middle,
    **{f"name {number}": renamed(name) for number, name in enumerate(SPOILT_NAMES)},
}  # fmt: skip
REFUSED: dict[str, tuple[Maker, str]] = {
    "empty": (written("zero.mp4", b""), r"zero\.mp4 is empty \(0 bytes\)"),
    "text": (written("notes.mp4", b"Dear diary\n"), r"notes\.mp4 is a text file"),
    "concat script": (written("sly.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"), r"sly\.mp4 is a playlist"),
    "playlist": (written("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), r"list\.mp4 is a playlist"),
    "pictures alone": (made("disc.m2v", *MPEG2, sound=""), r"disc\.m2v is pictures without a container"),
    "noise": (written("noise.mp4", np.random.default_rng(2).bytes(50_000)), r"noise\.mp4 is in no container we know"),
    "noise with a head": (written("head.mp4", b"\0\0\0\x18ftypmp42" + np.random.default_rng(3).bytes(50_000)),
                          r"head\.mp4 is damaged or cut off"),
    "no index": (lambda films: films.cut("noindex.mp4", films.make("plain.mp4"), 0.6),
                 r"noindex\.mp4 is damaged or cut off"),
    "only sound": (made("song.m4a", "-vn", "-c:a", "aac"), r"song\.m4a holds only sound"),
    "only mp3": (made("song.mp3", "-vn"), r"song\.mp3 holds only sound"),
    "huge": (made("huge.mkv", "-c:v", "ffv1", size="16384x16", seconds=0.1, sound=""), r"16384x16.*8192"),
    "tiny": (made("tiny.mkv", "-c:v", "ffv1", size="8x8", seconds=0.1, sound=""), r"8x8.*16x16"),
    "no picture decodes": (lambda films: emptied(films), r"not one picture of emptied\.mp4"),
}  # fmt: skip


def emptied(films: Films) -> Path:
    """A film whose index is whole and whose pictures are zeroes."""
    data = indexed(films).read_bytes()
    head = data[: data.index(b"mdat") + 4]
    path = films.make("plain.mp4").with_name("emptied.mp4")
    path.write_bytes(head + bytes(len(data) - len(head)))
    return path


def rotated(films: Films) -> Path:
    """A film that a phone recorded upright."""
    source = films.make("plain.mp4")
    path = source.with_name("rotated.mp4")
    run_ffmpeg("-display_rotation", "90", "-i", source, "-c", "copy", path)
    return path


def longer(films: Films, name: str, until: str, *options: str, **how: Any) -> Path:
    """A film whose music goes on after the last picture."""
    film = films.make(f"silent-{name}", *options, sound="", **how)
    path = film.with_name(name)
    music = ("-f", "lavfi", "-i", f"sine=duration={until}")
    run_ffmpeg("-i", film, *music, "-map", "0:v", "-map", "1:a", "-c:v", "copy", path)
    return path


@pytest.fixture(scope="module")
def ended(films: Films, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ended]]:
    """Every bad source, sent through one worker; gives how each ended."""
    makers = {**FILMS, **{name: maker for name, (maker, _) in REFUSED.items()}}
    with Drill(tmp_path_factory.mktemp("bad"), concurrency=2) as media:
        media.start_worker()
        assets = {name: media.add(maker(films), name[:26]) for name, maker in makers.items()}
        rows = {name: media.wait_for(asset_id, timeout_s=170) for name, asset_id in assets.items()}

        def package(asset_id: AssetId) -> Package | None:
            try:
                return anyio.run(media.service.get_package, asset_id)
            except NotFound:
                return None

        found = {
            name: Ended(rows[name], package(asset_id), media.data / "media") for name, asset_id in assets.items()
        }
        yield lambda name: found[name]


@pytest.mark.parametrize("name", FILMS)
def test_it_plays(name: str, ended: Callable[[str], Ended]) -> None:
    """It is done, every picture of every rung decodes, sizes are even, and m3u8 reads the playlist."""
    result = ended(name)
    assert result.row.stage == "done", result.row
    for track in result.tracks("video"):
        assert track.width % 2 == track.height % 2 == 0
        pictures = len(frame_hashes(result.playlist(track), "0:0"))
        duration = sum(segment.duration for segment in track.segments)
        assert pictures == duration * track.frame_rate[0] // (track.frame_rate[1] * track.timescale) > 0
    playlist = hls.multivariant(result.package, result.package.tracks, str)  # type: ignore[union-attr,arg-type]
    assert len(m3u8.loads(playlist).playlists) == len(result.tracks("video"))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_words(name: str, ended: Callable[[str], Ended]) -> None:
    """The job says what the file is, by the name that its owner knows, and nothing of it was published."""
    result = ended(name)
    assert result.row.stage == "failed" and result.package is None
    assert re.search(REFUSED[name][1], result.row.problem), result.row.problem


@pytest.mark.parametrize(
    ("name", "frames"),
    [("odd-sized", 75), ("interlaced", 75), ("variable rate", 876), ("one picture", 1), ("23.976", 71),
     ("59.94", 179), ("12.5", 37), ("one a second", 5), ("no length", 75), ("transport stream", 925),
     ("program stream", 500), ("broadcast", 500), ("digital tape", 500), ("avi", 500),
     ("stopped in the middle", 1500), ("corrupt in the middle", 1000)],
)  # fmt: skip
def test_no_picture_is_lost(name: str, frames: int, ended: Callable[[str], Ended]) -> None:
    """As many pictures come out as went in, at the source's rate; containers differ about the end of the last."""
    assert abs(frames - ended(name).frames()) <= 1


@pytest.mark.parametrize(
    "name",
    ["transport stream", "program stream", "broadcast", "digital tape", "avi", "variable rate"],
)
def test_chunks_begin_with_the_right_picture(name: str, films: Films, ended: Callable[[str], Ended]) -> None:
    """Also where the container has no index, key frames are far apart, or a picture stands for seconds."""
    result = ended(name)
    largest = result.tracks("video")[0]
    shown = pictures_of(result.playlist(largest))
    wanted = pictures_of(FILMS[name](films), filters="setpts=PTS-STARTPTS", rate="25")
    assert misplaced(shown, wanted[: len(shown)]) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cut off", r"the pictures end at (19|20) s, the file claims 40 s; if the film is longer, copy it again"),
        ("corrupt in the middle", r"some pictures between \d+ s and \d+ s cannot be decoded"),
        ("stopped in the middle", r"the picture from \d+ s to \d+ s cannot be decoded and is black"),
        ("sound longer than picture", r"the sound goes on until 20 s"),
    ],
)
def test_what_is_missing_is_said(name: str, says: str, ended: Callable[[str], Ended]) -> None:
    """In the job, where the person looks."""
    assert re.search(says, ended(name).row.problem), ended(name).row.problem


def test_good_films_have_no_remark(ended: Callable[[str], Ended]) -> None:
    """A warning that is always there is read by nobody."""
    damaged = (
        "cut off",
        "cut off early",
        "corrupt in the middle",
        "stopped in the middle",
        "sound longer than picture",
    )
    assert {name: ended(name).row.problem for name in FILMS if name not in damaged and ended(name).row.problem} == {}


def test_pictures_are_shown_as_they_are_meant(ended: Callable[[str], Ended]) -> None:
    """Upright, in square pixels, the picture and not the cover, as bright as it was; lights of HDR are toned down."""

    def size(name: str) -> tuple[int, int]:
        track = ended(name).tracks("video")[0]
        return track.width, track.height

    assert size("rotated") == (180, 320)
    assert size("wide pixels") in ((852, 360), (854, 360))
    assert size("cover") == size("cover first") == (320, 180)
    plain = pictures_of(ended("23.976").playlist(ended("23.976").tracks("video")[0])).mean()
    for name, tolerance in (("hdr", 16), ("full range", 3), ("10-bit", 3), ("interlaced", 6)):
        shown = pictures_of(ended(name).playlist(ended(name).tracks("video")[0])).mean()
        assert abs(shown - plain) < tolerance, (name, shown, plain)


def test_sound_is_stereo_at_48_khz_whatever_it_was(ended: Callable[[str], Ended]) -> None:
    """Mono at 8 kHz and 5.1 are mixed on purpose."""
    for name in ("mono at 8 kHz", "5.1", "sound longer than picture"):
        (track,) = ended(name).tracks("audio")
        decoded = run_ffmpeg("-i", ended(name).playlist(track), "-f", "f32le", "-")
        seconds = len(decoded) / (4 * 2 * 48_000)
        assert abs(seconds - 3) < 0.1 or (name.startswith("sound") and 3 <= seconds <= 5)
        assert np.abs(np.frombuffer(decoded, np.float32)).max() > 0.01
    assert ended("no sound").tracks("audio") == []


def test_hostile_marks_do_not_reach_players(ended: Callable[[str], Ended]) -> None:
    """A language or title from the file can neither end a playlist nor name another URL."""
    (track,) = ended("chapters and hostile names").tracks("audio")
    assert track.language == "und" and len(track.label) <= 80 and track.label.isprintable()


def test_subtitles_that_cannot_be_read_are_left_out_and_named(films: Films, tmp_path: Path) -> None:
    """A pipe, nothing at all, pictures and gigabytes beside the film; the good one in an old encoding is there."""
    good, sound = tmp_path / "good.fr.srt", films.make("plain.mp4")
    good.write_bytes("1\n00:00:00,500 --> 00:00:01,500\nÇa va très bien, n’est-ce pas ?\n".encode("cp1252"))
    os.mkfifo(tmp_path / "pipe.srt")
    shutil.copy(sound, tmp_path / "film.srt")
    with (tmp_path / "endless.srt").open("wb") as file:
        file.truncate(8 << 30)
    names = ("pipe.srt", "gone.srt", "film.srt", "endless.srt", "good.fr.srt")
    with Drill(tmp_path / "data") as media:
        media.start_worker()
        beside = tuple((str(tmp_path / name), "fra", 'L"\n\x00', False) for name in names)
        asset_id = anyio.run(lambda: media.service.ingest(playable_id=PlayableId("p"), path=sound, subtitles=beside))
        (text,) = media.finish(asset_id).texts
        assert "Ça va très bien, n’est-ce pas ?" in media.objects.get(text.name).decode()
        assert (text.language, text.label) == ("fra", 'Français (L")')
        problem = media.progress(asset_id).problem
        for name, why in (("pipe", "not a file"), ("gone", "No such file"), ("film", ""), ("endless", "larger than")):
            assert re.search(rf"subtitle {name}\.srt[^;]*{why}", problem), problem


def test_what_is_not_a_file_is_not_even_queued(tmp_path: Path) -> None:
    """A pipe would be waited for for ever; a folder, a device and nothing at all are told at once."""
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with Drill(tmp_path / "data") as media:
        for path, says in ((tmp_path / "pipe.mp4", "not a file"), (tmp_path / "folder.mp4", "not a file"),
                           (Path("/dev/zero"), "not a file"), (tmp_path / "gone.mp4", "No such file")):  # fmt: skip
            with pytest.raises(BadSource, match=says):
                media.add(path)
        assert anyio.run(media.service.list_progress) == []
