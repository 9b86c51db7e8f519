"""Edge functions: pure, total on hostile input, and right."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.cdn.core.functions import (
    MANIFEST_BYTES_MOST,
    Device,
    dash_begin,
    dash_for,
    device_of,
    hls_for,
    mpd_of,
    steer,
)
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
    ranked, document = steer("r1", edges, bps=5e6, prices={}, path="/s?known=near", base="near", ttl_s=9)
    assert ranked[0].edge.name == "near"
    assert json.loads(json.dumps(document)) == {
        "VERSION": 1,
        "TTL": 9,
        "RELOAD-URI": "https://near/s?known=near",
        "PATHWAY-PRIORITY": ["near", "far"],
        "PATHWAY-CLONES": [{"BASE-ID": "near", "ID": "far", "URI-REPLACEMENT": {"HOST": "far"}}],
    }
    _, full = steer("r1", edges, bps=5e6, prices={"near": 9.0}, path="/s")
    assert (full["PATHWAY-PRIORITY"], full["RELOAD-URI"]) == (["far", "near"], "https://far/s")
    _, stays = steer("r1", edges, bps=5e6, prices={"near": 2.05}, path="/s", current="near")
    assert stays["PATHWAY-PRIORITY"][0] == "near"


MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">
<BaseURL>../../</BaseURL>
<Period id="0">
<AdaptationSet id="0" contentType="video"><Role value="main"/>
<Representation id="v360" codecs="avc1.4d401e" width="640" height="360"><SegmentList/></Representation>
<Representation id="v1080" codecs="avc1.640028" width="1920" height="1080"><SegmentList/></Representation>
</AdaptationSet>
<AdaptationSet id="1" contentType="video">
<Representation id="v2160" codecs="av01.0.12M.08" width="3840" height="2160"><SegmentList/></Representation>
</AdaptationSet>
<AdaptationSet id="2" contentType="audio">
<Representation id="opus" codecs="opus"><SegmentList/></Representation></AdaptationSet>
<AdaptationSet id="3" contentType="text">
<Representation id="t"><BaseURL>t.vtt</BaseURL></Representation></AdaptationSet>
</Period>
</MPD>
"""


def names(manifest: str) -> list[str]:
    """Of the representations, after the whole was read as XML."""
    ElementTree.fromstring(manifest)
    return re.findall(r'<Representation id="(\w+)"', manifest)


def test_a_device_gets_the_representations_that_it_plays() -> None:
    """A set of which nothing is left goes; text stays; of pictures and of sound something always stays."""
    mpd = mpd_of(MPD)
    begin = dash_begin(mpd, base="https://e/m/a&b/", steering="https://e/s?a=1&b=2", location="edge-1")
    assert names(begin + dash_for(mpd, device_of(TV))) == ["v360", "v1080", "v2160", "opus", "t"]
    assert names(begin + dash_for(mpd, device_of(PHONE))) == ["v360", "v1080", "opus", "t"]
    assert names(begin + dash_for(mpd, Device(100, frozenset({"zzzz"})))) == ["v360", "opus", "t"]


def test_an_mpd_begins_with_the_edge_s_base_and_steering() -> None:
    """What was there before of either is gone, so that it may be rewritten again."""
    mpd = mpd_of(MPD)
    for again in range(2):
        begin = dash_begin(mpd, base=f"https://e{again}/", steering="https://e/s?a=1&b=2", location="edge-1")
        root = ElementTree.fromstring(begin + dash_for(mpd, device_of(TV)))
        space = "{urn:mpeg:dash:schema:mpd:2011}"
        (base,), (steering,) = root.findall(f"{space}BaseURL"), root.findall(f"{space}ContentSteering")
        assert (base.text, base.get("serviceLocation")) == (f"https://e{again}/", "edge-1")
        assert (steering.text, steering.get("defaultServiceLocation")) == ("https://e/s?a=1&b=2", "edge-1")
        mpd = mpd_of(begin + dash_for(mpd, device_of(TV)))


@pytest.mark.parametrize("wrong", ["", "<MPD>", "<MPD></MPD>", MPD.replace("<Period", "<Period/><Period"), MPD[:-9]])
def test_what_is_no_mpd_is_refused(wrong: str) -> None:
    """Also one of several periods."""
    with pytest.raises(Invalid):
        mpd_of(wrong)


def test_a_pathway_is_named_on_each_variant() -> None:
    """A variant without one belongs to another pathway (RFC 8216bis section 7)."""
    made = hls_for(MANIFEST, device_of(TV), steering="/s", pathway="edge-2")
    variants = [line for line in made.splitlines() if line.startswith("#EXT-X-STREAM-INF:")]
    assert len(variants) == 3 and all(line.count('PATHWAY-ID="edge-2"') == 1 for line in variants)
