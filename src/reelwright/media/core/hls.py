"""HLS (RFC 8216, version 7): one multivariant playlist, one media playlist a track. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from reelwright.media.contract import Package, Segment, TextTrack, Track
from reelwright.media.core.language import tag_of
from reelwright.media.core.renditions import default_of, family, menu_names, pairs

_HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS"

UrlOf = Callable[[str], str]
"""The URL of a media playlist, by track id."""


class Pathway(msgspec.Struct, frozen=True):
    """One way to the same content, by content steering (RFC 8216bis section 7)."""

    id: str
    url_of: UrlOf


def multivariant(package: Package, tracks: Sequence[Track], url_of: UrlOf) -> str:
    """The playlist of playlists over some of a package's tracks."""
    return "\n".join([*_start(package), *_pathway(package, tracks, Pathway("", url_of))]) + "\n"


def steered(package: Package, tracks: Sequence[Track], pathways: Sequence[Pathway], server: str) -> str:
    """The same once for each pathway, the first first, with the URL of the steering document."""
    steering = f'#EXT-X-CONTENT-STEERING:SERVER-URI="{_quoted(server)}",PATHWAY-ID="{_quoted(pathways[0].id)}"'
    lines = [line for pathway in pathways for line in _pathway(package, tracks, pathway)]
    return "\n".join([*_start(package), steering, *lines]) + "\n"


def _start(package: Package) -> list[str]:
    return [_HEAD, *([] if package.complete else ["#EXT-X-START:TIME-OFFSET=0,PRECISE=YES"])]


def _pathway(package: Package, tracks: Sequence[Track], pathway: Pathway) -> list[str]:
    """Renditions and variants; each pathway has its own groups, so that sound comes the same way as the picture."""
    names, url_of = menu_names(package.texts), pathway.url_of
    suffix = f"-{pathway.id}" if pathway.id else ""
    subs = f"subs{suffix}"
    texts = [_subtitle_line(text, names[text.id], subs, url_of) for text in package.texts]
    lines: list[str] = []
    variants = []
    for videos, sounds in pairs(tracks):
        group = f"audio-{family(sounds[0])}{suffix}" if sounds else ""
        lines += _sound_lines(sounds, group, url_of)
        named = {"AUDIO": group, "SUBTITLES": subs if texts else "", "PATHWAY-ID": _quoted(pathway.id)}
        attributes = "".join(f',{name}="{value}"' for name, value in named.items() if value)
        variants += [_variant(video, sounds, attributes, url_of) for video in videos]
    return [*lines, *texts, *variants]


def _sound_lines(sounds: Sequence[Track], group: str, url_of: UrlOf) -> list[str]:
    names, default = menu_names(sounds), default_of(sounds) if sounds else None
    return [
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME="{_quoted(names[sound.id])}",'
        f'LANGUAGE="{tag_of(sound.language)}",DEFAULT={"YES" if sound is default else "NO"},AUTOSELECT=YES,'
        f'CHANNELS="{sound.channels}",URI="{url_of(sound.id)}"'
        for sound in sounds
    ]


def _subtitle_line(text: TextTrack, name: str, group: str, url_of: UrlOf) -> str:
    forced = "YES" if text.forced else "NO"
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{group}",NAME="{_quoted(name)}",LANGUAGE="{tag_of(text.language)}",'
        f'DEFAULT=NO,AUTOSELECT=YES,FORCED={forced},URI="{url_of(text.id)}"'
    )


def _variant(video: Track, sounds: Sequence[Track], attributes: str, url_of: UrlOf) -> str:
    peak = video.peak_bps + max((sound.peak_bps for sound in sounds), default=0)
    average = video.average_bps + max((sound.average_bps for sound in sounds), default=0)
    codecs = ",".join([video.codec, *sorted({sound.codec for sound in sounds})])
    rate = video.frame_rate[0] / video.frame_rate[1]
    return (
        f'#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS="{codecs}",'
        f"RESOLUTION={video.width}x{video.height},FRAME-RATE={rate:.3f}{attributes},CLOSED-CAPTIONS=NONE\n"
        f"{url_of(video.id)}"
    )


def media(track: Track, base: str, *, complete: bool) -> str:
    """A track's segments below the media base; while it grows, an EVENT playlist."""
    segments = track.segments if complete else _whole(track.segments)
    longest = max((segment.duration for segment in segments), default=track.timescale)
    lines = [
        _HEAD,
        f"#EXT-X-TARGETDURATION:{_target(longest / track.timescale)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if complete else 'EVENT'}",
        f'#EXT-X-MAP:URI="{base}{track.init}"',
    ]
    for segment in segments:
        lines += [f"#EXTINF:{segment.duration / track.timescale:.6f},", f"{base}{segment.name}"]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if complete else [])]) + "\n"


def _whole(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Without a rest at the end: shaka-player asks for a growing playlist again after as long as its last segment."""
    ends_short = segments and segments[-1].duration < segments[0].duration
    return segments[:-1] if ends_short else segments


def subtitles(text: TextTrack, base: str, duration_s: float) -> str:
    """A text track as one segment."""
    return (
        f"{_HEAD}\n#EXT-X-TARGETDURATION:{_target(duration_s)}\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{duration_s:.6f},\n{base}{text.name}\n#EXT-X-ENDLIST\n"
    )


def _target(longest_s: float) -> int:
    """No segment, rounded to the nearest second, may be longer (section 4.3.3.1)."""
    return max(1, int(longest_s + 0.5))


def _quoted(text: str) -> str:
    """A quoted string may hold neither quotes nor line ends (section 4.2)."""
    return "".join(" " if character in '"\r\n' else character for character in text)
