"""The edge's own manifests and steering documents: the functions of `core/functions.py`, wired to what it holds.

Beside the package `assets/ID/HASH.json` lie, by name only: `HASH.m3u8` and `HASH.mpd`, filtered for the device that
asks, `HASH.TRACK.m3u8`, and `steering.json`. The signature that opens the segments opens them, and what they are made
from is an object like any other, so they are there while the control plane is away.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from reelwright.cdn.adapters.cache import Fill
from reelwright.cdn.adapters.files import OpenFile
from reelwright.cdn.contract import Atlas, Decided, token_of
from reelwright.cdn.core.functions import Device, Mpd, dash_begin, dash_for, device_of, hls_for, mpd_of, steer
from reelwright.cdn.core.given import Given
from reelwright.cdn.core.steering import EdgeState, Prefixes, nearest_of
from reelwright.cdn.ports import ManifestMaker, Manifests
from reelwright.kernel.clock import Clock
from reelwright.kernel.errors import Invalid, NotFound
from reelwright.kernel.telemetry import counter

MADE = counter("edge_functions_total", "Answers that the edge made by itself, by kind.", ("kind",))

HLS_TYPE, DASH_TYPE = "application/vnd.apple.mpegurl", "application/dash+xml"
STEERING = "steering.json"
PACKAGES_KEPT = 64
PACKAGE_BYTES_MOST = 64 << 20
DECISIONS_KEPT = 5_000
BPS = 5e6
"""Of a session whose manifest does not say."""
_AVERAGE = re.compile(r"AVERAGE-BANDWIDTH=(\d{1,12})")
_NAME = re.compile(
    r"(?P<folder>assets/[^/]+/)(?P<stem>[0-9a-f]{26})(?:\.(?P<track>[A-Za-z0-9-]{1,64}))?\.(?P<kind>m3u8|mpd)"
)
_PATHWAY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
Found = Callable[[str], "OpenFile | Fill | None"]


class Made(msgspec.Struct, frozen=True):
    """An answer's body and its type."""

    body: bytes
    content_type: str


class _Package:
    """What was made of one package, as far as somebody asked for it."""

    def __init__(self, manifests: Manifests) -> None:
        self.manifests = manifests
        self.hls = ""
        self.bps = BPS
        self.mpd: Mpd | None = None
        self.filtered: dict[Device, bytes] = {}
        self.playlists: dict[str, bytes] = {}


class EdgeManifests:
    """What one edge answers by itself."""

    def __init__(self, *, name: str, url: str, make: ManifestMaker, regions: Prefixes, clock: Clock) -> None:
        self._name = name
        self._url = url
        self._make = make
        self._regions = regions
        self._clock = clock
        self._packages: OrderedDict[str, _Package] = OrderedDict()
        self._coming: dict[str, Fill] = {}
        self._given = Given()
        self._atlas = Atlas()
        self.unreported: deque[Decided] = deque(maxlen=DECISIONS_KEPT)
        """Decisions that the control plane has not stored yet."""

    @property
    def atlas(self) -> str:
        """Which state of the edges is known here."""
        return self._atlas.id

    def follow(self, atlas: Atlas) -> None:
        """Steer by this from now on; loads count anew."""
        self._atlas = atlas
        self._given.settle()

    def forget(self, meant: Callable[[str], bool]) -> None:
        """What was made of purged packages goes with them."""
        for name in [one for one in self._packages if meant(one)]:
            del self._packages[name]

    def steering(self, target: str, address: str) -> Made:
        """The steering document for who asks with a URL of ours. Raises Invalid."""
        path, _, query = target.partition("?")
        asked = read_query(query)
        current = (asked.get("_HLS_pathway") or asked.get("_DASH_pathway") or "").strip('"').partition(",")[0]
        base = asked.get("known", "")
        if base and not _PATHWAY.fullmatch(base):
            raise Invalid("known is the pathway that the manifest names")
        bps = read_bps(asked.get("bps", ""))
        token = token_of(path)
        region = self._regions.region_of(address)
        ours = [(name, asked[name]) for name in ("bps", "known") if name in asked]
        ranked, document = steer(
            region,
            self._states(),
            bps=bps,
            prices=self._atlas.prices,
            path=f"{path}?{urlencode(ours)}" if ours else path,
            base=base,
            current=current or self._given.sent(token),
            ttl_s=self._atlas.ttl_s,
        )
        chosen = ranked[0].edge.name
        if self._given.give(token, chosen, bps) and self._atlas.id:
            nearest, why = nearest_of(ranked)
            now_ms = self._clock.wall_ns() // 1_000_000
            self.unreported.append(Decided(now_ms, token, region, chosen, nearest, why, bps))
        MADE.labels("steering").inc()
        return Made(msgspec.json.encode(document), "application/json")

    def manifest(self, name: str, target: str, headers: dict[str, str], find: Found) -> Made | Fill:
        """A manifest; or the fill of its package, to be asked again when there is more of it. Raises NotFound."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise NotFound("no such manifest")
        package = self._package(f"{match['folder']}{match['stem']}.json", match["stem"], find)
        if isinstance(package, Fill):
            return package
        kind = "playlist" if match["track"] else match["kind"]
        MADE.labels(kind).inc()
        if match["track"]:
            return Made(_playlist(package, match["track"]), HLS_TYPE)
        path = target.partition("?")[0]
        asked = urlencode({"bps": round(package.bps), "known": self._name})
        steering = f"{self._url}{path[: path.rfind('/') + 1]}{STEERING}?{asked}"
        device = device_of(headers)
        if match["kind"] == "m3u8":
            text = hls_for(package.hls, device, steering=steering, pathway=self._name)
            return Made(text.encode(), HLS_TYPE)
        base = f"{self._url}{path[: path.find('/assets/') + 1]}"
        return Made(self._dash(package, device, base, steering), DASH_TYPE)

    def _dash(self, package: _Package, device: Device, base: str, steering: str) -> bytes:
        mpd = package.mpd = package.mpd or mpd_of(package.manifests.dash())
        body = package.filtered.get(device)
        if body is None:
            body = package.filtered[device] = dash_for(mpd, device).encode()
        return dash_begin(mpd, base=base, steering=steering, location=self._name).encode() + body

    def _package(self, name: str, stem: str, find: Found) -> _Package | Fill:
        known = self._packages.get(name)
        if known is not None:
            self._packages.move_to_end(name)
            return known
        found = self._coming.pop(name, None) or find(name)
        if found is None:
            raise NotFound("no such manifest")
        if isinstance(found, Fill):
            if found.problem is not None:
                raise found.problem
            if not found.done:
                self._coming = {one: fill for one, fill in self._coming.items() if not fill.done and not fill.problem}
                self._coming[name] = found
                return found
        made = self._packages[name] = _Package(self._make(_bytes_of(found)))
        made.hls = made.manifests.hls(stem)
        made.bps = float(max(map(int, _AVERAGE.findall(made.hls)), default=BPS))
        if len(self._packages) > PACKAGES_KEPT:
            self._packages.popitem(last=False)
        return made

    def _states(self) -> list[EdgeState]:
        """The edges as they were last known; this one alone where nothing was ever told."""
        if not self._atlas.edges:
            return [EdgeState(name=self._name, url=self._url, capacity_bps=1e18, costs={"*": 0.0})]
        return [
            msgspec.structs.replace(one, load_bps=one.load_bps + self._given.bps(one.name))
            for one in self._atlas.edges
        ]


def _playlist(package: _Package, track: str) -> bytes:
    made = package.playlists.get(track)
    if made is None:
        text = package.manifests.playlist(track)
        if text is None:
            raise NotFound("no such track")
        made = package.playlists[track] = text.encode()
    return made


def _bytes_of(found: OpenFile | Fill) -> bytes:
    file = found.file if isinstance(found, Fill) else found
    if file is None or found.size > PACKAGE_BYTES_MOST:
        raise NotFound("no such manifest")
    return os.pread(file.descriptor, found.size, 0)


def read_query(query: str) -> dict[str, str]:
    """A steering URL's query. Raises Invalid."""
    try:
        return dict(parse_qsl(query, max_num_fields=20))
    except ValueError as error:
        raise Invalid(f"this query cannot be read: {error}") from None


def read_bps(text: str) -> float:
    """Bits per second of a session; a usual number where it does not say. Raises Invalid."""
    if not text:
        return BPS
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise Invalid("bps is a whole number of bits per second")
    return float(text)


def address_of(peer: Any, forwarded: str) -> str:
    """Who asks: the peer, or whom a program of ours on this machine, as nginx, asks for."""
    host = str(peer[0]) if isinstance(peer, tuple) else ""
    try:
        local = not host or ip_address(host).is_loopback
    except ValueError:
        local = False
    return forwarded if local and forwarded else host
