"""HLS (RFC 8216, version 7): one multivariant playlist, one media playlist a track. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reelwright.media.contract import Package, TextTrack, Track
from reelwright.media.core.language import tag_of
from reelwright.media.core.renditions import default_of, family, menu_names, pairs

_HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS"

UrlOf = Callable[[str], str]
"""The URL of a media playlist, by track id."""


def multivariant(package: Package, tracks: Sequence[Track], url_of: UrlOf) -> str:
    """The playlist of playlists over some of a package's tracks."""
    lines = [_HEAD]
    if not package.complete:
        lines.append("#EXT-X-START:TIME-OFFSET=0,PRECISE=YES")
    names = menu_names(package.texts)
    texts = [_subtitle_line(text, names[text.id], url_of) for text in package.texts]
    variants = []
    for videos, sounds in pairs(tracks):
        group = f"audio-{family(sounds[0])}" if sounds else ""
        lines += _sound_lines(sounds, group, url_of)
        variants += [_variant(video, sounds, group, bool(texts), url_of) for video in videos]
    return "\n".join([*lines, *texts, *variants]) + "\n"


def _sound_lines(sounds: Sequence[Track], group: str, url_of: UrlOf) -> list[str]:
    names, default = menu_names(sounds), default_of(sounds) if sounds else None
    return [
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME="{_quoted(names[sound.id])}",'
        f'LANGUAGE="{tag_of(sound.language)}",DEFAULT={"YES" if sound is default else "NO"},AUTOSELECT=YES,'
        f'CHANNELS="{sound.channels}",URI="{url_of(sound.id)}"'
        for sound in sounds
    ]


def _subtitle_line(text: TextTrack, name: str, url_of: UrlOf) -> str:
    forced = "YES" if text.forced else "NO"
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="{_quoted(name)}",LANGUAGE="{tag_of(text.language)}",'
        f'DEFAULT=NO,AUTOSELECT=YES,FORCED={forced},URI="{url_of(text.id)}"'
    )


def _variant(video: Track, sounds: Sequence[Track], group: str, subtitles: bool, url_of: UrlOf) -> str:
    peak = video.peak_bps + max((sound.peak_bps for sound in sounds), default=0)
    average = video.average_bps + max((sound.average_bps for sound in sounds), default=0)
    codecs = ",".join([video.codec, *sorted({sound.codec for sound in sounds})])
    rate = video.frame_rate[0] / video.frame_rate[1]
    audio = f',AUDIO="{group}"' if group else ""
    subs = ',SUBTITLES="subs"' if subtitles else ""
    return (
        f'#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS="{codecs}",'
        f"RESOLUTION={video.width}x{video.height},FRAME-RATE={rate:.3f}{audio}{subs},CLOSED-CAPTIONS=NONE\n"
        f"{url_of(video.id)}"
    )


def media(track: Track, base: str, *, complete: bool) -> str:
    """A track's segments below the media base; while it grows, an EVENT playlist."""
    longest = max((segment.duration for segment in track.segments), default=track.timescale)
    lines = [
        _HEAD,
        f"#EXT-X-TARGETDURATION:{_target(longest / track.timescale)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if complete else 'EVENT'}",
        f'#EXT-X-MAP:URI="{base}{track.init}"',
    ]
    for segment in track.segments:
        lines += [f"#EXTINF:{segment.duration / track.timescale:.6f},", f"{base}{segment.name}"]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if complete else [])]) + "\n"


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
