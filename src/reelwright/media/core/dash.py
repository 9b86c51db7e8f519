"""DASH (ISO/IEC 23009-1): a static MPD over the same segments as HLS. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from xml.sax.saxutils import escape, quoteattr

from reelwright.media.contract import Package, Sprites, TextTrack, Track
from reelwright.media.core.language import tag_of
from reelwright.media.core.renditions import default_of, menu_names, pairs

_ROLE = "urn:mpeg:dash:role:2011"
_CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
_TILES = "http://dashif.org/guidelines/thumbnail_tile"


def manifest(package: Package, tracks: Sequence[Track], base: str) -> str:
    """The MPD over some of a package's tracks; segments are named explicitly, since names come from content."""
    return _mpd(package, tracks, f"<BaseURL>{escape(base)}</BaseURL>", "")


def steered(package: Package, tracks: Sequence[Track], bases: Sequence[tuple[str, str]], server: str) -> str:
    """The same with one base a service location, the first first, and the steering server (ETSI TS 103 998)."""
    urls = "".join(f"<BaseURL serviceLocation={quoteattr(name)}>{escape(base)}</BaseURL>" for name, base in bases)
    steering = (
        f"<ContentSteering defaultServiceLocation={quoteattr(bases[0][0])} "
        f'queryBeforeStart="false">{escape(server)}</ContentSteering>\n'
    )
    return _mpd(package, tracks, urls, steering)


def _mpd(package: Package, tracks: Sequence[Track], bases: str, steering: str) -> str:
    numbered = zip(count(), _sets(package, tracks), strict=False)
    sets = "".join(f'<AdaptationSet id="{number}" {rest}</AdaptationSet>\n' for number, rest in numbered)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-main:2011" type="static" '
        f'mediaPresentationDuration="PT{package.duration_s:.3f}S" minBufferTime="PT2S">\n'
        f'{bases}\n{steering}<Period id="0" start="PT0S">\n{sets}</Period>\n</MPD>\n'
    )


def _sets(package: Package, tracks: Sequence[Track]) -> Iterator[str]:
    """Each adaptation set without its first words; a sound that fits several picture codecs appears once."""
    paired = pairs(tracks)
    for videos, _ in paired:
        yield _video_set(videos)
    for sounds in {tuple(sound.id for sound in sounds): sounds for _, sounds in paired}.values():
        names = menu_names(sounds)
        yield from (_sound_set(sound, names[sound.id], sound is default_of(sounds)) for sound in sounds)
    names = menu_names(package.texts)
    yield from (_text_set(text, names[text.id]) for text in package.texts)
    if package.sprites:
        yield _tile_set(package.sprites)


def _video_set(videos: Sequence[Track]) -> str:
    return (
        'contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">\n'
        f'<Role schemeIdUri="{_ROLE}" value="main"/>\n{"".join(map(_video, videos))}'
    )


def _video(track: Track) -> str:
    size = f'width="{track.width}" height="{track.height}" frameRate="{_rate(*track.frame_rate)}" sar="1:1"'
    return f"<Representation {_identity(track)} {size}>{_segments(track)}</Representation>\n"


def _rate(numerator: int, denominator: int) -> str:
    return str(numerator) if denominator == 1 else f"{numerator}/{denominator}"


def _sound_set(sound: Track, name: str, default: bool) -> str:
    return (
        f'contentType="audio" mimeType="audio/mp4" lang={quoteattr(tag_of(sound.language))} segmentAlignment="true" '
        f'startWithSAP="1">\n<Label>{escape(name)}</Label>'
        f'<Role schemeIdUri="{_ROLE}" value="{"main" if default else "alternate"}"/>\n'
        f'<Representation {_identity(sound)} audioSamplingRate="{sound.sample_rate}">'
        f'<AudioChannelConfiguration schemeIdUri="{_CHANNELS}" value="{sound.channels}"/>'
        f"{_segments(sound)}</Representation>\n"
    )


def _identity(track: Track) -> str:
    return f'id="{track.id}" codecs="{track.codec}" bandwidth="{track.peak_bps}"'


def _segments(track: Track) -> str:
    names = "".join(f'<SegmentURL media="{segment.name}"/>' for segment in track.segments)
    return (
        f'<SegmentList timescale="{track.timescale}"><Initialization sourceURL="{track.init}"/>'
        f"<SegmentTimeline>{_timeline(track)}</SegmentTimeline>{names}</SegmentList>"
    )


def _timeline(track: Track) -> str:
    """One S a segment: dash.js takes the URL by the place of the S, and would repeat it for an S that repeats."""
    return "".join(
        f'<S{"" if index else " t=" + quoteattr("0")} d="{segment.duration}"/>'
        for index, segment in enumerate(track.segments)
    )


def _text_set(text: TextTrack, name: str) -> str:
    return (
        f'contentType="text" mimeType="text/vtt" lang={quoteattr(tag_of(text.language))}>\n'
        f"<Label>{escape(name)}</Label>"
        f'<Role schemeIdUri="{_ROLE}" value="{"forced-subtitle" if text.forced else "subtitle"}"/>\n'
        f'<Representation id="{text.id}" bandwidth="256"><BaseURL>{text.name}</BaseURL></Representation>\n'
    )


def _tile_set(sprites: Sprites) -> str:
    names = "".join(f'<SegmentURL media="{name}"/>' for name in sprites.names)
    width, height = sprites.tile_width * sprites.columns, sprites.tile_height * sprites.rows
    sheet_ms = round(1000 * sprites.interval_s * sprites.columns * sprites.rows)
    return (
        'contentType="image" mimeType="image/jpeg">\n'
        f'<Representation id="tiles" bandwidth="12000" width="{width}" height="{height}">'
        f'<EssentialProperty schemeIdUri="{_TILES}" value="{sprites.columns}x{sprites.rows}"/>'
        f'<SegmentList timescale="1000" duration="{sheet_ms}">{names}</SegmentList></Representation>\n'
    )
