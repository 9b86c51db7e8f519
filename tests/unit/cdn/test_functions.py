"""Edge functions: pure, total on hostile input, and right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.cdn.core.functions import MANIFEST_BYTES_MOST, Device, device_of, hls_for, steer
from reelwright.cdn.core.steering import EdgeState
from reelwright.kernel.errors import Invalid

MANIFEST = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",URI="audio/en.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="a"
v/360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4500000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",AUDIO="a"
v/1080.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,CODECS="av01.0.12M.08,mp4a.40.2",AUDIO="a"
v/2160.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,RESOLUTION=3840x2160,CODECS="av01.0.12M.08",URI="v/trick.m3u8"
"""
PHONE = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"}
TV = {"user-agent": "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0)"}


def test_a_device_gets_the_variants_that_it_plays() -> None:
    """By height and codec; audio stays; one that plays none gets the lowest."""
    phone, tv, none = (
        hls_for(MANIFEST, device) for device in (device_of(PHONE), device_of(TV), Device(100, frozenset({"xxxx"})))
    )
    assert ("360" in phone, "1080.m3u8" in phone, "2160" in phone, "trick" in phone) == (True, True, False, False)
    assert tv.splitlines()[1:] and tv.count("#EXT-X-STREAM-INF") == 3
    assert "trick.m3u8" in tv
    assert none.count("#EXT-X-STREAM-INF") == 1
    assert "v/360.m3u8" in none
    assert all("audio/en.m3u8" in made for made in (phone, tv, none))


def test_uris_move_below_a_base_and_steering_is_announced_once() -> None:
    """What the player needs to change edges."""
    base = "https://edge-2.example/m/token/assets/a/"
    made = hls_for(MANIFEST, device_of(TV), base=base, steering="/steer", pathway="edge-2")
    assert f'URI="{base}audio/en.m3u8"' in made
    assert f"\n{base}v/1080.m3u8\n" in made
    again = hls_for(made, device_of(TV), steering="/steer", pathway="edge-3")
    assert made.count("#EXT-X-CONTENT-STEERING:") == again.count("#EXT-X-CONTENT-STEERING:") == 1
    assert 'PATHWAY-ID="edge-3"' in again


@pytest.mark.parametrize(
    "wrong", ["", "x", "#EXTM3U\n#EXTINF:4,\na.m4s\n", MANIFEST + "#" * MANIFEST_BYTES_MOST, "#EXTM3U", "\n" * 9]
)
def test_what_is_no_multivariant_playlist_is_refused(wrong: str) -> None:
    """Also what is too long for the budget."""
    with pytest.raises(Invalid):
        hls_for(wrong, device_of({}))


@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from(MANIFEST.splitlines()),
            st.text(max_size=40),
            st.just('#EXT-X-STREAM-INF:RESOLUTION=9x99999,CODECS=""'),
        ),
        max_size=30,
    ),
    agent=st.text(max_size=600),
)
def test_whatever_comes_a_playlist_or_a_refusal_goes(lines: list[str], agent: str) -> None:
    """No other error, and never a playlist without a variant."""
    try:
        made = hls_for("\n".join(["#EXTM3U", *lines]), device_of({"user-agent": agent}), base="https://e/")
    except Invalid:
        return
    assert made.startswith("#EXTM3U\n")
    assert "#EXT-X-STREAM-INF:" in made


def test_steering_needs_nothing_but_what_was_last_known() -> None:
    """The same decision as the control plane's, draining edges last, in a document that is JSON."""
    edges = [
        EdgeState(name="far", url="https://far", capacity_bps=1e9, costs={"*": 3.0}),
        EdgeState(name="near", url="https://near", capacity_bps=1e9, costs={"r1": 1.0}),
        EdgeState(name="gone", url="https://gone", capacity_bps=1e9, state="draining", costs={"*": 0.1}),
    ]
    document = steer("r1", edges, bps=5e6, prices={}, reload_uri="/steer")
    assert json.loads(json.dumps(document))["PATHWAY-PRIORITY"] == ["near", "far"]
    full = steer("r1", edges, bps=5e6, prices={"near": 9.0}, reload_uri="/steer")
    assert full["PATHWAY-PRIORITY"] == ["far", "near"]
