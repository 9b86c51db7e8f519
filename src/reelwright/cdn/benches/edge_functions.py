"""Functions that an edge runs on a request by itself, and their CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from reelwright.cdn.benches.objects import FOLDER
from reelwright.cdn.contract import sign_folder
from reelwright.cdn.core.access import check, parse
from reelwright.cdn.core.functions import BUDGET_US, Mpd, dash_begin, device_of, hls_for, steer
from reelwright.cdn.core.steering import EdgeState
from reelwright.kernel.bench import Row
from reelwright.kernel.keys import KeyRing


def edge_functions() -> Iterator[Row]:
    """CPU of each function that an edge runs on a request by itself, on a film's manifest and ten edges."""
    device = device_of({"user-agent": "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0)"})
    manifest = "#EXTM3U\n" + "".join(
        f'#EXT-X-STREAM-INF:BANDWIDTH={rung}000,RESOLUTION=640x{rung},CODECS="avc1.640028,mp4a.40.2"\nv/{rung}.m3u8\n'
        for rung in (240, 360, 480, 540, 720, 900, 1080, 1440, 2160)
    )
    edges = [
        EdgeState(name=f"e{at}", url=f"https://e{at}.example", capacity_bps=1e10, costs={"*": 1.0 + at})
        for at in range(10)
    ]
    mpd = Mpd("<MPD>", "<Period>", (), "</Period></MPD>")
    keys = KeyRing.generate()
    path = sign_folder(keys, FOLDER, expires_s=2_000_000_000, viewer=None) + f"{FOLDER}/a.m4s"
    functions: dict[str, Callable[[], object]] = {
        "signature": lambda: check(parse(path), keys, viewer="", now_s=1e9),
        "device filter": lambda: device_of({"user-agent": "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0)"}),
        "manifest rewrite": lambda: hls_for(manifest, device, steering="/steer", pathway="e1"),
        "steering": lambda: steer("r1", edges, bps=5e6, prices={}, path="/steer", base="e1"),
        "MPD's beginning": lambda: dash_begin(mpd, base="https://e/m/t/", steering="https://e/steer", location="e1"),
    }
    found = {name: _cpu_us(function) for name, function in functions.items()}
    yield Row(
        id="edge_functions.slowest",
        what="CPU of the slowest edge function",
        value=round(max(found.values()), 1),
        unit="µs",
        op="<=",
        goal=BUDGET_US,
        note=", ".join(f"{name} {us:.1f}" for name, us in found.items()),
    )


def _cpu_us(function: Callable[[], object], calls: int = 2000) -> float:
    """Median of several rounds."""
    rounds = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(calls):
            function()
        rounds.append((time.process_time() - began) / calls * 1e6)
    return statistics.median(rounds)
