"""Edge functions: what an edge may decide about a request by itself, as pure functions of recorded state.

Each is given all that it needs, so it runs while the control plane is away, on the state last known; none may take
longer than `BUDGET_US` of CPU for a film's manifest, which `reelwright bench cdn` measures. Signatures are
`core/access.check`, steering is `steer` here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

import msgspec

from reelwright.cdn.core.steering import EdgeState, rank, steering_document
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
            variants.append((*_plays(line, device), [line, urljoin(base, uri) if base else uri]))
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


def steer(
    region: str,
    known: Sequence[EdgeState],
    *,
    bps: float,
    prices: Mapping[str, float],
    reload_uri: str,
) -> dict[str, Any]:
    """The steering document from the edges as they were last known: the control plane's own decision, made here."""
    return steering_document(rank(region, known, bps=bps, prices=prices), reload_uri=reload_uri)
