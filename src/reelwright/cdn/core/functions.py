"""Edge functions: what an edge decides about a request by itself, as pure functions of recorded state.

Each is given all that it needs, so it runs while the control plane is away, on the state last known; none may take
longer than `BUDGET_US` of CPU for a film's manifest, which `reelwright bench cdn` measures. Signatures are
`core/access.check`, steering is `steer` here. An MPD names every segment and is long, so it is taken apart once
(`mpd_of`), filtered once a kind of device (`dash_for`), and a request only writes its beginning (`dash_begin`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin
from xml.sax.saxutils import escape, quoteattr

import msgspec

from reelwright.cdn.core.steering import TTL_S, Candidate, EdgeState, decide, steering_document
from reelwright.kernel.errors import Invalid

BUDGET_US = 50
MANIFEST_BYTES_MOST = 64 << 10
"""Longer manifests are not rewritten: the budget could not be kept."""
_HEIGHT = re.compile(r"RESOLUTION=\d{1,5}x(\d{1,5})")
_CODECS = re.compile(r'CODECS="([^"]*)"')
_URI = re.compile(r'URI="([^"]*)"')
_PHONE = re.compile(r"iPhone|Android.*Mobile")
_TV = re.compile(r"SMART-TV|SmartTV|Tizen|Web0S|AppleTV|BRAVIA|CrKey|AFT[A-Z]")


class Device(msgspec.Struct, frozen=True):
    """What a device plays."""

    height_most: int
    codecs: frozenset[str]
    """Four-character codes."""


def device_of(headers: Mapping[str, str]) -> Device:
    """A device by what it says of itself; one that says nothing is given what all play."""
    agent = headers.get("user-agent", "")[:512]
    if _TV.search(agent):
        return Device(2160, frozenset({"avc1", "hvc1", "hev1", "av01", "mp4a", "ec-3", "ac-3"}))
    if _PHONE.search(agent):
        return Device(1080, frozenset({"avc1", "hvc1", "hev1", "mp4a"}))
    if "Mozilla/" in agent:
        return Device(2160, frozenset({"avc1", "av01", "vp09", "mp4a", "Opus", "opus"}))
    return Device(1080, frozenset({"avc1", "mp4a"}))


def hls_for(manifest: str, device: Device, *, base: str = "", steering: str = "", pathway: str = "") -> str:
    """A multivariant playlist with the variants that the device plays, its URIs below `base`, and content steering.

    The lowest variant stays where the device plays none. Raises Invalid for what is no multivariant playlist.
    """
    if len(manifest) > MANIFEST_BYTES_MOST:
        raise Invalid(f"a manifest of more than {MANIFEST_BYTES_MOST} bytes is not rewritten")
    lines = manifest.splitlines()
    if not lines or lines[0].strip() != "#EXTM3U" or "#EXT-X-STREAM-INF:" not in manifest:
        raise Invalid("this is no multivariant playlist of HLS")
    head: list[str] = []
    variants: list[tuple[int, bool, list[str]]] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("#EXT-X-STREAM-INF:"):
            uri = lines[at] if at < len(lines) else ""
            at += 1
            named = f'{line},PATHWAY-ID="{pathway}"' if steering and "PATHWAY-ID=" not in line else line
            variants.append((*_plays(line, device), [named, urljoin(base, uri) if base else uri]))
        elif line.startswith("#EXT-X-I-FRAME-STREAM-INF:"):
            if _plays(line, device)[1]:
                head.append(_below(line, base))
        elif line and not (steering and line.startswith("#EXT-X-CONTENT-STEERING:")):
            head.append(_below(line, base) if line.startswith("#EXT-X-MEDIA:") else line)
    kept = [both for _, plays, both in variants if plays] or [min(variants, key=lambda one: one[0])[2]]
    if steering:
        head.insert(1, f'#EXT-X-CONTENT-STEERING:SERVER-URI="{steering}",PATHWAY-ID="{pathway}"')
    return "\n".join([*head, *(line for both in kept for line in both), ""])


def _plays(line: str, device: Device) -> tuple[int, bool]:
    """(height, whether the device plays it) of a variant's line."""
    height, codecs = _HEIGHT.search(line), _CODECS.search(line)
    tall = int(height[1]) if height else 0
    fits = codecs is None or _families(codecs[1]) <= device.codecs
    return tall, fits and tall <= device.height_most


@lru_cache(1024)
def _families(codecs: str) -> frozenset[str]:
    """The four-character codes of a list like `avc1.640028,mp4a.40.2`; films share a few lists."""
    return frozenset(one.strip().split(".")[0] for one in codecs.split(",") if one.strip())


def _below(line: str, base: str) -> str:
    return _URI.sub(lambda found: f'URI="{urljoin(base, found[1])}"', line) if base else line


_MPD = re.compile(r"(.*?<MPD\b[^>]*>)(.*?)(<AdaptationSet\b.*</AdaptationSet>)(\s*</Period>\s*</MPD>\s*)", re.DOTALL)
_MOVED = re.compile(r"\s*<(BaseURL|ContentSteering)\b[^>]*>[^<]*</\1>")
_PICTURES = re.compile(r'\scontentType="video"')
_SOUNDS = re.compile(r'\scontentType="audio"')
_REPRESENTATION = re.compile(r"<Representation\b.*?</Representation>\s*", re.DOTALL)
_TALL = re.compile(r'\sheight="(\d{1,5})"')
_MADE_OF = re.compile(r'\scodecs="([^"]*)"')


class Mpd(msgspec.Struct, frozen=True):
    """An MPD of one period, taken apart."""

    begin: str
    """To the end of its first tag."""
    between: str
    """From there to the first set; without bases and steering."""
    sets: tuple[tuple[str, tuple[str, ...], str], ...]
    """Before, the representations, after."""
    end: str


def mpd_of(manifest: str) -> Mpd:
    """Take an MPD apart. O(its length). Raises Invalid for what is none, or has several periods."""
    found = _MPD.fullmatch(manifest)
    if found is None or manifest.count("<Period") != 1:
        raise Invalid("this is no MPD of one period with adaptation sets")
    begin, between, sets, end = found.groups()
    apart = [_apart(f"<AdaptationSet{one}") for one in sets.split("<AdaptationSet")[1:]]
    return Mpd(begin, _MOVED.sub("", between), tuple(apart), end)


def _apart(text: str) -> tuple[str, tuple[str, ...], str]:
    found = list(_REPRESENTATION.finditer(text))
    if not found:
        return text, (), ""
    return text[: found[0].start()], tuple(one[0] for one in found), text[found[-1].end() :]


def dash_for(mpd: Mpd, device: Device) -> str:
    """From the first set on, what the device plays: the lowest picture stays where it plays none, sound likewise."""
    kept = [(before, _played(ones, device) if _is_media(before) else ones, after) for before, ones, after in mpd.sets]
    for kind in (_PICTURES, _SOUNDS):
        places = [at for at, one in enumerate(kept) if kind.search(one[0])]
        if places and not any(kept[at][1] for at in places):
            at = places[0]
            kept[at] = (kept[at][0], (min(mpd.sets[at][1], key=_height),) if mpd.sets[at][1] else (), kept[at][2])
    texts = [f"{before}{''.join(ones)}{after}" for before, ones, after in kept if ones or not _is_media(before)]
    return "".join(texts) + mpd.end


def dash_begin(mpd: Mpd, *, base: str, steering: str = "", location: str = "") -> str:
    """What comes before the sets: with the base URL and, where there is one, the steering server."""
    named = f" serviceLocation={quoteattr(location)}" if location else ""
    server = (
        f"\n<ContentSteering defaultServiceLocation={quoteattr(location)} "
        f'queryBeforeStart="false">{escape(steering)}</ContentSteering>'
    )
    return f"{mpd.begin}\n<BaseURL{named}>{escape(base)}</BaseURL>{server if steering else ''}{mpd.between}"


def _is_media(before: str) -> bool:
    return bool(_PICTURES.search(before) or _SOUNDS.search(before))


def _played(ones: Sequence[str], device: Device) -> tuple[str, ...]:
    return tuple(one for one in ones if _height(one) <= device.height_most and _decodes(one, device))


def _decodes(one: str, device: Device) -> bool:
    codecs = _MADE_OF.search(one)
    return codecs is None or _families(codecs[1]) <= device.codecs


def _height(one: str) -> int:
    tall = _TALL.search(one)
    return int(tall[1]) if tall else 0


def steer(
    region: str,
    known: Sequence[EdgeState],
    *,
    bps: float,
    prices: Mapping[str, float],
    path: str,
    base: str = "",
    current: str = "",
    ttl_s: int = TTL_S,
) -> tuple[list[Candidate], dict[str, Any]]:
    """The edges in order and their document, as they were last known: the control plane's own decision, made here.

    The document is asked for again at the best edge, under `path`. `base` is the only pathway that the manifest
    knows; the others are its clones.
    """
    ranked = decide(region, known, bps=bps, prices=prices, current=current)
    clones = {one.edge.name: base for one in ranked if base and one.edge.name != base}
    again = f"{ranked[0].edge.url}{path}" if ranked else path
    return ranked, steering_document(ranked, reload_uri=again, ttl_s=ttl_s, clones=clones)
